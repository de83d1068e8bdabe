"""Users one by one, and lists of many: register_user at 100 a second (aim: p95 under 30 ms) and the highest rate held;
the list, the search, a filter and a SCIM filter at 100,000 users (aim: p95 under 100 ms each); a review of their access
(`people_reviews`).

The load is open: a request leaves when it is due, whether or not the former ones were answered, and its time counts
from when it was due. One process serves, with its worker beside; the load runs in the bench's own process, on the
cheapest client we have, since what it takes of the machine the server has not. The 100,000 users are put there by SQL,
since how they came is not what is measured.

It says what it is doing, and after five minutes it shows what it has and gives up.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import aiohttp
import psycopg
from rich.console import Console
from rich.table import Table

from bench import people_reviews
from bench.instance import Instance, quantile, running, settle, temporary_folder
from opsteward.core.database_setup import EMBEDDED_DATABASE
from opsteward.core.embedded_postgres import EmbeddedPostgres

OFFERED = 100.0  # a second
SECONDS = 20.0
STEP_SECONDS = 5.0
RISE = 1.3
HELD_P95 = 0.25  # seconds; a rate whose answers take longer is not held
USERS = 100_000
ASKED = 100
#: Seconds after which it gives up.
GIVEN_UP_AFTER = 300
FIRST = ("Ada", "Grace", "Alan", "Zoë", "Mary", "Ben", "Håkon", "Ines", "Jo", "Kim")

FILL_USERS = """
insert into opsteward.users (id, tenant_id, username, username_key, email, email_key, full_name, status, role,
    department, permissions, system_access, profile_data, tags, source, created_by, holds_names, version,
    created_at, updated_at, scim)
select gen_random_uuid(), t.id, 'user' || n, 'user' || n, 'user' || n || '@example.com', 'user' || n || '@example.com',
    'Person ' || n, case when n %% 10 = 0 then 'inactive' else 'active' end,
    case when n %% 7 = 0 then 'premium_user' else 'standard_user' end, 'dept' || n %% 20, '{read_basic}',
    '{main_app}', '{}', '{}', 'bench', 'system:bench', true, 1, now() - n * interval '1 minute', now(),
    -- every second one came by SCIM
    case when n %% 2 = 0 then jsonb_build_object('named', 'Person ' || n, 'mail', 'user' || n || '@example.com', 'doc',
        jsonb_build_object('displayName', 'Person ' || n, 'name', jsonb_build_object('familyName', 'Family ' || n),
            'emails', jsonb_build_array(jsonb_build_object('type', 'work', 'value', 'user' || n || '@example.com'))))
    end
