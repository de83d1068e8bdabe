"""PostgreSQL for real: lock chains, sessions idle in transaction, leaks; and ending exactly the right session."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from postgresql_sessions import ACTION, CHECKS, HOLD, TARGET, Look, hold_open, mend, outcomes, proposed, run
from pydantic import ValidationError
from real_parts import Sessions, eventually

from opsteward.contracts.action import ActionContext
from opsteward.contracts.check import CheckStatus
from opsteward.core.errors import AuthFailed
from opsteward.integrations.postgresql.actions import (
    SessionIdentity,
    TerminateSessionParams,
    TerminateSessionResult,
)
from opsteward.integrations.postgresql.connector import PostgresConnector
from opsteward.integrations.postgresql.lock_chains import find_roots


async def plan(via: PostgresConnector, params: TerminateSessionParams) -> Any:
    return await ACTION.plan(ActionContext(via=via, target=TARGET, idempotency_key="run-1"), params)


async def identity(sessions: Sessions, pid: int) -> SessionIdentity:
    start = await sessions.scalar("select backend_start from pg_stat_activity where pid = %s", pid)
    return SessionIdentity(pid=pid, backend_start=start)


async def test_quiet_database_passes_at_once(look: Look) -> None:
    result = await run("postgresql.lock_chains", look())
    assert (result.status, result.findings) == (CheckStatus.PASS, ())


async def test_the_root_of_a_chain_is_found_and_ended(sessions: Sessions, look: Look) -> None:
    root = await hold_open(sessions)
    middle, last = await sessions.open(), await sessions.open()
    await middle.execute("begin")
    await middle.execute("update stock set n = 1 where id = 2")
    waiting = [sessions.run(middle, HOLD), sessions.run(last, "update stock set n = 2 where id = 2")]
    for connection in (middle, last):
        await eventually(lambda pid=connection.info.backend_pid: sessions.blocked(pid))  # type: ignore[misc]
    via = look(lock_wait_seconds=0.1)
    result = await run("postgresql.lock_chains", via)
    (finding,) = result.findings
    assert (result.status, finding.type, finding.cause_rank) == (CheckStatus.FAIL, "lock_chain", 0)
    assert finding.component == f"session {root.info.backend_pid}"
    assert finding.evidence["root"]["pid"] == root.info.backend_pid
    assert {w["pid"] for w in finding.evidence["waiters"]} == {
        middle.info.backend_pid,
        last.info.backend_pid,
    }
    params = proposed(finding)
    assert [s.pid for s in params.sessions] == [root.info.backend_pid]
    shown = await plan(via, params)
    assert shown.needed
    assert f"session {root.info.backend_pid} started " in shown.objects[0]
    result_of, proof = await mend(via, params)
    assert outcomes(result_of) == ["terminated"]
    assert proof.ok, proof
    await waiting[0]
    await middle.rollback()
    await waiting[1]
    assert (await run("postgresql.lock_chains", via)).status is CheckStatus.PASS
    again, proof = await mend(via, params)
    assert outcomes(again) == ["already_gone"]
    assert proof.ok
    assert not (await plan(via, params)).needed


async def test_waiters_that_give_up_and_come_back_are_seen(sessions: Sessions, look: Look) -> None:
    root = await hold_open(sessions)
    comers = [await sessions.open() for _ in range(2)]
    for connection in comers:
        await connection.execute("set lock_timeout = '150ms'")
        sessions.forever(connection, HOLD)
    via = look(lock_wait_seconds=0.5)

    async def found() -> bool:
        return bool((await run("postgresql.lock_chains", via)).findings)

    await eventually(found)
    (finding,) = (await run("postgresql.lock_chains", via)).findings
    assert finding.evidence["measured_by"] == "root idle in transaction"
    assert finding.evidence["root"]["pid"] == root.info.backend_pid
    assert all(w["waited_seconds"] < 0.5 for w in finding.evidence["waiters"])
    _, proof = await mend(via, proposed(finding))
    assert proof.ok


async def test_a_short_wait_is_normal(sessions: Sessions, look: Look) -> None:
    root = await hold_open(sessions)
    waiter = await sessions.open()
    sessions.run(waiter, HOLD)
    await eventually(lambda: sessions.blocked(waiter.info.backend_pid))
    result = await run("postgresql.lock_chains", look(lock_wait_seconds=60))
    assert (result.status, result.findings) == (CheckStatus.PASS, ())
    assert result.evidence["roots"] == 1
    await root.rollback()


async def test_a_root_at_work_is_proposed_with_less_confidence(sessions: Sessions, look: Look) -> None:
    root = await hold_open(sessions)
    busy = sessions.run(root, "select pg_sleep(30)")

    async def at_work() -> bool:
        query = "select state = 'active' from pg_stat_activity where pid = %s"
        return bool(await sessions.scalar(query, root.info.backend_pid))

    await eventually(at_work)
    waiter = await sessions.open()
    sessions.run(waiter, HOLD)
    await eventually(lambda: sessions.blocked(waiter.info.backend_pid))
    via = look(lock_wait_seconds=0.1)
    (finding,) = (await run("postgresql.lock_chains", via)).findings
    params = proposed(finding)
    assert finding.confidence < 0.9
    assert params.expect == "any"
    assert params.sessions[0].xact_start is not None
    _, proof = await mend(via, params)
    assert proof.ok
    await busy


@pytest.mark.parametrize(
    ("role", "name", "why"),
    [
        ("boss", "shop-batch", "superuser"),
        ("replicator", "shop-batch", "replication"),
        ("shop", "opsteward", "Opsteward"),
        ("shop", "pg_dump", "backup"),
    ],
)
async def test_protected_roots_are_named_but_never_ended(
    sessions: Sessions, look: Look, role: str, name: str, why: str
) -> None:
    root = await hold_open(sessions, role, name)
    waiter = await sessions.open()
    sessions.run(waiter, HOLD)
    await eventually(lambda: sessions.blocked(waiter.info.backend_pid))
    via = look(lock_wait_seconds=0.1)
    (finding,) = (await run("postgresql.lock_chains", via)).findings
    assert not finding.fixes
    assert why in finding.evidence["not_ended_because"]
    me = await identity(sessions, root.info.backend_pid)
    params = TerminateSessionParams(sessions=[me], reason="ask all the same")
    assert not (await plan(via, params)).needed
    result = await ACTION.execute(ActionContext(via=via, target=TARGET, idempotency_key="k"), params)
    assert outcomes(result) == ["left_alone"]
    assert await sessions.alive(root.info.backend_pid)


async def test_a_prepared_transaction_is_a_root_without_a_session(sessions: Sessions, look: Look) -> None:
    root = await hold_open(sessions)
    await root.execute("prepare transaction 'half-done'")
    try:
        waiter = await sessions.open()
        sessions.run(waiter, HOLD)
        await eventually(lambda: sessions.blocked(waiter.info.backend_pid))
        (finding,) = (await run("postgresql.lock_chains", look(lock_wait_seconds=0.1))).findings
        assert finding.evidence["root"] == {"prepared_transaction": True}
        assert not finding.fixes
    finally:
        await root.execute("rollback prepared 'half-done'")


def test_roots_of_deep_chains_and_cycles() -> None:
    assert find_roots({3: [2], 2: [1], 5: [1, 9]}) == {1: {2, 3, 5}, 9: {5}}
    assert find_roots({1: [2], 2: [1]}) == {}
    assert find_roots({4: [0]}) == {0: {4}}
    assert find_roots({pid: [pid - 1] for pid in range(2, 2000)})[1] == set(range(2, 2000))


async def test_a_newer_session_with_the_same_pid_is_never_hit(sessions: Sessions, look: Look) -> None:
    innocent = await hold_open(sessions)
    waiter = await sessions.open()
    sessions.run(waiter, HOLD)
    await eventually(lambda: sessions.blocked(waiter.info.backend_pid))
    me = await identity(sessions, innocent.info.backend_pid)
    older = me.model_copy(update={"backend_start": me.backend_start - timedelta(microseconds=1)})
    params = TerminateSessionParams(sessions=[older], reason="an old finding", expect="idle in transaction")
    via = look()
    assert not (await plan(via, params)).needed
    result, proof = await mend(via, params)
    assert outcomes(result) == ["already_gone"]
    assert proof.ok
    assert await sessions.alive(innocent.info.backend_pid)


async def test_a_session_that_works_again_is_left_alone(sessions: Sessions, look: Look) -> None:
    root = await hold_open(sessions)
    waiter = await sessions.open()
    task = sessions.run(waiter, HOLD)
    await eventually(lambda: sessions.blocked(waiter.info.backend_pid))
    via = look(lock_wait_seconds=0.1)
    (finding,) = (await run("postgresql.lock_chains", via)).findings
    params = proposed(finding)
    await root.execute("commit")
    await task
    shown = await plan(via, params)
    assert not shown.needed
    assert "works again" in shown.summary
    result, proof = await mend(via, params)
    assert outcomes(result) == ["left_alone"]
    assert proof.ok
    # Back in a transaction, idle again even: but another one than the finding's.
    await root.execute("begin")
    await root.execute("select 1")
    result, _ = await mend(via, params)
    assert outcomes(result) == ["left_alone"]
    assert (await (await root.execute("select 1")).fetchone()) == (1,)


async def test_each_session_of_a_list_has_its_own_outcome(sessions: Sessions, look: Look) -> None:
    idle, busy, gone = await sessions.open(), await hold_open(sessions), await sessions.open()
    asked = [await identity(sessions, c.info.backend_pid) for c in (idle, busy, gone)]
    gone_pid = gone.info.backend_pid
    await gone.close()

    async def is_gone() -> bool:
        return not await sessions.alive(gone_pid)

    await eventually(is_gone)
    params = TerminateSessionParams(sessions=asked, reason="mixed", expect="idle")
    via = look()
    shown = await plan(via, params)
    assert [f"session {idle.info.backend_pid} " in o for o in shown.objects] == [True]
    result, proof = await mend(via, params)
    assert outcomes(result) == ["terminated", "left_alone", "already_gone"]
    assert proof.ok, proof
    assert await sessions.alive(busy.info.backend_pid)


async def test_without_the_right_to_signal_nothing_is_proposed_or_done(sessions: Sessions, look: Look) -> None:
    root = await hold_open(sessions)
    via = look("watcher", idle_in_transaction_seconds=0.05)

    async def found() -> bool:
        return bool((await run("postgresql.idle_in_transaction", via)).findings)

    await eventually(found)
    (finding,) = (await run("postgresql.idle_in_transaction", via)).findings
    assert not finding.fixes
    me = await identity(sessions, root.info.backend_pid)
    result, _ = await mend(via, TerminateSessionParams(sessions=[me], reason="test"))
    assert outcomes(result) == ["left_alone"]
    assert "pg_signal_backend" in result.sessions[0].why


@pytest.mark.parametrize("slug", sorted(CHECKS.keys() - {"postgresql.connect", "postgresql.diagnosis"}))
async def test_a_role_that_sees_nothing_can_not_judge(look: Look, slug: str) -> None:
    with pytest.raises(AuthFailed) as caught:
        await run(slug, look("blind"))
    assert "GRANT pg_monitor" in caught.value.remedy


async def test_a_session_that_outlives_its_signal_is_no_proof(sessions: Sessions, look: Look) -> None:
    root = await hold_open(sessions)
    me = await identity(sessions, root.info.backend_pid)
    params = TerminateSessionParams(sessions=[me], reason="test")
    ctx = ActionContext(via=look(), target=TARGET, idempotency_key="run-1")
    claimed = TerminateSessionResult.model_validate(
        {"sessions": [{**me.model_dump(include={"pid", "backend_start"}), "outcome": "terminated"}]}
    )
    proof = await ACTION.verify(ctx, params, claimed)
    assert not proof.ok
    assert proof.evidence["still_there"] == [me.pid]


@pytest.mark.parametrize(
    "change",
    [
        {"sessions": []},
        {"sessions": [{"pid": 0, "backend_start": "2026-01-01T00:00:00Z"}]},
        {"sessions": [{"pid": 2**40, "backend_start": "2026-01-01T00:00:00Z"}]},
        {"sessions": [{"pid": 1, "backend_start": "2026-01-01T00:00:00"}]},
        {"sessions": [{"pid": 1}]},
        {"sessions": [{"pid": 1, "backend_start": "2026-01-01T00:00:00Z"}] * 51},
        {"expect": "active"},
        {"reason": ""},
        {"force": True},
    ],
)
def test_params_that_name_nothing_exactly_are_refused(change: dict[str, Any]) -> None:
    good = {"sessions": [{"pid": 1, "backend_start": "2026-01-01T00:00:00Z"}], "reason": "test"}
    TerminateSessionParams.model_validate(good)
    with pytest.raises(ValidationError):
        TerminateSessionParams.model_validate({**good, **change})
