"""What one tenant asks for costs the others nothing: bodies of nobody, many values, hard questions, long waits."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from opsteward.accounts.webhooks import WEBHOOK_BYTES_LIMIT
from opsteward.api.capacity import Capacity
from opsteward.api.concurrency_limit import ConcurrencyLimit
from opsteward.core.fair_share import FairShare, Party
from opsteward.core.plain_json import VALUES_LIMIT
from support.instance import Instance, Operator, Tenant
from support.problems import named_fields, problem_of

_SOON = 5.0  # seconds; what is meant takes a fraction of one


async def unread() -> AsyncIterator[bytes]:
    """A body that nobody may ask for."""
    pytest.fail("the body was read")
    yield b""


@pytest.mark.parametrize(
    "path", ["/api/v1/events", "/api/v1/users/bulk-import", "/scim/v2/Users", "/agent/x", "/api/x"]
)
async def test_a_body_with_a_bogus_credential_is_not_read(instance: Instance, path: str) -> None:
    for headers in ({"Authorization": "Bearer nonsense"}, {"Cookie": "opsteward_session=nonsense"}):
        headers["Origin"] = "http://instance.test"
        answer = await instance.client().post(path, content=unread(), headers=headers)
        assert answer.status_code == 401, path


@pytest.mark.parametrize("path", ["/", "/nothing", "/systems/new"])
async def test_nor_is_one_to_a_page(instance: Instance, path: str) -> None:
    problem_of(await instance.client().post(path, content=unread()), 401)


@pytest.mark.parametrize("signature", ["", "nonsense", "t=1,v1=" + "0" * 64, "t=NOW,v1=short"])
async def test_nor_is_one_that_is_not_signed(instance: Instance, signature: str) -> None:
    headers = {"X-Opsteward-Signature": signature.replace("NOW", str(int(time.time())))}
    problem_of(await instance.client().post("/webhook/user-signup", content=unread(), headers=headers), 401)


async def test_what_is_looked_at_of_strangers_is_small(instance: Instance) -> None:
    signature = {"X-Opsteward-Signature": f"t={int(time.time())},v1={'0' * 64}"}
    for path, size in (("/webhook/user-signup", WEBHOOK_BYTES_LIMIT + 1), ("/sign-in", 20_000)):
        answer = await instance.client().post(path, content=b"x" * size, headers=signature)
        problem_of(answer, 413)


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/jsonl", "text/plain"])
async def test_the_values_of_all_lines_count_together(tenant: Tenant, kind: str) -> None:
    line = b'{"message": "m", "context": {"a": [' + b",".join([b"1"] * 30_000) + b"]}}\n"
    many = line * (VALUES_LIMIT // 30_000 + 1)
    answer = await tenant.http.post("/api/v1/events", content=many, headers={"Content-Type": kind})
    problem_of(answer, 422)
    assert named_fields(answer) == {"body"}


async def test_lines_of_few_values_are_still_taken(tenant: Tenant) -> None:
    lines = b"\n".join(json.dumps({"message": f"m{n}, [x] {{y}}", "severity": "low"}).encode() for n in range(3000))
    headers = {"Content-Type": "application/x-ndjson"}
    answer = await tenant.http.post("/api/v1/events?detail=none", content=lines, headers=headers)
    assert answer.json()["accepted"] == 3000


def orders(count: int, *globs: str) -> str:
    lines = ["version: 1", "orders:"]
    for number in range(count):
        values = ", ".join(json.dumps(glob.replace("@", str(number))) for glob in globs)
        lines += [f"- name: o{number}", f"  match: {{message: [{values}]}}", "  action: log_only", "  approval: auto"]
    return "\n".join(lines)


async def loop_lag(until: asyncio.Task[object]) -> float:
    worst = 0.0
    while not until.done():
        began = time.monotonic()
        await asyncio.sleep(0.01)
        worst = max(worst, time.monotonic() - began - 0.01)
    return worst


@pytest.mark.parametrize(
    ("text", "statuses"),
    [
        (orders(500, "a@*", "*b@", "c@*d", "?e@*"), {200}),
        (orders(500, "*a*a*a@*", "*a*a@*a*", "a*a*a*a@", "*a@*a*a*a"), {200, 422}),
        ("version: 1\norders: " + "[" * 100_000, {422}),
        ("- " * 100_000, {422}),
        ("a: &a [x, x]\n" + "\n".join(f"b{n}: &b{n} [*a, *a, *a, *a]" for n in range(4000)), {422}),
    ],
    ids=["many to compare", "hard to compare", "deep", "deep lists", "aliases"],
)
async def test_hard_standing_orders_hold_up_nobody(tenant: Tenant, text: str, statuses: set[int]) -> None:
    """Takes up to 10 s where the budget of 3 s of processor time is used up beside other work."""
    asking = asyncio.create_task(tenant.http.post("/api/v1/standing-orders/check", json={"text": text}))
    lag = await loop_lag(asking)
    assert (await asking).status_code in statuses
    assert lag < 1.0


async def test_a_value_with_many_wildcards_is_refused_by_name(tenant: Tenant) -> None:
    text = orders(1, "*a?" + "a?" * 88)
    answer = await tenant.http.post("/api/v1/standing-orders/check", json={"text": text})
    assert "more than 8 of * ? [" in problem_of(answer, 422)["errors"][0]["problem"]


async def test_globs_against_large_events_hold_up_nobody(tenant: Tenant) -> None:
    text = orders(100, "*a?a?a?*a?ab@", "*a?a?a?*a?ac@", "*a?a?a?*a?ad@", "*a?a?a?*a?ae@")
    applied = await tenant.http.put("/api/v1/standing-orders", json={"text": text})
    assert applied.status_code == 200, applied.text
    events = [{"message": "a" * 8190, "source": "x"}] * 5
    asking = asyncio.create_task(tenant.http.post("/api/v1/events", json=events))
    lag = await loop_lag(asking)
    assert (await asking).status_code == 202
    assert lag < 1.0


async def test_who_waits_for_an_action_holds_no_turn(tenant: Tenant, other_tenant: Tenant) -> None:
    body = {"action": "log_only", "priority": 5, "event_type": "ignorable", "severity": "low", "message": "m"}
    waiting = [asyncio.create_task(tenant.http.post("/agent/execute-action/", json=body)) for _ in range(40)]
    try:
        capacity: Capacity = tenant.instance.app.state.capacity
        async with asyncio.timeout(30):
            while tenant.count("action_runs") < 40:  # there is no worker: none of them is done
                await asyncio.sleep(0.05)
        began = time.monotonic()
        for one in (other_tenant, tenant):
            assert (await one.http.get("/api/v1/incidents")).status_code == 200
        assert time.monotonic() - began < _SOON
        assert capacity.waits._used <= 36, "and not all of one operator's wait"
        assert any(one.done() and one.result().status_code == 202 for one in waiting)
    finally:
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert capacity.concurrency_limit._used == capacity.waits._used == 0


async def test_a_crowd_of_one_tenant_leaves_turns_to_others(tenant: Tenant, other_tenant: Tenant) -> None:
    capacity: Capacity = tenant.instance.app.state.capacity
    viewer: Operator = await tenant.operator("viewer")
    crowd = [asyncio.create_task(viewer.http.get("/api/v1/incidents")) for _ in range(200)]
    while not capacity.concurrency_limit.waiting:
        await asyncio.sleep(0)
    assert (await other_tenant.http.get("/api/v1/incidents")).status_code == 200
    assert not all(one.done() for one in crowd), "it went before most of them"
    assert {answer.status_code for answer in await asyncio.gather(*crowd)} == {200}


async def test_an_answer_about_many_bad_rows_is_bounded_and_names_each(tenant: Tenant) -> None:
    bad = json.dumps({f"x{n}": 1 for n in range(18)})
    lines = "\n".join(['{"message": "good", "severity": "low"}'] + [bad] * 9_999)
    headers = {"Content-Type": "application/x-ndjson"}
    answer = (await tenant.http.post("/api/v1/events?detail=none", content=lines.encode(), headers=headers)).json()
    assert answer["accepted"] == 1
    assert len({one["row"] for one in answer["rejected"]}) == 9_999
    assert len(answer["rejected"]) < 16_000


async def test_a_filter_of_many_brackets_is_refused(tenant: Tenant) -> None:
    text = "(" * 7000 + "userName pr" + ")" * 7000
    answer = await tenant.http.get("/scim/v2/Users", params={"filter": text})
    assert (answer.status_code, "brackets" in answer.json()["detail"]) == (400, True)


async def test_bodies_of_which_the_rest_never_comes_keep_nobody_from_memory(tenant: Tenant, instance: Instance) -> None:
    """As much as would take all of it, were it held: from several operators of several tenants."""
    others = [await instance.tenant() for _ in range(4)]
    waiting, end = asyncio.Event(), asyncio.Event()
    begun = 0

    async def unfinished() -> AsyncIterator[bytes]:
        nonlocal begun
        for _ in range(8):
            yield b" " * 1_048_576
        begun += 1
        if begun == 12:
            waiting.set()
        await end.wait()
        yield b"[]"

    length = {"Content-Type": "application/json", "Content-Length": str(8 * 1_048_576 + 2)}
    tasks = [
        asyncio.create_task(one.http.post("/api/v1/events", content=unfinished(), headers=length))
        for one in others
        for _ in range(3)
    ]
    await asyncio.wait_for(waiting.wait(), 20)
    events = json.dumps([{"message": "x" * 100_000, "source": "a"}] * 30).encode()
    began = time.monotonic()
    answer = await tenant.http.post("/api/v1/events", content=events, headers={"Content-Type": "application/json"})
    assert answer.status_code == 202, answer.text
    assert time.monotonic() - began < _SOON
    end.set()
    for finished in await asyncio.gather(*tasks):
        assert "holds no event" in finished.text


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/v1/events", 429), ("/api/v1/intake/datadog", 429), ("/api/v1/intake/Alertmanager/", 503)],
)
async def test_who_gets_no_turn_is_told_so_that_it_comes_back(path: str, status: int) -> None:
    """Alertmanager tries again after a 5xx alone."""
    turns = FairShare(1, waiting_limit=0)

    async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
        pytest.fail("it had no turn")

    limit = ConcurrencyLimit(nothing, concurrency_limit=turns, patience=1)
    async with (
        turns.of(Party("another"), patience=0),
        httpx.AsyncClient(transport=httpx.ASGITransport(limit), base_url="http://instance.test") as http,
    ):
        answer = await http.post(path, json={})
    assert (answer.status_code, answer.json()["status"], answer.json()["code"]) == (status, status, "busy")
    assert int(answer.headers["Retry-After"]) >= 1
