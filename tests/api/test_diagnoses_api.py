"""A diagnosis by itself, by the API and by the command line, of a real database with a fault in it."""

from __future__ import annotations

import asyncio
import json
import time
from uuid import UUID, uuid4

from opsteward.actions.types import Limits, NewAction
from opsteward.api.capacity import Capacity
from support.instance import Tenant
from support.live import Live
from support.target import on_target, register_target, visited_database


def test_a_diagnosis_names_the_cause_its_fix_and_what_it_could_not_see(live: Live) -> None:
    company = live.tenant(f"diagnosed-{uuid4().hex[:8]}")
    visited_database()
    register_target(company)
    role = f"hasty_{uuid4().hex[:8]}"
    on_target(f"create role {role} login password 'x' valid until 'tomorrow'")
    on_target(f"alter role {role} set statement_timeout = '5ms'")
    try:
        answer = company.owner.http.post("/api/v1/troubleshooting/diagnoses", json={"system": "visited"})
        told = company.owner.cli("diagnose", "visited")
        proof = company.owner.cli("diagnose", "visited", "--only", "database", "--evidence")
    finally:
        on_target(f"drop role {role}")
    found = answer.raise_for_status().json()
    (issue,) = [one for one in found["issues"] if one["type"] == "statement_timeout_tiny"]
    assert (issue["component"], issue["severity"], issue["detected_by"]) == (
        f"setting statement_timeout of {role}", "medium", "postgresql.diagnosis",
    )  # fmt: skip
    assert issue["evidence"]["queries"]["settings_of_roles"].startswith("select coalesce(r.rolname")
    assert f"role {role}" in {one["component"] for one in found["advice"]}
    assert any("visited: slow_statement: needs the extension" in why for why in found["unseen"])
    assert {report["bot_type"] for report in found["reports"]} == {"database", "network"}
    assert found["health_status"] == "degraded"
    assert told.returncode == 1
    assert f"statement_timeout of {role} is 5ms" in told.stdout
    assert f"the password of {role} ends at" in told.stdout.partition("Could be better:")[2]
    assert "ALTER ROLE ... VALID UNTIL" in told.stdout
    assert "Could not be looked at:" in told.stdout
    assert "queries: {" in proof.stdout


def test_what_can_t_be_diagnosed_is_named(live: Live) -> None:
    company = live.tenant(f"nothing-{uuid4().hex[:8]}")
    told = company.owner.cli("diagnose", "nowhere", "--json")
    assert told.returncode == 1
    assert "system: 'nowhere' is no registered system" in told.stderr
    wrong = company.owner.cli("diagnose", "nowhere", "--only", "weather")
    assert "use 'web', 'database' or 'network'" in wrong.stderr
    assert json.loads(company.owner.http.post("/api/v1/troubleshooting/diagnoses", json={}).text)["status"] == 422


async def test_an_action_that_always_asks_does_so_whatever_an_order_says(tenant: Tenant) -> None:
    system = {"name": "db", "type": "database", "endpoint": "postgresql://watcher@127.0.0.1:9/db"}
    made = (await tenant.http.post("/api/v1/systems", json=system)).json()
    services = tenant.instance.services
    asked = {}
    for action, params in (
        ("postgresql.drop_inactive_slot", {"slot": "old", "restart_lsn": "0/1", "reason": "unused"}),
        ("postgresql.analyze_table", {"table": "public.t", "oid": 1, "reason": "stale"}),
    ):
        new = NewAction(
            action=action, params=params, reason="an order", requested_by="standing-order:x", approval="auto",
            idempotency_key=action, system_id=UUID(made["id"]), limits=Limits(per_target=1, per_hour=1),
        )  # fmt: skip
        async with services.app.unit_of_work(tenant.id) as session:
            asked[action] = (await services.action_service.request(session, new=new)).approval
    assert asked == {"postgresql.drop_inactive_slot": "required", "postgresql.analyze_table": "auto"}


async def test_systems_that_hang_keep_nobody_else_from_turns_and_diagnoses(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    reached, end = asyncio.Semaphore(0), asyncio.Event()

    async def hang(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.release()
        await end.wait()
        writer.close()

    async def diagnose(who: Tenant) -> int:
        return (await who.http.post("/api/v1/troubleshooting/diagnoses", json={"system": "shop"})).status_code

    server = await asyncio.start_server(hang, "127.0.0.1", 0)
    async with server:
        for who, port in ((tenant, server.sockets[0].getsockname()[1]), (other_tenant, 9)):
            made = {"name": "shop", "type": "service", "endpoint": f"http://127.0.0.1:{port}/"}
            (await who.http.post("/api/v1/systems", json=made)).raise_for_status()
        crowd = [asyncio.create_task(diagnose(tenant)) for _ in range(12)]
        await asyncio.wait_for(reached.acquire(), 10)
        began = time.monotonic()
        assert await diagnose(other_tenant) == 200
        capacity: Capacity = tenant.instance.app.state.capacity
        while capacity.concurrency_limit._used:
            await asyncio.sleep(0.01)
        assert time.monotonic() - began < 4.0
        assert not any(one.done() for one in crowd)
        end.set()
        assert set(await asyncio.gather(*crowd)) == {200}
