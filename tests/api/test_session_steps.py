"""Single steps of a troubleshooting session, on a real database and without a worker."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from opsteward.troubleshooting.coordinator import Coordinator
from opsteward.troubleshooting.repair import FIX, Repair
from opsteward.troubleshooting.service import get_row
from opsteward.troubleshooting.session_context import Case, SessionContext
from support.instance import Tenant

BROAD = """
  - name: restart-anything
    match: {finding: process_down}
    action: supervisor.restart_process
    approval: auto
    limits: {per_target: 2, per_hour: 2}
"""


async def session_of(tenant: Tenant, *names: str) -> tuple[SessionContext, Case]:
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
        system = {"name": name, "type": "service", "endpoint": "http://127.0.0.1:9/", "criticality": "backup"}
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
