"""An access review of 100,000 users with 300,000 items: how long its start and its close take (no aim but the 60 s
after which a statement is ended; a start of more than 10 s is too slow for who waits), what 500 decisions take, and
the list of items by search and filter (aim: p95 under 100 ms each).

It runs after the lists of `bench.people`, on the same users. Two fifths of the items are kept and 200 are revoked by
SQL, so that what is open begins late in the order and what is revoked is rare; the campaign is asked for right after
its start too, while the database has no figures about the new rows.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import aiohttp
import psycopg

ASKED = 60
DECIDED = 500
PATH = "/api/v1/access-reviews"

#: What active users have: three items each, of some thousand a rare one instead.
_ACCESS = """
update opsteward.users set status = 'active', system_access = '{main_app}', permissions = array['read_basic',
    case when substr(md5(username), 1, 3) = '000' then 'pay' else 'write_basic' end]
where source = 'bench'
"""
_DECIDED = """
with ranked as (
    select id, row_number() over (order by user_id, kind, name) as place, count(*) over () as n
    from opsteward.access_review_items where review_id = %(review)s
), verdicts as (
    select id, case when place %% (n / 200) = 0 then 'revoke' else 'keep' end as verdict from ranked
    where place <= n * 2 / 5 or place %% (n / 200) = 0
), decided as (
    update opsteward.access_review_items i set decision = v.verdict, decided_by = 'system:bench', decided_at = now()
    from verdicts v where v.id = i.id returning i.decision
)
update opsteward.access_reviews r set undecided = r.items - d.n, revoked = d.revoked
from (select count(*) as n, count(*) filter (where decision = 'revoke') as revoked from decided) d
where r.id = %(review)s
"""

Row = Callable[[str, list[float], str], None]


async def measure(client: aiohttp.ClientSession, database: str, users: int, row: Row) -> None:
    """All figures of a campaign over the bench's users; `row` takes what was done, the seconds of each, and the aim."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_ACCESS)
        connection.execute("vacuum full analyze opsteward.users")
    started, review = await _timed(client.post(PATH, json={"name": "all"}))
    row(f"start a review, {review['items']:,} items", [started], "")
    items = f"{PATH}/{review['id']}/items"
    await _ask(client, items, {"what is open, right after the start": lambda: {"decision": "open"}}, row)
    first = await _get(client, items, {"limit": 500})
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_DECIDED, {"review": review["id"]})
        connection.execute("analyze opsteward.access_review_items")
        places = [
            str(one[0])
            for one in connection.execute(
                "select id from opsteward.access_review_items where review_id = %s order by random() limit 500",
                (review["id"],),
            )
        ]
    await _ask(client, items, _lists(users, places), row)
    await _ask(client, PATH, {"the campaigns": dict}, row)
    await _ask(client, f"{PATH}/{review['id']}", {"one campaign": dict}, row)
    for verdict in ("revoke", "keep"):
        decisions = [
            {"item_id": one["id"], "decision": verdict, "instead_of": standing}
            for one, standing in await _other(client, items, first, verdict)
        ]
        took, _ = await _timed(client.post(f"{PATH}/{review['id']}/decisions", json={"decisions": decisions}))
        row(f"{len(decisions)} decisions changed to {verdict}", [took], "")
    took, _ = await _timed(client.post(f"{PATH}/{review['id']}/close"))
    row("close the review", [took], "")


def _lists(users: int, places: list[str]) -> dict[str, Callable[[], dict[str, object]]]:
    def number() -> int:
        return random.randrange(1, users)

    return {
        "first page": dict,
        "a later page": lambda: {"after": random.choice(places)},
        "search, one user": lambda: {"search": f"SER{number()}@ex"},
        "search, hundreds of users": lambda: {"search": f"user{number() % 90 + 10}3"},
        "search, everybody": lambda: {"search": "person"},
        "search, everybody, a later page": lambda: {"search": "person", "after": random.choice(places)},
        "search, nobody": lambda: {"search": "nobody at all"},
        "search, everybody, revoked": lambda: {"search": "person", "decision": "revoke"},
        "open": lambda: {"decision": "open"},
        "revoked": lambda: {"decision": "revoke"},
        "kept, a later page": lambda: {"decision": "keep", "after": random.choice(places)},
        "systems": lambda: {"kind": "system"},
        "a name that all have": lambda: {"name": "main_app"},
        "a name that few have": lambda: {"name": "pay"},
        "a name that few have, revoked": lambda: {"name": "pay", "decision": "revoke"},
        "a name that nobody has": lambda: {"name": "nothing"},
        "search, everybody, by a name that few have": lambda: {"search": "person", "name": "pay"},
    }


async def _other(
    client: aiohttp.ClientSession, items: str, first: list[dict[str, str]], verdict: str
) -> list[tuple[dict[str, str], str | None]]:
    """Those of the first 500 items that are decided otherwise, and how."""
    now = {one["id"]: one for one in await _get(client, items, {"limit": DECIDED})}
    return [(one, now[one["id"]]["decision"]) for one in first if now[one["id"]]["decision"] != verdict]


async def _get(client: aiohttp.ClientSession, path: str, params: dict[str, object]) -> list[dict[str, str]]:
    async with client.get(path, params={name: str(value) for name, value in params.items()}) as answer:
        answer.raise_for_status()
        return list((await answer.json())["items"])


async def _timed(asked: aiohttp.client._RequestContextManager) -> tuple[float, dict[str, str | int]]:
    began = time.perf_counter()
    async with asked as answer:
        answer.raise_for_status()
        told = await answer.json()
    return time.perf_counter() - began, told


async def _ask(
    client: aiohttp.ClientSession, path: str, asks: dict[str, Callable[[], dict[str, object]]], row: Row
) -> None:
    """Each `ASKED` times, one after the other."""
    for what, params in asks.items():
        times = []
        for _ in range(ASKED):
            query = {name: str(value) for name, value in params().items()}
            began = time.perf_counter()
            async with client.get(path, params=query) as answer:
                answer.raise_for_status()
                await answer.read()
            times.append(time.perf_counter() - began)
        row(f"review: {what}", times, "100")
