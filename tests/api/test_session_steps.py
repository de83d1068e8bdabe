"""Single steps of a troubleshooting session, on a real database and without a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest

from opsteward.actions.types import NewAction
from opsteward.troubleshooting.coordinator import Coordinator
from opsteward.troubleshooting.diagnose import DOMAINS
from opsteward.troubleshooting.diagnosis import Diagnosis
from opsteward.troubleshooting.repair import FIX, Repair
from opsteward.troubleshooting.service import get_row
from opsteward.troubleshooting.session_context import Case, SessionContext
from opsteward.troubleshooting.types import Attempt
from support.instance import Tenant

BROAD = """
  - name: restart-anything
    match: {finding: process_down}
    action: supervisor.restart_process
    approval: auto
    limits: {per_target: 2, per_hour: 2}
"""


async def session_of(tenant: Tenant, *names: str, endpoint: str = "http://127.0.0.1:9/") -> tuple[SessionContext, Case]:
    """A session that is running, on newly registered systems."""
    services = tenant.instance.services
    context = SessionContext(
        db=services.app,
        inventory=services.inventory,
        registry=services.registry,
        incidents=services.incidents,
        settings=services.settings.troubleshooting,
    )
    for name in names:
        system = {"name": name, "type": "service", "endpoint": endpoint, "criticality": "backup"}
        (await tenant.http.post("/api/v1/systems", json=system)).raise_for_status()
    async with services.app.unit_of_work(tenant.id) as session:
        view = await services.sessions.start(session, trigger="test", requested_by="system:test")
    return context, Case(tenant.id, view.id)


async def found(tenant: Tenant, context: SessionContext, case: Case, *names: str) -> None:
    """A diagnosis says that a process is down on each of these systems."""
    issues: list[dict[str, Any]] = []
    async with context.unit_of_work(case) as session:
        row = await get_row(session, case.session_id, lock=True)
        for name in names:
            system = await context.inventory.find(session, name=name)
            assert system is not None
            issues.append(
                {
                    "id": uuid4().hex[:16],
                    "type": "process_down",
                    "severity": "high",
                    "title": f"{name} is down",
                    "description": "",
                    "detected_by": "test",
                    "evidence": {},
                    "component": name,
                    "confidence": 0.9,
                    "cause_rank": 1,
                    "system_id": str(system.id),
                    "system": name,
                    "system_type": "service",
                    "fixes": [{"action": "supervisor.restart_process", "params": {}, "reason": "it is down"}],
                }
            )
        row.issues = issues


def in_force(tenant: Tenant, orders: str) -> None:
    tenant.instance.sql(
        "insert into opsteward.standing_order_versions (tenant_id, id, version, text, applied_by, applied_at)"
        " values (%s, gen_random_uuid(), 1, %s, 'operator:x', now())",
        tenant.id,
        f"version: 1\norders:\n{orders}",
    )


async def chosen(tenant: Tenant, context: SessionContext, case: Case) -> tuple[str, dict[str, Any]]:
    services = tenant.instance.services
    outcome = await Repair(context, services.action_service, services.orders).choose(case, 1)
    async with context.unit_of_work(case) as session:
        return outcome, dict((await get_row(session, case.session_id)).choice)


async def test_a_faulty_order_holds_a_fix_back_and_the_escalation_says_why(tenant: Tenant) -> None:
    context, case = await session_of(tenant, "pay")
    await found(tenant, context, case, "pay")
    careful = "  - {name: careful-pay, match: {finding: process_down, system: pay}, action: gone.action}\n"
    in_force(tenant, careful + BROAD)
    outcome, choice = await chosen(tenant, context, case)
    assert outcome == "escalated"
    assert "fix" not in choice
    services = tenant.instance.services
    await Coordinator(context, services.action_service, services.orders)._report(case, outcome)
    (summary,) = tenant.instance.sql(
        "select summary from opsteward.troubleshooting_sessions where id = %s", case.session_id
    )[0]
    assert "Held back: supervisor.restart_process on pay: standing order careful-pay is faulty (line 3" in summary
    assert tenant.count("action_runs") == 0


async def test_what_a_faulty_order_can_not_have_meant_is_repaired(tenant: Tenant) -> None:
    context, case = await session_of(tenant, "pay", "shop")
    await found(tenant, context, case, "pay", "shop")
    careful = "  - {name: careful-pay, match: {finding: process_down, system: pay}, action: gone.action}\n"
    in_force(tenant, careful + BROAD)
    outcome, choice = await chosen(tenant, context, case)
    assert outcome == FIX
    assert (choice["issue"]["system"], choice["order"]) == ("shop", "restart-anything")


async def test_what_was_tried_leaves_the_next_fix_to_its_own_order(tenant: Tenant) -> None:
    context, case = await session_of(tenant, "pay")
    await found(tenant, context, case, "pay")
    ends = "  - {name: end-it, match: {finding: process_down}, action: postgresql.terminate_session, approval: auto}\n"
    in_force(tenant, BROAD + ends)
    async with context.unit_of_work(case) as session:
        row = await get_row(session, case.session_id, lock=True)
        (issue,) = row.issues
        other = {"action": "postgresql.terminate_session", "params": {}, "reason": "it holds others up"}
        row.issues = [issue | {"fixes": [*issue["fixes"], other]}]
        tried: Attempt = {
            "round": 1,
            "action": "supervisor.restart_process",
            "action_id": str(uuid4()),
            "system_id": str(issue["system_id"]),
            "system": "pay",
            "issue": str(issue["id"]),
            "component": "pay",
            "order": "restart-anything",
            "status": "failed",
            "summary": "",
        }
        row.tried = [tried]
    outcome, choice = await chosen(tenant, context, case)
    assert (outcome, choice["order"], choice["fix"]["action"]) == (FIX, "end-it", "postgresql.terminate_session")


@pytest.fixture
async def well() -> AsyncIterator[str]:
    """The address of a web application that answers."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