from opsteward.tenants t, generate_series(%s::int + 1, %s::int) n where t.name = 'default'
"""

Asked = AbstractAsyncContextManager[aiohttp.ClientResponse]
Ask = Callable[[aiohttp.ClientSession], Asked]


async def answered(asked: Asked) -> None:
    """Until all of the answer is there. Raises for one that is no success."""
    async with asked as answer:
        answer.raise_for_status()
        await answer.read()


async def offer(client: aiohttp.ClientSession, ask: Ask, *, rate: float, seconds: float) -> list[float]:
    """Times of the answers, in seconds from when each request was due. Raises for an answer that is no success."""

    async def one(due: float) -> float:
        await answered(ask(client))
        return time.perf_counter() - due

    began = time.perf_counter()
    under_way = []
    for number in range(int(rate * seconds)):
        due = began + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        under_way.append(asyncio.create_task(one(due)))
    return list(await asyncio.gather(*under_way))


def registration() -> Ask:
    """A new user each time."""
    numbers = itertools.count()
    run = random.randrange(10**9)

    def ask(client: aiohttp.ClientSession) -> Asked:
        name = f"{random.choice(FIRST)}{run}-{next(numbers)}"
        address = f"u{run}.{name.split('-')[1]}@example.com"
        body = {"username": name, "email": address, "full_name": f"{name} Bench", "department": "Bench"}
        return client.post("/api/v1/users", json=body)

    return ask


def lists() -> dict[str, Ask]:
    """What is asked at 100,000 users, by name."""

    def number() -> int:
        return random.randrange(1, USERS)

    scim = "/scim/v2/Users"
    return {
        "list, first page": lambda c: c.get("/api/v1/users"),
        "list, a later page": lambda c: c.get("/api/v1/users", params={"after": f"user{number()}"}),
        "search, one found": lambda c: c.get("/api/v1/users", params={"search": f"SER{number()}@ex"}),
        "search, none found": lambda c: c.get("/api/v1/users", params={"search": "nobody at all"}),
        "filter by department": lambda c: c.get("/api/v1/users", params={"department": f"dept{number() % 20}"}),
        "filter by status and role": lambda c: c.get(
            "/api/v1/users", params={"status": "inactive", "role": "premium_user"}
        ),
        "one user": lambda c: c.get("/api/v1/users", params={"search": f"user{number()}"}),
        "SCIM userName eq": lambda c: c.get(scim, params={"filter": f'userName eq "USER{number()}"', "count": 10}),
        "SCIM emails.value eq": lambda c: c.get(
            scim, params={"filter": f'emails.value eq "user{number()}@example.com"', "count": 10}
        ),
        "SCIM userName sw": lambda c: c.get(scim, params={"filter": f'userName sw "user{number()}"', "count": 50}),
        "SCIM active eq true, first page": lambda c: c.get(scim, params={"filter": "active eq true", "count": 100}),
        "SCIM active eq true, a later page": lambda c: c.get(
            scim, params={"filter": "active eq true", "count": 100, "startIndex": number() // 2}
        ),
        "SCIM how many": lambda c: c.get(scim, params={"count": 0}),
        "SCIM emails[type and value co]": lambda c: c.get(
            scim, params={"filter": f'emails[type eq "work" and value co "r{number()}@"]', "count": 10}
        ),
        "SCIM name.familyName eq": lambda c: c.get(
            scim, params={"filter": f'name.familyName eq "family {number()}"', "count": 10}
        ),
        "SCIM userName sw, sorted": lambda c: c.get(
            scim, params={"filter": 'userName sw "user99"', "sortBy": "userName", "count": 50}
        ),
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def measure(instance: Instance, table: Table) -> None:
    """All figures of one instance, as rows of the table."""

    def row(what: str, times: list[float], aim: str) -> None:
        say(f"  {what}: {1000 * quantile(times, 0.95):.1f} ms")
        table.add_row(what, *(f"{1000 * quantile(times, share):.1f}" for share in (0.5, 0.95, 0.99)), aim)

    headers = {"Authorization": f"Bearer {(instance.home / 'token').read_text()}"}
    limits = aiohttp.TCPConnector(limit=200)
    async with aiohttp.ClientSession(instance.client.url, headers=headers, connector=limits) as client:
        say("waiting until the instance is idle")
        await asyncio.to_thread(settle, instance)
        say("registering users one by one")
        register = registration()
        await offer(client, register, rate=20, seconds=3)
        row(f"register_user, {OFFERED:g} a second", await offer(client, register, rate=OFFERED, seconds=SECONDS), "30")
        rate = held = OFFERED
        while True:
            rate *= RISE
            say(f"  {rate:.0f} a second")
            began = time.perf_counter()
            times = await offer(client, register, rate=rate, seconds=STEP_SECONDS)
            pace = len(times) / (time.perf_counter() - began)
            if quantile(times, 0.95) > HELD_P95 or pace < 0.95 * rate:
                break
            held = rate
        table.add_row(f"register_user, highest rate held: {held:.0f} a second", "", "", "", "")
        say(f"writing {USERS:,} users")
        database = EmbeddedPostgres(instance.home).url(EMBEDDED_DATABASE)
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(FILL_USERS, (0, USERS))
            connection.execute("vacuum analyze opsteward.users")
        for what, ask in lists().items():
            times = []
            for _ in range(ASKED):
                asked = time.perf_counter()
                await answered(ask(client))
                times.append(time.perf_counter() - asked)
            row(f"{what}, {USERS:,} users", times, "100")
        say("reviewing their access")
        await people_reviews.measure(client, database, USERS, row)


def main() -> int:
    table = Table("what", "p50, ms", "p95, ms", "p99, ms", "aim, p95")
    say("starting an instance")
    with temporary_folder() as folder, running(folder / "home") as instance:
        try:
            asyncio.run(asyncio.wait_for(measure(instance, table), GIVEN_UP_AFTER))
        except TimeoutError:
            say(f"given up after {GIVEN_UP_AFTER} seconds: the table shows what was measured")
            return 1
        finally:
            Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
