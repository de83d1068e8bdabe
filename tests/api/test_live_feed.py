"""`/ws` over a real socket: who may follow, order, resuming, gaps, slow followers, commands, hostile frames."""

from __future__ import annotations

import asyncio
import json
import socket as socket_module
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from support.live import Live, LiveOperator, LiveTenant, running_instance
from support.target import Visitor, ask_to_terminate, settled


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with running_instance({"OPSTEWARD_WS_BUFFER": "50", "OPSTEWARD_WS_STALL_TIMEOUT": "60"}) as instance:
        yield instance


@pytest.fixture
def tenant(live: Live) -> LiveTenant:
    return live.tenant(f"feed-{uuid4().hex[:8]}")


@asynccontextmanager
async def following(who: LiveOperator, after: int | None = None, **more: Any) -> AsyncIterator[ClientConnection]:
    url = who.url.replace("http", "ws") + "/ws" + (f"?last_event_id={after}" if after is not None else "")
    async with connect(url, additional_headers={"Authorization": f"Bearer {who.token}"}, **more) as socket:
        assert (await heard(socket))["type"] == "hello"
        yield socket


async def heard(socket: ClientConnection) -> dict[str, Any]:
    async with asyncio.timeout(20):
        found: dict[str, Any] = json.loads(await socket.recv())
        return found


async def until(socket: ClientConnection, kind: str) -> dict[str, Any]:
    while (found := await heard(socket)).get("type") != kind:
        pass
    return found


async def answer(socket: ClientConnection, message: str | bytes) -> dict[str, Any]:
    await socket.send(message)
    while "ok" not in (found := await heard(socket)):
        pass
    return found


async def submit(who: LiveOperator, count: int = 1) -> list[str]:
    body = {"tasks": [{"task_type": "opsteward.echo"}] * count}
    made = await asyncio.to_thread(who.http.post, "/api/v1/tasks/bulk", json=body)
    ids: list[str] = made.raise_for_status().json()["ids"]
    return ids


async def test_what_changes_is_told_in_order_without_gaps(tenant: LiveTenant) -> None:
    async with following(tenant.owner) as socket:
        ids = await submit(tenant.owner, 20)
        seen = [await heard(socket) for _ in range(21)]
    assert seen[0]["type"] == "tasks_submitted"
    assert {one["task_id"] for one in seen[1:]} == set(ids)
    assert {one["type"] for one in seen[1:]} == {"task_completed"}
    assert [one["id"] for one in seen] == list(range(seen[0]["id"], seen[0]["id"] + 21))


async def test_an_incident_is_told_from_its_opening_on(tenant: LiveTenant) -> None:
    async with following(tenant.owner) as socket:
        event = {"message": "disk is full", "source": "db1", "severity": "high", "error_type": "DiskFull"}
        taken = await asyncio.to_thread(tenant.owner.http.post, "/api/v1/events", json=event)
        incident_id = taken.json()["events"][0]["incident_id"]
        told = await until(socket, "incident_opened")
        assert (told["incident_id"], told["status"]) == (incident_id, "open")
        acknowledged = await answer(socket, json.dumps({"action": "acknowledge_incident", "incident_id": incident_id}))
        assert acknowledged["ok"] is True
        shown = (await asyncio.to_thread(tenant.owner.http.get, f"/api/v1/incidents/{incident_id}")).json()
        assert acknowledged["result"] == {key: shown[key] for key in acknowledged["result"]}  # as the API writes it
        while (await until(socket, "incident_changed"))["status"] != "acknowledged":
            pass


async def test_what_asks_for_approval_is_told_and_can_be_decided(
    company: LiveTenant, second: LiveOperator, visit: Callable[[], Visitor]
) -> None:
    types = ["approval_requested", "approval_decided"]
    async with following(second) as socket, following(company.owner) as requester:
        assert (await answer(socket, json.dumps({"action": "subscribe", "types": types})))["result"]["types"] == [
            "approval_decided", "approval_requested",
        ]  # fmt: skip
        for command, status in (("refuse", "refused"), ("approve", "approved")):
            visitor = visit()
            asked = await asyncio.to_thread(ask_to_terminate, company.owner, visitor)
            told = await heard(socket)
            assert (told["type"], told["approval_id"], told["action_id"]) == (
                types[0], asked["id"], asked["action_id"],
            )  # fmt: skip
            decision = {"action": command, "approval_id": told["approval_id"]}
            if command == "approve":
                wrong = await answer(socket, json.dumps(decision | {"plan_hash": "0" * 64}))
                assert wrong["error"]["code"] == "conflict"
                decision["plan_hash"] = asked["plan_hash"]
                own = await answer(requester, json.dumps(decision))
                assert own["error"]["code"] == "denied"
            assert (await answer(socket, json.dumps(decision)))["result"]["status"] == status
            told = await heard(socket)
            assert (told["type"], told["approval_id"], told["status"]) == (types[1], asked["id"], status)
    assert (await asyncio.to_thread(settled, company.owner, asked["action_id"], "succeeded"))["proof"]["ok"] is True