BROKEN = {
    "sealed with another key": "update opsteward.systems set credentials_sealed = sha512('x') where id = %s",
    "cut off": "update opsteward.systems set credentials_sealed = '\\x01' where id = %s",
    "a kind nobody serves": "update opsteward.systems set endpoint = 'gone:x' where id = %s",
}


@pytest.mark.parametrize("what", [*BROKEN, "a reference that leads nowhere"])
async def test_a_system_that_can_not_be_looked_at_ends_no_session(
    tenant: Tenant, well: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREDENTIAL_OF_SHOP", "hush")
    context, case = await session_of(tenant, "shop", endpoint=well)
    shop = {"name": "billing", "type": "service", "endpoint": well, "criticality": "backup"}
    secret = {"username": "ops", "password": "literal:hush" if what in BROKEN else "env:CREDENTIAL_OF_SHOP"}
    made = await tenant.http.post("/api/v1/systems", json=shop | {"credentials": secret})
    assert made.status_code == 201, made.text
    async with context.unit_of_work(case) as session:
        row = await get_row(session, case.session_id, lock=True)
        row.system_ids = [*row.system_ids, UUID(made.json()["id"])]
    if what in BROKEN:
        tenant.instance.sql(BROKEN[what], made.json()["id"])
    else:
        monkeypatch.delenv("CREDENTIAL_OF_SHOP")

    diagnosis = Diagnosis(context)
    await diagnosis.initialise(case)
    await diagnosis.assess(case)
    for domain in DOMAINS:
        await diagnosis.diagnose(case, domain)
    await diagnosis.conclude(case, 1)
    looked = await context.look(case)
    assert looked.sick == []
    assert set(looked.blind) == {"billing"}
    outcome, choice = await chosen(tenant, context, case)
    assert outcome == "inconclusive"  # what nobody saw is not healthy
    assert set(choice["unseen"]) == {"billing"}
    services = tenant.instance.services
    await Coordinator(context, services.action_service, services.orders)._report(case, outcome)
    async with context.unit_of_work(case) as session:
        row = await get_row(session, case.session_id)
        assert row.status == "ended"
        assert "Could not look at billing (" in row.summary
        assert "hush" not in row.summary
        seen = {check["system"] for report in row.diagnostics for check in report["checks"]}
        assert "shop" in seen


async def test_a_fix_that_helped_is_not_frozen_for_a_system_that_nobody_can_see(tenant: Tenant, well: str) -> None:
    context, case = await session_of(tenant, "shop", "billing", endpoint=well)
    tenant.instance.sql(
        "update opsteward.systems set credentials_sealed = '\\x01' where tenant_id = %s and name = 'billing'", tenant.id
    )
    async with context.unit_of_work(case) as session:
        run = await tenant.instance.services.action_service.request(
            session,
            new=NewAction(
                action="log_only",
                params={"title": "x", "body": "x", "severity": "low"},
                reason="x",
                requested_by="system:x",
                idempotency_key=f"k-{tenant.id}",
            ),
        )
        row = await get_row(session, case.session_id, lock=True)
        attempt = {"round": 1, "action": run.action, "action_id": str(run.id), "system_id": "", "system": "shop"}
        row.tried = [attempt | {"issue": "", "order": "", "status": "succeeded", "summary": ""}]
    services = tenant.instance.services
    assert await Repair(context, services.action_service, services.orders).verify(case) == ""
    assert tenant.count("freezes") == 0
    async with context.unit_of_work(case) as session:
        (verified,) = [phase for phase in (await get_row(session, case.session_id)).phases if phase["name"] == "verify"]
    assert str(verified["summary"]).startswith("what could be looked at is healthy, but not billing (")


async def test_a_past_session_is_judged_again_by_todays_orders_and_the_same_rules_say_the_same(tenant: Tenant) -> None:
    context, case = await session_of(tenant, "pay")
    address = f"/api/v1/troubleshooting/sessions/{case.session_id}/replay"
    assert (await tenant.http.get(address)).raise_for_status().json()["causes"] == []
    for domain in DOMAINS:
        await Diagnosis(context).diagnose(case, domain)
    await Diagnosis(context).conclude(case, 1)
    await Coordinator(context, tenant.instance.services.action_service, tenant.instance.services.orders)._report(
        case, "escalated"
    )
    told = (await tenant.http.get(address)).raise_for_status().json()
    assert told["differences"] == []
    assert told["causes"] == told["recorded_causes"] != []
    assert (told["fix"], told["recorded_fix"]) == (None, None)
    async with context.unit_of_work(case) as session:
        row = await get_row(session, case.session_id, lock=True)
        fix = {"action": "supervisor.restart_process", "params": {}, "reason": "it is down"}
        row.issues = [{**issue, "type": "process_down", "fixes": [fix]} for issue in row.issues[:1]]
    in_force(tenant, BROAD)
    told = (await tenant.http.get(address)).raise_for_status().json()
    assert (told["fix"]["action"], told["fix"]["standing_order"]) == ("supervisor.restart_process", "restart-anything")
    assert (
        "nothing was done, and supervisor.restart_process on pay under restart-anything would be"
        in (told["differences"])
    )
    assert tenant.count("action_runs") == 0
