"""Sessions of troubleshooting: they repair, stop instead of looping, wait for people and end in order."""

from __future__ import annotations

import asyncio
from uuid import UUID

import psycopg
import pytest

from opsteward.actions.types import ApprovalView, RunStatus
from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.core.errors import Conflict
from opsteward.events.types import NewEvent
from opsteward.tasks import controls
from support.action_bench import Bench, approval, approve

ORDERS = """
version: 1
orders:
  - name: keep-on
    match: {{finding: [connection_saturation]}}
    action: memory.turn_on
    approval: {approval}
    cooldown: 0s
    limits: {{per_target: 50, per_hour: 50}}
"""


async def _incident(bench: Bench, approval: str = "auto") -> UUID:
    async with bench.services.web.unit_of_work(bench.tenant_id) as session:
        await bench.services.orders.apply(session, text=ORDERS.format(approval=approval), actor="test")
        event = NewEvent(message="off", source="board", severity="high", category="system_error", system=bench.system)
        taken = await bench.services.intake.take(session, events=[event], actor="test")
    assert taken[0].incident_id is not None
    return taken[0].incident_id


async def _ended(bench: Bench, incident_id: UUID) -> str:
    async with asyncio.timeout(30):
        while True:
            async with bench.services.web.unit_of_work(bench.tenant_id) as session:
                found = await bench.services.incidents.get(session, incident_id=incident_id)
            if found.status in ("resolved", "escalated"):
                return found.status
            await asyncio.sleep(0.05)


async def test_a_session_repairs_and_resolves(bench: Bench) -> None:
    bench.board.wanted = {"lamp"}
    assert await _ended(bench, await _incident(bench)) == "resolved"
    assert bench.board.effects == ["on lamp"]


async def test_a_session_stops_instead_of_looping_and_says_what_it_tried(bench: Bench) -> None:
    bench.board.wanted, bench.board.broken = {"lamp"}, {"lamp"}
    incident_id = await _incident(bench)
    assert await _ended(bench, incident_id) == "escalated"
    assert bench.board.effects == ["on lamp", "off lamp"], "tried once, undone, not tried again"
    async with bench.services.web.unit_of_work(bench.tenant_id) as session:
        found = (await bench.services.sessions.page(session, incident_id=incident_id))[0]
        runs = await bench.services.action_service.list_runs(session, incident_id=incident_id)
    assert "memory.turn_on on board: undone" in found.summary
    assert any(run.action == "escalate" for run in runs)


async def test_a_session_without_a_cause_says_inconclusive(bench: Bench) -> None:
    bench.board.wanted = set()
    incident_id = await _incident(bench)
    assert await _ended(bench, incident_id) == "resolved"
    async with bench.services.web.unit_of_work(bench.tenant_id) as session:
        found = (await bench.services.sessions.page(session, incident_id=incident_id))[0]
    assert (found.outcome, found.health_score) == ("healthy", 100)


async def _waiting(bench: Bench) -> ApprovalView:
    async with asyncio.timeout(20):
        while True:
            async with bench.services.web.unit_of_work(bench.tenant_id) as session:
                found = await bench.services.action_service.list_approvals(session)
            if found:
                return found[0]
            await asyncio.sleep(0.05)


async def test_a_session_waits_for_the_approval(bench: Bench) -> None:
    bench.board.wanted = {"lamp"}
    incident_id = await _incident(bench, approval="required")
    waiting = await _waiting(bench)
    assert bench.board.effects == []
    await approve(bench, waiting.id, waiting.plan_hash)
    assert await _ended(bench, incident_id) == "resolved"
    assert bench.board.effects == ["on lamp"]


async def test_a_session_touches_nothing_once_the_incident_is_resolved_by_hand(bench: Bench) -> None:
    # else the first check of the system might find the lamp off, and open an incident of its own
    async with asyncio.timeout(40):
        checked = None
        while checked is None:
            async with bench.services.web.unit_of_work(bench.tenant_id) as session:
                checked = (await bench.services.inventory.get(session, system_id=bench.system.id)).health.checked_at
            await asyncio.sleep(0.05)
    bench.board.wanted = {"lamp"}
    async with bench.services.web.unit_of_work(bench.tenant_id) as session:
        await bench.services.orders.apply(session, text=ORDERS.format(approval="auto"), actor="test")
        event = NewEvent(message="off", source="board", severity="high", category="system_error", system=bench.system)
        taken = await bench.services.intake.take(session, events=[event], actor="test")
        assert taken[0].incident_id is not None
        await bench.services.incidents.resolve_by_hand(
            session, incident_id=taken[0].incident_id, by=bench.requester, reason="known"
        )
    async with asyncio.timeout(20):
        while True:
            async with bench.services.web.unit_of_work(bench.tenant_id) as session:
                found = (await bench.services.sessions.page(session))[0]
            if found.status == "ended":
                break
            await asyncio.sleep(0.05)
    assert found.outcome == "stopped"
    assert bench.board.effects == []


