"""The record behind the live feed: its numbers, what is forgotten, and a follower's place when much happens at once."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast
from uuid import uuid4

import psycopg
import pytest
from fastapi import WebSocket
from fastapi.routing import APIRoute

from opsteward.accounts import tokens
from opsteward.accounts.permissions import ALL
from opsteward.accounts.types import Identity
from opsteward.api.deps import permission_of
from opsteward.api.live import commands
from opsteward.api.live import hub as hub_module
from opsteward.api.live.allowance import Allowance
from opsteward.api.live.commands import COMMANDS, Command
from opsteward.api.live.connection import Connection
from opsteward.api.live.hub import Follower, Hub, Message
from opsteward.api.rest import actions, approvals, enrollments, events, tasks, users
from opsteward.api.rest.schemas.base import Input
from opsteward.core.changes import TYPES, Change, record_changes, sequence
from opsteward.core.database_setup import EMBEDDED_DATABASE
from opsteward.core.embedded_postgres import EmbeddedPostgres
from support.instance import Instance, Tenant


@pytest.fixture
async def tenant(instance: Instance) -> Tenant:
    """One of which nothing is on record yet, not even that it was made."""
    made = await instance.tenant()
    instance.sql("delete from opsteward.changes where tenant_id = %s", made.id)
    return made


async def change(instance: Instance, tenant: Tenant, count: int = 1) -> None:
    """So many transactions, each of which changes something."""
    for _ in range(count):
        async with instance.services.web.unit_of_work(tenant.id) as session:
            await record_changes(session, [Change("system_changed", {"system_id": str(uuid4())})])


async def numbered(instance: Instance, tenant: Tenant) -> int:
    async with instance.services.web.unit_of_work(tenant.id) as session:
        return await sequence(session)


async def bearer(instance: Instance, tenant: Tenant) -> Identity:
    return await tokens.authenticate(instance.services.web, secret=tenant.owner.token)


async def follow(instance: Instance, tenant: Tenant, *, after: int | None, buffer: int = 100) -> tuple[Hub, Follower]:
    hub = Hub(instance.services.web)
    follower = Follower(await bearer(instance, tenant), buffer=buffer)
    await hub.join(follower, after=after)
    return hub, follower


async def told(hub: Hub, follower: Follower, count: int) -> list[Message]:
    """The next messages, as a connection takes them."""
    found: list[Message] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            for one in await follower.next(hub):
                found.append(one)
                follower.sent = one.id
    return found


def gap(first: int, last: int) -> dict[str, Any]:
    return {"type": "gap", "from": first, "to": last, "reason": "kept no longer: read again what you follow"}


async def test_what_is_forgotten_before_anybody_followed_is_told_as_gone(instance: Instance, tenant: Tenant) -> None:
    await change(instance, tenant, 3)
    assert await numbered(instance, tenant) == 3
    await change(instance, tenant, 4)
    instance.sql("update opsteward.changes set at = at - interval '2 days' where tenant_id = %s", tenant.id)
    instance.sql("select opsteward.forget_changes(now() - interval '1 day', 100000)")
    await change(instance, tenant, 2)
    hub, follower = await follow(instance, tenant, after=3)
    missed, *rest = await told(hub, follower, 3)
    assert json.loads(missed.text) == gap(4, 7)
    assert [one.id for one in rest] == [8, 9]


async def test_what_is_forgotten_while_it_is_numbered_costs_its_number_alone(
    instance: Instance, tenant: Tenant
) -> None:
    await change(instance, tenant, 5)
    where = "tenant_id = %s order by at, id limit 1"
    first = instance.sql(f"select id from opsteward.changes where {where}", tenant.id)[0][0]
    with psycopg.connect(EmbeddedPostgres(instance.home).url(EMBEDDED_DATABASE)) as forgetting:
        forgetting.execute("delete from opsteward.changes where id = %s", (first,))
        numbering = asyncio.create_task(numbered(instance, tenant))
        waits = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%sequence_changes%'"
        async with asyncio.timeout(20):
            while not instance.sql(waits):
                await asyncio.sleep(0.01)
    assert await numbering == 5
    await change(instance, tenant, 2)
    assert await numbered(instance, tenant) == 7
    seqs = instance.sql("select seq from opsteward.changes where tenant_id = %s order by seq", tenant.id)
    assert [row[0] for row in seqs] == [2, 3, 4, 5, 6, 7]
    hub, follower = await follow(instance, tenant, after=0)
    missed, *rest = await told(hub, follower, 7)
    assert json.loads(missed.text) == gap(1, 1)
    assert [one.id for one in rest] == [2, 3, 4, 5, 6, 7]


async def test_every_hole_is_told_where_it_is(instance: Instance, tenant: Tenant) -> None:
    await change(instance, tenant, 10)
    await numbered(instance, tenant)
    instance.sql("delete from opsteward.changes where tenant_id = %s and seq in (3, 4, 7, 10)", tenant.id)
    hub, follower = await follow(instance, tenant, after=0)
    found = [json.loads(one.text) for one in await told(hub, follower, 9)]
    assert [one.get("id") or (one["from"], one["to"]) for one in found] == [
        1, 2, (3, 4), 5, 6, (7, 7), 8, 9, (10, 10),
    ]  # fmt: skip


async def test_a_change_during_the_last_look_at_the_record_is_no_gap(
    instance: Instance, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await change(instance, tenant, 3)
    hub, follower = await follow(instance, tenant, after=2)
    looks: list[int] = []
    real = hub_module.changes_after

    async def and_then_something_changes(session: Any, seq: int, *, limit: int) -> Any:
        found = await real(session, seq, limit=limit)
        if not looks:
            looks.append(seq)
            await change(instance, tenant)
            await hub.tell(tenant.id)
        return found

    monkeypatch.setattr(hub_module, "changes_after", and_then_something_changes)
    assert [one.id for one in await told(hub, follower, 2)] == [3, 4]
    await change(instance, tenant)
    await hub.tell(tenant.id)
    assert [one.id for one in await told(hub, follower, 1)] == [5]
    assert looks


async def test_who_is_told_where_to_go_on_is_told_nothing_else_meanwhile(instance: Instance, tenant: Tenant) -> None:
    hub, follower = await follow(instance, tenant, after=0)
    await change(instance, tenant, 5)
    await hub.tell(tenant.id)
    batch = await follower.next(hub)
    assert [one.id for one in batch] == [1, 2, 3, 4, 5]
    assert not follower.moved
    follower.start_after(2)
    assert follower.moved  # so its connection drops what is left of the batch
    assert [one.id for one in await told(hub, follower, 3)] == [3, 4, 5]


async def test_a_burst_beyond_the_buffer_reaches_everybody_once_and_in_order(
    instance: Instance, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "_KEPT", 20)  # so that those behind read from memory and from the record
    monkeypatch.setattr(hub_module, "_PAGE", 30)
    hub, quick = await follow(instance, tenant, after=None, buffer=40)
    slow = Follower(quick.identity, buffer=10)
    await hub.join(slow, after=None)
    for _ in range(10):
        async with instance.services.web.unit_of_work(tenant.id) as session:
            await record_changes(session, [Change("system_changed", {"system_id": str(uuid4())}) for _ in range(25)])
        await hub.tell(tenant.id)
        await told(hub, quick, 25)
    assert quick.sent == 250
    assert [one.id for one in await told(hub, slow, 250)] == list(range(1, 251))


async def test_who_comes_back_after_very_much_has_it_all(instance: Instance, tenant: Tenant) -> None:
    instance.sql(
        "insert into opsteward.changes (id, tenant_id, type, at, data) select gen_random_uuid(), %s, 'system_changed',"
        " now(), '{}' from generate_series(1, 10500)",
        tenant.id,
    )
    hub, follower = await follow(instance, tenant, after=0)
    assert hub.head(tenant.id) == 10_500
    assert [one.id for one in await told(hub, follower, 10_500)] == list(range(1, 10_501))


async def test_an_unlisted_type_is_refused(instance: Instance, tenant: Tenant) -> None:
    with pytest.raises(ValueError, match="no type of change"):
        async with instance.services.web.unit_of_work(tenant.id) as session:
            await record_changes(session, [Change("something_new", {})])
    assert tenant.count("changes") == 0
    assert set(TYPES.values()) <= ALL


def test_a_command_needs_what_its_route_needs() -> None:
    routes = {
        route.endpoint: permission_of(route)
        for module in (actions, approvals, enrollments, events, tasks, users)
        for route in module.router.routes
        if isinstance(route, APIRoute)
    }
    of = {
        "approve": approvals.approve,
        "refuse": approvals.refuse,
        "acknowledge_incident": events.acknowledge,
        "resolve_incident": events.resolve,
        "troubleshoot_incident": events.troubleshoot,
        "submit_task": tasks.submit_task,
        "cancel_task": tasks.cancel_task,
        "redrive_task": tasks.redrive_task,
        "approve_enrollment": enrollments.approve_enrollment,
        "reject_enrollment": enrollments.reject_enrollment,
        "register_user": users.register_user,
        "deactivate_user": users.deactivate_user,
    }
    assert {name: known.permission for name, known in COMMANDS.items()} == {n: routes[f] for n, f in of.items()}


async def test_a_command_that_crashes_is_answered_without_telling_why(
    instance: Instance, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: Any) -> None:
        raise RuntimeError("the secret of the house")

    monkeypatch.setitem(commands.COMMANDS, "crash", Command("tasks.write", Input, crash))
    identity = await bearer(instance, tenant)
    state = instance.app.state
    connection = Connection(
        cast(WebSocket, None),
        state.services,
        state.capacity,
        Hub(instance.services.web),
        identity,
        tenant.owner.token,
        allowance=Allowance(),
    )
    answer = await connection._answer_to('{"action": "crash", "id": 7}', within=True)
    assert (answer["ok"], answer["re"], answer["error"]["status"]) == (False, 7, 500)
    assert "secret" not in json.dumps(answer)
    assert answer["error"]["correlation_id"]