async def test_systems_come_and_go(tenant: LiveTenant) -> None:
    async with following(tenant.owner) as socket:
        await answer(socket, '{"action": "subscribe", "types": ["system_registered", "system_removed"]}')
        new = {"name": "shop", "type": "api", "endpoint": "http://127.0.0.1:9"}
        made = await asyncio.to_thread(tenant.owner.http.post, "/api/v1/systems", json=new)
        system_id = made.raise_for_status().json()["id"]
        assert [(one := await heard(socket))["type"], one["system_id"]] == ["system_registered", system_id]
        await asyncio.to_thread(tenant.owner.http.delete, f"/api/v1/systems/{system_id}")
        assert [(one := await heard(socket))["type"], one["system_id"]] == ["system_removed", system_id]


async def test_another_tenants_changes_are_never_told(live: Live, tenant: LiveTenant) -> None:
    other = live.tenant(f"feed-{uuid4().hex[:8]}")
    async with following(other.owner) as socket, following(tenant.owner) as own:
        await submit(tenant.owner)
        await until(own, "task_completed")
        assert (await answer(socket, '{"action": "ping"}'))["ok"] is True
        mine = await submit(other.owner)
        seen = [await until(socket, "task_completed")]
        assert [one["task_id"] for one in seen] == mine


async def test_who_was_away_for_a_thousand_gets_them_all_in_order(tenant: LiveTenant) -> None:
    async with following(tenant.owner) as socket:
        await submit(tenant.owner)
        last = (await until(socket, "task_completed"))["id"]
    ids = await submit(tenant.owner, 1000)
    async with following(tenant.owner, after=last) as socket:
        seen = [await heard(socket) for _ in range(1001)]
    assert [one["id"] for one in seen] == list(range(last + 1, last + 1002))
    assert {one["task_id"] for one in seen if one["type"] == "task_completed"} == set(ids)


async def test_a_gap_is_told(live: Live, tenant: LiveTenant) -> None:
    async with following(tenant.owner) as socket:
        await submit(tenant.owner, 10)
        for _ in range(11):
            last = (await heard(socket))["id"]
    live.sql("delete from opsteward.changes where tenant_id = %s and seq between 3 and %s", tenant.id, last - 2)
    async with following(tenant.owner, after=2) as socket:
        gap = await heard(socket)
        assert (gap["type"], gap["from"], gap["to"]) == ("gap", 3, last - 2)
        assert [(await heard(socket))["id"] for _ in range(2)] == [last - 1, last]
    live.sql("delete from opsteward.changes where tenant_id = %s", tenant.id)
    async with following(tenant.owner, after=last - 1) as socket:
        gap = await heard(socket)
        assert (gap["type"], gap["from"], gap["to"]) == ("gap", last, last)
        await submit(tenant.owner)
        assert (await heard(socket))["id"] == last + 1  # numbers are never used again


async def test_a_stalled_follower_slows_nobody_and_misses_nothing(tenant: LiveTenant) -> None:
    async with following(tenant.owner, max_queue=1) as stalled, following(tenant.owner) as quick:
        ids = set(await submit(tenant.owner, 3000))  # far beyond the stalled one's buffer of 50
        missing = set(ids)
        while missing:
            missing.discard((await heard(quick)).get("task_id"))
        seen: list[dict[str, Any]] = []
        while ids:
            seen.append(await heard(stalled))
            ids.discard(seen[-1].get("task_id"))
    numbers = [one["id"] for one in seen]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


async def test_resuming_by_command_starts_over_from_there(tenant: LiveTenant) -> None:
    async with following(tenant.owner) as socket:
        first = await socket_id(socket, tenant.owner)
        await submit(tenant.owner, 300)
        while (await heard(socket)).get("id", 0) < first + 100:
            pass
        await socket.send(json.dumps({"action": "resume", "last_event_id": first}))
        while "ok" not in await heard(socket):
            pass
        again = [(await heard(socket))["id"] for _ in range(301)]  # nothing of before comes behind the answer
    assert again == list(range(first + 1, first + 302))


