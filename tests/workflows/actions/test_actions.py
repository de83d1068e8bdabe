"""Behind the one door: plan, approval bound to the plan, verification, undo, freeze, limits; and sessions that stop.

One worker runs in this process on a real database; the outside world is a board of switches in memory.
"""

from __future__ import annotations

import asyncio
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa

from opsteward.accounts import tokens
from opsteward.actions.types import Limits, RunStatus
from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.core.errors import Conflict, Denied
from opsteward.telemetry import audit
from support.action_bench import Bench, approval, approve


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


async def test_a_second_person_approves_the_exact_plan(bench: Bench) -> None:
    run_id = await bench.request("lamp", approval="required")
    approval_id, plan_hash = await approval(bench, run_id)
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
    approval_id, old_hash = await approval(bench, run_id)
    action_service, web = bench.services.action_service, bench.services.web
    async with web.unit_of_work(bench.tenant_id) as session:
        await action_service.amend(session, run_id=run_id, params={"name": "siren"}, by=bench.requester)
    approval_id, new_hash = await approval(bench, run_id)
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
    approval_id, plan_hash = await approval(bench, run_id)
    admin = EmbeddedPostgres(bench.services.settings.home).url("opsteward")
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("begin")
        connection.execute("select 1 from opsteward.action_runs where id = %s for update", [run_id])
        approving = asyncio.create_task(approve(bench, approval_id, plan_hash))
        await asyncio.sleep(0)
        connection.execute('update opsteward.action_runs set params = \'{"name": "siren"}\' where id = %s', [run_id])
        connection.execute("commit")
        with pytest.raises(Conflict):
            await approving
    assert bench.board.effects == []


async def test_what_was_changed_after_its_approval_is_not_executed(bench: Bench) -> None:
    run_id = await bench.request("lamp", approval="required")
    approval_id, plan_hash = await approval(bench, run_id)
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


async def test_a_refused_action_ends(bench: Bench) -> None:
    run_id = await bench.request("lamp", approval="required")
    approval_id, _ = await approval(bench, run_id)
    async with bench.services.web.unit_of_work(bench.tenant_id) as session:
        await bench.services.action_service.refuse(session, approval_id=approval_id, by=bench.second, reason="not now")
    assert (await bench.until(run_id)).status == RunStatus.REFUSED
    assert bench.board.effects == []


async def test_what_may_yet_work_is_tried_again(bench: Bench) -> None:
    bench.board.away = {"lamp": 2}
    run = await bench.until(await bench.request("lamp"))
    assert run.status == RunStatus.SUCCEEDED
    assert bench.board.effects == ["on lamp"]


async def test_neither_requester_nor_amender_approves(bench: Bench) -> None:
    run_id = await bench.request("lamp", approval="required")
    await approval(bench, run_id)
    action_service, web = bench.services.action_service, bench.services.web
    async with web.unit_of_work(bench.tenant_id) as session:
        await action_service.amend(session, run_id=run_id, params={"name": "lamp"}, by=bench.second)
    approval_id, plan_hash = await approval(bench, run_id)
    for operator in (bench.requester, bench.second):
        with pytest.raises(Denied):
            async with web.unit_of_work(bench.tenant_id) as session:
                await action_service.approve(session, approval_id=approval_id, plan_hash=plan_hash, by=operator)


async def test_who_is_of_the_requesters_making_approves_nothing_for_a_day(bench: Bench) -> None:
    """Then they may, and the card and the audit log say so."""
    run_id = await bench.request("lamp", approval="required")
    approval_id, plan_hash = await approval(bench, run_id)
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
