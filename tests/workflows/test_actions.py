"""Behind the one door: plan, approval bound to the plan, verification, undo, freeze, limits; and sessions that stop.

One worker runs in this process on a real database; the outside world is a board of switches in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID, uuid4

import psycopg
import pytest
import sqlalchemy as sa

from opsteward.accounts import operators, tokens
from opsteward.accounts.tenants import create_tenant
from opsteward.accounts.types import Identity
from opsteward.actions.types import ENDS, ActionView, ApprovalView, Limits, NewAction, RunStatus
from opsteward.app.process import Process, running
from opsteward.app.services import Services, build_services
from opsteward.app.settings import load_settings
from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.core.errors import Conflict, Denied
from opsteward.events.types import NewEvent
from opsteward.systems.service import NewSystem
from opsteward.systems.types import KnownSystem
from opsteward.tasks import controls
from opsteward.telemetry import audit
from support.switchboard import BOARDS, Board, integration

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


@pytest.fixture(scope="module")
async def services(module_home: Path) -> AsyncIterator[Services]:
    settings = load_settings(
        home=module_home,
        queue_poll_interval=0.05,
        verify_timeout=3.0,
        approval_ttl=30.0,
        look_again_after=0.1,
        backoff_factor=1.0,
        workers=1,  # a session and its action must do with one place in the queue
    )
    built = build_services(settings, [integration()])
    process = Process(built, kind="test")
    async with running(process):
        await asyncio.wait_for(process.worker.ready.wait(), 30)
        yield built


@dataclass
class Bench:
    """A tenant with a board, a requester and a second operator."""

    services: Services
    board: Board
    tenant_id: UUID
    system: KnownSystem
    requester: Identity
    second: Identity

    async def request(self, name: str, *, approval: str = "auto", **more: object) -> UUID:
        new = NewAction(
            action="memory.turn_on",
            params={"name": name},
            reason="test",
            requested_by=self.requester.actor,
            idempotency_key=str(uuid4()),
            system_id=self.system.id,
            approval=approval,
        )
        async with self.services.web.unit_of_work(self.tenant_id) as session:
            return (await self.services.action_service.request(session, new=replace(new, **more))).id

    async def until(self, run_id: UUID, *statuses: RunStatus) -> ActionView:
        async with asyncio.timeout(20):
            while True:
                async with self.services.web.unit_of_work(self.tenant_id) as session:
                    run = await self.services.action_service.get(session, run_id=run_id)
                if run.status in (statuses or ENDS):
                    return run
                await asyncio.sleep(0.03)


@pytest.fixture
async def bench(services: Services) -> AsyncIterator[Bench]:
    tenant = await create_tenant(services.web, name=f"door-{uuid4().hex[:12]}", operator="first", actor="test")
    name = uuid4().hex
    async with services.web.unit_of_work(tenant.id) as session:
        other = await operators.create_operator(session, name="second", roles=["approver"], actor="test")
        token = await tokens.issue_token(session, operator_id=other.id, kind="api", name="t", actor="test")
        new = NewSystem(name="board", type="service", endpoint=f"memory://{name}", settings={"check_interval": 3600})
        system = await services.inventory.register(session, new=new, actor="test")
    first = await tokens.authenticate(services.web, secret=tenant.token)
    second = await tokens.authenticate(services.web, secret=token.secret)
    known = KnownSystem(id=system.id, name=system.name, type=system.type)
    yield Bench(services, BOARDS[name], tenant.id, known, first, second)


async def test_what_works_is_verified_and_audited(bench: Bench) -> None:
    run = await bench.until(await bench.request("lamp"))
    assert run.status == RunStatus.SUCCEEDED
    assert run.proof == {"ok": True, "summary": "it is on", "evidence": {}}
    assert bench.board.effects == ["on lamp"]


async def test_what_is_as_wanted_already_is_not_done(bench: Bench) -> None:
    bench.board.on = {"lamp"}
    run = await bench.until(await bench.request("lamp"))
    assert run.status == RunStatus.NOT_NEEDED
    assert bench.board.effects == []


async def test_what_fails_its_verification_is_undone_and_frozen(bench: Bench) -> None:
    bench.board.broken = {"lamp"}
    run = await bench.until(await bench.request("lamp"))
    assert run.status == RunStatus.UNDONE
    assert "it does not light" in (run.error or "")
    assert bench.board.effects == ["on lamp", "off lamp"]
    again = await bench.until(await bench.request("lamp"))
    assert again.status == RunStatus.DENIED
    assert "frozen" in (again.error or "")
    assert bench.board.effects == ["on lamp", "off lamp"]

    async with bench.services.web.unit_of_work(bench.tenant_id) as session:
        freeze = (await bench.services.action_service.list_freezes(session))[0]
        await bench.services.action_service.lift_freeze(session, freeze_id=freeze.id, by=bench.requester)
    bench.board.broken = set()
    assert (await bench.until(await bench.request("lamp"))).status == RunStatus.SUCCEEDED


async def test_the_same_request_twice_is_one_action(bench: Bench) -> None:
    key = str(uuid4())
    first, second = await asyncio.gather(
        bench.request("lamp", idempotency_key=key), bench.request("lamp", idempotency_key=key)
    )
    assert first == second
    await bench.until(first)
    assert bench.board.effects == ["on lamp"]


async def test_a_used_key_is_no_other_request(bench: Bench) -> None:
    key = str(uuid4())
    await bench.until(await bench.request("lamp", idempotency_key=key))
    with pytest.raises(Conflict):
        await bench.request("siren", idempotency_key=key)
    assert bench.board.effects == ["on lamp"]


async def test_cooldown_and_limits_of_a_standing_order(bench: Bench) -> None:
    order = {"standing_order": "keep-on", "requested_by": "standing-order:keep-on"}
    assert (await bench.until(await bench.request("a", **order))).status == RunStatus.SUCCEEDED
    cooling = await bench.until(await bench.request("b", limits=Limits(cooldown=60), **order))
    assert (cooling.status, "cooling down" in (cooling.error or "")) == (RunStatus.DENIED, True)
    over = await bench.until(await bench.request("c", limits=Limits(per_target=1), **order))
    assert "over the limit of 1 runs on this target" in (over.error or "")
    over = await bench.until(await bench.request("d", limits=Limits(per_hour=1), **order))
    assert "over the limit of 1 runs in an hour" in (over.error or "")
    assert bench.board.effects == ["on a"]


async def _approval(bench: Bench, run_id: UUID) -> tuple[UUID, str]:
    await bench.until(run_id, RunStatus.AWAITING_APPROVAL)
    async with bench.services.web.unit_of_work(bench.tenant_id) as session:
        found = await bench.services.action_service.approval_of(session, run_id=run_id)
    assert found is not None
    return found.id, found.plan_hash


async def test_a_second_person_approves_the_exact_plan(bench: Bench) -> None:
    run_id = await bench.request("lamp", approval="required")
    approval_id, plan_hash = await _approval(bench, run_id)
    assert bench.board.effects == []
    action_service, web = bench.services.action_service, bench.services.web
    with pytest.raises(Denied):
        async with web.unit_of_work(bench.tenant_id) as session:
            await action_service.approve(session, approval_id=approval_id, plan_hash=plan_hash, by=bench.requester)
    with pytest.raises(Conflict):
        async with web.unit_of_work(bench.tenant_id) as session:
            await action_service.approve(session, approval_id=approval_id, plan_hash="0" * 64, by=bench.second)
    async with web.unit_of_work(bench.tenant_id) as session:
        await action_service.approve(session, approval_id=approval_id, plan_hash=plan_hash, by=bench.second)
    assert (await bench.until(run_id)).status == RunStatus.SUCCEEDED
    with pytest.raises(Conflict):
        async with web.unit_of_work(bench.tenant_id) as session:
            await action_service.approve(session, approval_id=approval_id, plan_hash=plan_hash, by=bench.second)
    assert bench.board.effects == ["on lamp"]


async def test_an_amended_plan_needs_a_new_approval(bench: Bench) -> None:
    run_id = await bench.request("lamp", approval="required")
    approval_id, old_hash = await _approval(bench, run_id)
    action_service, web = bench.services.action_service, bench.services.web
    async with web.unit_of_work(bench.tenant_id) as session:
        await action_service.amend(session, run_id=run_id, params={"name": "siren"}, by=bench.requester)
    approval_id, new_hash = await _approval(bench, run_id)
    assert new_hash != old_hash
    with pytest.raises(Conflict):
        async with web.unit_of_work(bench.tenant_id) as session:
            await action_service.approve(session, approval_id=approval_id, plan_hash=old_hash, by=bench.second)
    async with web.unit_of_work(bench.tenant_id) as session:
        await action_service.approve(session, approval_id=approval_id, plan_hash=new_hash, by=bench.second)
    await bench.until(run_id)
    assert bench.board.effects == ["on siren"]


async def test_parameters_changed_behind_the_door_are_not_executed(bench: Bench) -> None:
    run_id = await bench.request("lamp", approval="required")
    approval_id, plan_hash = await _approval(bench, run_id)
    admin = EmbeddedPostgres(bench.services.settings.home).url("opsteward")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("begin")
        connection.execute("select 1 from opsteward.action_runs where id = %s for update", [run_id])
        approving = asyncio.create_task(_approve(bench, approval_id, plan_hash))
        await asyncio.sleep(0)
        connection.execute('update opsteward.action_runs set params = \'{"name": "siren"}\' where id = %s', [run_id])
        connection.execute("commit")
        with pytest.raises(Conflict):
            await approving
    assert bench.board.effects == []


async def test_what_was_changed_after_its_approval_is_not_executed(bench: Bench) -> None:
    run_id = await bench.request("lamp", approval="required")
    approval_id, plan_hash = await _approval(bench, run_id)
    async with bench.services.web.unit_of_work(bench.tenant_id) as session:
        await bench.services.action_service.approve(
            session, approval_id=approval_id, plan_hash=plan_hash, by=bench.second
        )
        await session.execute(
            sa.text("update opsteward.action_runs set params = cast(:params as jsonb) where id = :id"),
            {"params": '{"name": "siren"}', "id": run_id},
        )
    assert (await bench.until(run_id)).status == RunStatus.SUPERSEDED
    assert bench.board.effects == []


async def _approve(bench: Bench, approval_id: UUID, plan_hash: str) -> None:
    async with bench.services.web.unit_of_work(bench.tenant_id) as session:
        await bench.services.action_service.approve(
            session, approval_id=approval_id, plan_hash=plan_hash, by=bench.second
        )


async def test_a_refused_action_ends(bench: Bench) -> None:
    run_id = await bench.request("lamp", approval="required")
    approval_id, _ = await _approval(bench, run_id)
    async with bench.services.web.unit_of_work(bench.tenant_id) as session:
        await bench.services.action_service.refuse(session, approval_id=approval_id, by=bench.second, reason="not now")
    assert (await bench.until(run_id)).status == RunStatus.REFUSED
    assert bench.board.effects == []


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
    await _approve(bench, waiting.id, waiting.plan_hash)
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


async def test_what_may_yet_work_is_tried_again(bench: Bench) -> None:
    bench.board.away = {"lamp": 2}
    run = await bench.until(await bench.request("lamp"))
    assert run.status == RunStatus.SUCCEEDED
    assert bench.board.effects == ["on lamp"]


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
    approval_id, plan_hash = await _approval(bench, run_id)
    async with bench.services.web.unit_of_work(bench.tenant_id) as session:
        await bench.services.inventory.remove(session, system_id=bench.system.id, actor="test")
    await _approve(bench, approval_id, plan_hash)
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
        await _approve(bench, waiting.id, waiting.plan_hash)
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


async def test_neither_requester_nor_amender_approves(bench: Bench) -> None:
    run_id = await bench.request("lamp", approval="required")
    await _approval(bench, run_id)
    action_service, web = bench.services.action_service, bench.services.web
    async with web.unit_of_work(bench.tenant_id) as session:
        await action_service.amend(session, run_id=run_id, params={"name": "lamp"}, by=bench.second)
    approval_id, plan_hash = await _approval(bench, run_id)
    for operator in (bench.requester, bench.second):
        with pytest.raises(Denied):
            async with web.unit_of_work(bench.tenant_id) as session:
                await action_service.approve(session, approval_id=approval_id, plan_hash=plan_hash, by=operator)


async def test_who_is_of_the_requesters_making_approves_nothing_for_a_day(bench: Bench) -> None:
    """Then they may, and the card and the audit log say so."""
    run_id = await bench.request("lamp", approval="required")
    approval_id, plan_hash = await _approval(bench, run_id)
    web, action_service = bench.services.web, bench.services.action_service
    async with web.unit_of_work(bench.tenant_id) as session:
        token = await tokens.issue_token(
            session, operator_id=bench.second.operator_id, kind="api", name="t", actor=bench.requester.actor
        )
    puppet = await tokens.authenticate(web, secret=token.secret)
    with pytest.raises(Denied, match="second was issued a token by first"):
        async with web.unit_of_work(bench.tenant_id) as session:
            await action_service.approve(session, approval_id=approval_id, plan_hash=plan_hash, by=puppet)
    async with web.unit_of_work(bench.tenant_id) as session:
        card = await action_service.get_approval(session, approval_id=approval_id, by=puppet)
        assert card.status == "pending"
        assert card.making is not None
        assert card.making["refused"] is True
        assert (await action_service.get_approval(session, approval_id=approval_id, by=bench.second)).making is None
        await session.execute(
            sa.text("update opsteward.tokens set made_at = made_at - interval '25 hours' where id = :id"),
            {"id": token.id},
        )
    async with web.unit_of_work(bench.tenant_id) as session:
        decided = await action_service.approve(session, approval_id=approval_id, plan_hash=plan_hash, by=puppet)
        entries = await audit.list_entries(session, object_id=str(run_id))
    assert decided.making is not None
    assert "second was issued a token by first" in decided.making["told"]
    approved = next(entry for entry in entries if entry.verb == "action.approval.approved")
    assert approved.detail["decided_by_an_operator_of_the_requesters_making"] is True
    assert [(step["made"], step["maker"]) for step in approved.detail["making"]] == [
        (bench.second.actor, bench.requester.actor)
    ]


async def test_a_limit_per_hour_holds_for_many_at_once(bench: Bench) -> None:
    order = {
        "standing_order": "keep-on",
        "requested_by": "standing-order:keep-on",
        "limits": Limits(per_hour=1),
        "system_id": bench.system.id,
    }
    runs = await asyncio.gather(*(bench.request(f"lamp-{n}", **order) for n in range(5)))
    ends = [(await bench.until(run)).status for run in runs]
    assert sorted(ends) == ["denied"] * 4 + ["succeeded"]


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