async def socket_id(socket: ClientConnection, who: LiveOperator) -> int:
    """The number of a change made now, after all that was in flight."""
    submitted = await submit(who)
    while (told := await heard(socket)).get("task_id") != submitted[0]:
        pass
    return int(told["id"])


async def test_only_what_was_asked_for_and_may_be_read(live: Live, tenant: LiveTenant) -> None:
    async with following(tenant.owner) as socket:
        assert (await answer(socket, '{"action": "subscribe", "types": ["task_completed"]}'))["ok"] is True
        await submit(tenant.owner)
        assert (await heard(socket))["type"] == "task_completed"
        refused = await answer(socket, '{"action": "subscribe", "types": ["nonsense"]}')
        assert refused["error"]["errors"][0]["field"] == "types"
    platform = live.operator(tenant, f"p-{uuid4().hex[:6]}", "approver")
    async with following(platform) as socket:
        assert (await answer(socket, '{"action": "subscribe"}'))["result"]["types"].count("operator_changed") == 0


async def test_commands_need_the_permissions_of_the_api(live: Live, tenant: LiveTenant) -> None:
    viewer = live.operator(tenant, f"v-{uuid4().hex[:6]}", "viewer")
    task_id = (await submit(tenant.owner))[0]
    async with following(viewer) as socket:
        for command in ({"action": "cancel_task", "task_id": task_id}, {"action": "submit_task", "task_type": "x"}):
            refused = await answer(socket, json.dumps(command))
            assert (refused["ok"], refused["error"]["code"]) == (False, "denied")
    async with following(tenant.owner) as socket:
        made = await answer(socket, '{"action": "submit_task", "task_type": "opsteward.echo", "id": "mine"}')
        assert (made["ok"], made["re"]) == (True, "mine")
        assert (await until(socket, "task_completed"))["task_id"] == made["result"]["id"]
        late = await answer(socket, json.dumps({"action": "cancel_task", "task_id": made["result"]["id"]}))
        assert late["error"]["code"] == "conflict"


HOSTILE = [
    "",
    "x",
    "[]",
    "null",
    "{}",
    '{"action": 1}',
    '{"action": "nothing"}',
    '{"action": "ping", "id": {"a": 1}}',
    '{"action": "cancel_task", "task_id": "x"}',
    '{"action": "cancel_task", "task_id": "x\\u0000"}',
    '{"action": "resume", "last_event_id": -1}',
    '{"action": "resume", "last_event_id": 1e400}',
    '{"action": "resume", "last_event_id": true}',
    '{"action": "subscribe", "types": {"a": 1}}',
    '{"action": "submit_task", "task_type": "opsteward.echo", "surprise": 1}',
    "[" * 10_000,
    '{"action": "ping", "x": "' + "y" * 70_000 + '"}',
    b"\x00\xff",
]


async def test_hostile_frames_are_answered_and_the_feed_goes_on(tenant: LiveTenant) -> None:
    async with following(tenant.owner) as socket:
        for frame in HOSTILE:
            refused = await answer(socket, frame)
            assert refused["ok"] is False
            assert refused["error"]["status"] in (400, 422), frame
        assert (await answer(socket, '{"action": "ping"}'))["ok"] is True
        for _ in range(200):
            await socket.send('{"action": "ping"}')
        codes = {(await heard(socket)).get("error", {}).get("code") for _ in range(200)}
        assert "limit_exceeded" in codes


async def test_a_frame_beyond_all_measure_ends_the_connection_alone(tenant: LiveTenant) -> None:
    async with following(tenant.owner) as socket:
        with pytest.raises(ConnectionClosed):
            await socket.send("x" * 2_000_000)
            await socket.recv()
    async with following(tenant.owner) as socket:
        assert (await answer(socket, '{"action": "ping"}'))["ok"] is True


async def test_a_task_can_be_submitted_for_an_instant(tenant: LiveTenant) -> None:
    async with following(tenant.owner) as socket:
        command = {"action": "submit_task", "task_type": "opsteward.echo", "run_at": "2999-01-01T00:00:00Z"}
        refused = await answer(socket, json.dumps(command))
        assert [one["field"] for one in refused["error"]["errors"]] == ["run_at"]
        at = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        made = await answer(socket, json.dumps(command | {"run_at": at}))
        assert datetime.fromisoformat(made["result"]["run_at"]) == datetime.fromisoformat(at)