async def test_a_bug_in_a_plug_in_ends_the_run_the_session_and_goes_to_people(bench: Bench) -> None:
    bench.board.wanted, bench.board.crashing = {"lamp"}, {"lamp"}
    incident_id = await _incident(bench)
    assert await _ended(bench, incident_id) == "escalated"
    async with bench.services.web.unit_of_work(bench.tenant_id) as session:
        runs = await bench.services.action_service.list_runs(session, incident_id=incident_id)
        found = (await bench.services.sessions.page(session, incident_id=incident_id))[0]
    failed = next(run for run in runs if run.action == "memory.turn_on")
    assert failed.status == RunStatus.FAILED
    assert "ValueError: a bug in the plug-in" in (failed.error or "")
    assert found.status == "ended"
    assert any(run.action == "escalate" for run in runs)


async def test_a_system_removed_in_the_middle_ends_the_run(bench: Bench) -> None:
    run_id = await bench.request("lamp", approval="required")
    approval_id, plan_hash = await approval(bench, run_id)
    async with bench.services.web.unit_of_work(bench.tenant_id) as session:
        await bench.services.inventory.remove(session, system_id=bench.system.id, actor="test")
    await approve(bench, approval_id, plan_hash)
    assert (await bench.until(run_id)).status == RunStatus.FAILED
    assert bench.board.effects == []


async def test_our_database_going_away_in_a_step_is_waited_for(bench: Bench) -> None:
    def cut_off() -> None:
        bench.board.before_effect = lambda: None
        with psycopg.connect(EmbeddedPostgres(bench.services.settings.home).url("opsteward"), autocommit=True) as admin:
            admin.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name like any('{opsteward app %,opsteward engine %}')"
            )

    bench.board.before_effect = cut_off
    run = await bench.until(await bench.request("lamp"))
    assert run.status == RunStatus.SUCCEEDED
    assert set(bench.board.effects) == {"on lamp"}


async def test_what_waits_for_an_approval_is_withdrawn_with_its_incident(bench: Bench) -> None:
    bench.board.wanted = {"lamp"}
    incident_id = await _incident(bench, approval="required")
    waiting = await _waiting(bench)
    async with bench.services.web.unit_of_work(bench.tenant_id) as session:
        await bench.services.incidents.resolve_by_hand(
            session, incident_id=incident_id, by=bench.requester, reason="ok"
        )
    with pytest.raises(Conflict):
        await approve(bench, waiting.id, waiting.plan_hash)
    assert (await bench.until(waiting.action_id)).status == RunStatus.REFUSED
    assert bench.board.effects == []


async def test_a_system_that_recovers_while_its_approval_waits_bothers_nobody(bench: Bench) -> None:
    bench.board.wanted = {"lamp"}
    incident_id = await _incident(bench, approval="required")
    waiting = await _waiting(bench)
    bench.board.on = {"lamp"}
    async with bench.services.web.unit_of_work(bench.tenant_id) as session:
        await bench.services.action_service.refuse(
            session, approval_id=waiting.id, by=bench.second, reason="it is well again"
        )
    assert await _ended(bench, incident_id) == "resolved"


@pytest.mark.parametrize(
    "stop", [{"scope": "tenant"}, {"scope": "action", "target": "memory.turn_on"}, {"scope": "everything"}], ids=str
)
async def test_a_paused_action_waits_and_goes_on_when_the_pause_is_lifted(bench: Bench, stop: dict[str, str]) -> None:
    tenant = controls.EVERYBODY if stop["scope"] == "everything" else bench.tenant_id
    async with bench.services.web.unit_of_work(tenant) as session:
        await controls.pause(session, **stop, reason="maintenance", actor="test")
    run_id = await bench.request("lamp")
    await bench.until(run_id, RunStatus.APPROVED)
    async with asyncio.timeout(20):
        # its workflow has ended without an effect, and not only not begun
        while not _ended_workflows(bench, run_id):
            await asyncio.sleep(0.03)
    assert bench.board.effects == []
    async with bench.services.web.unit_of_work(tenant) as session:
        await controls.resume(session, **stop, actor="test")
    assert (await bench.until(run_id)).status == RunStatus.SUCCEEDED
    assert bench.board.effects == ["on lamp"]


def _ended_workflows(bench: Bench, run_id: UUID) -> int:
    """How many workflows of this run the engine has done with."""
    with psycopg.connect(EmbeddedPostgres(bench.services.settings.home).url("opsteward")) as admin:
        found = admin.execute(
            "select count(*) from dbos.workflow_status where status = 'SUCCESS' and workflow_uuid like %s",
            [f"%{run_id}%"],
        ).fetchone()
    return found[0] if found else 0


async def test_a_pause_of_another_action_holds_nothing(bench: Bench) -> None:
    async with bench.services.web.unit_of_work(bench.tenant_id) as session:
        await controls.pause(session, scope="action", target="notify_admin", actor="test")
    assert (await bench.until(await bench.request("lamp"))).status == RunStatus.SUCCEEDED