async def test_nobody_follows_without_a_good_credential(live: Live, tenant: LiveTenant) -> None:
    url = live.url.replace("http", "ws") + "/ws"
    for headers in ({}, {"Authorization": "Bearer ops_wrong"}, {"Authorization": "Basic eDp5"}):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(url, additional_headers=headers):
                pass
        assert refused.value.response.status_code == 401
    with pytest.raises(InvalidStatus) as refused:
        async with following(tenant.owner, after=None, subprotocols=None) as _, connect(f"{url}?last_event_id=x") as _:
            pass
    assert refused.value.response.status_code in (401, 422)
    async with connect(url, subprotocols=["opsteward", f"bearer.{tenant.owner.token}"]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "opsteward"


async def test_a_foreign_page_follows_nothing_by_the_visitors_cookie(live: Live, tenant: LiveTenant) -> None:
    url = live.url.replace("http", "ws") + "/ws"
    cookie = {"Cookie": f"opsteward_session={tenant.owner.token}"}
    for origin in ("http://evil.example", live.url):
        with pytest.raises(InvalidStatus) as refused:
            async with connect(url, additional_headers=cookie, origin=origin):  # type: ignore[arg-type]
                pass
        # from our own page it is looked at, and is an API token where a session belongs
        assert refused.value.response.status_code in (401, 403)


async def test_a_revoked_token_ends_the_connection(live: Live, tenant: LiveTenant) -> None:
    viewer = live.operator(tenant, f"r-{uuid4().hex[:6]}", "viewer")
    tokens = tenant.owner.http.get("/api/v1/tokens").json()["items"]
    own = live.sql(
        "select t.id from opsteward.tokens t join opsteward.operators o on o.id = t.operator_id where o.name = %s",
        viewer.name,
    )[0][0]
    assert tokens
    async with following(viewer) as socket:
        await asyncio.to_thread(tenant.owner.http.delete, f"/api/v1/tokens/{own}")
        with pytest.raises(ConnectionClosed) as closed:
            async with asyncio.timeout(10):
                while True:
                    await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008


async def test_an_expired_token_ends_the_connection(live: Live, tenant: LiveTenant) -> None:
    one = live.operator(tenant, f"e-{uuid4().hex[:6]}", "viewer")
    other = tenant.owner.http.post("/api/v1/tokens", json={}).raise_for_status().json()
    async with following(one) as socket, following(tenant.owner) as good:
        live.sql(
            "update opsteward.tokens set expires_at = now() where operator_id = (select id from opsteward.operators"
            " where name = %s)",
            one.name,
        )
        # Everybody of a tenant is looked at each minute, and at once when a token of it is revoked.
        await asyncio.to_thread(tenant.owner.http.delete, f"/api/v1/tokens/{other['id']}")
        with pytest.raises(ConnectionClosed) as closed:
            async with asyncio.timeout(10):
                while True:
                    await socket.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1008
        assert (await answer(good, '{"action": "ping"}'))["ok"] is True
        refused = await asyncio.to_thread(one.http.get, "/api/v1/me")
        assert refused.status_code == 401


async def test_one_that_reads_nothing_is_let_go_and_told_where_it_was() -> None:
    settings = {"OPSTEWARD_WS_BUFFER": "50", "OPSTEWARD_WS_STALL_TIMEOUT": "0.5"}
    with running_instance(settings) as impatient:
        owner = impatient.tenant("stalling").owner
        taking = socket_module.socket()
        taking.setsockopt(socket_module.SOL_SOCKET, socket_module.SO_RCVBUF, 4096)
        taking.setblocking(False)
        address = urlsplit(owner.url)
        await asyncio.get_running_loop().sock_connect(taking, (address.hostname, address.port))
        ids = set(await submit(owner, 3000))
        async with following(owner, 0, sock=taking, max_queue=1, compression=None, ping_interval=None) as stalled:
            async with following(owner) as quick, asyncio.timeout(60):
                while b"opsteward_ws_clients 1.0" not in (await asyncio.to_thread(metrics_of, impatient)):
                    assert (await answer(quick, '{"action": "ping"}'))["ok"] is True
            seen = []
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    seen.append(await heard(stalled))
        assert closed.value.rcvd is not None
        last = seen[-1]["id"]
        assert closed.value.rcvd.code == 1013
        assert closed.value.rcvd.reason.endswith(f"last_event_id={last}")
        async with following(owner, last) as socket:
            while len({one.get("task_id") for one in seen} & ids) < 3000:
                seen.append(await heard(socket))
    numbers = [one["id"] for one in seen]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def metrics_of(live: Live) -> bytes:
    return live.admin.http.get("/metrics").raise_for_status().content
