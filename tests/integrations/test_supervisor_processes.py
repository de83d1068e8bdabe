"""supervisord for real: crash, hang, deliberate stop, and a restart that is done once however often it is asked."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from typing import Any

import psutil
import pytest
from real_parts import Supervisord, eventually, system

from opsteward.contracts.action import ActionContext
from opsteward.contracts.check import CheckResult, CheckStatus, Finding
from opsteward.core.errors import AuthFailed, BadReply
from opsteward.integrations.supervisor import INTEGRATION
from opsteward.integrations.supervisor.actions import RestartProcess, RestartProcessParams
from opsteward.integrations.supervisor.connector import SupervisorConnector

CHECK = INTEGRATION.checks[0]
ACTION = RestartProcess()


async def check(server: Supervisord, *names: str) -> CheckResult:
    via = server.via(processes=list(names))
    return await CHECK.run(via, system(server.endpoint))


def context(server: Supervisord) -> ActionContext[SupervisorConnector]:
    return ActionContext(via=server.via(), target=system(server.endpoint), idempotency_key="run-1")


def proposed(finding: Finding) -> RestartProcessParams:
    (fix,) = finding.fixes
    assert fix.action == ACTION.slug
    return RestartProcessParams.model_validate(dict(fix.params))


async def kill_web(server: Supervisord) -> None:
    info = await server.running("web")
    os.kill(info.pid, signal.SIGKILL)

    async def exited() -> bool:
        return (await server.via().client.process("web")).statename == "EXITED"

    await eventually(exited)


async def freeze(pid: int) -> None:
    """SIGSTOP, and wait until the kernel has done it: a signal is delivered when the process is next scheduled."""
    os.kill(pid, signal.SIGSTOP)

    async def stopped() -> bool:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED

    await eventually(stopped)


async def test_running_processes_pass(supervisord: Supervisord) -> None:
    for name in ("web", "worker", "other"):
        await supervisord.running(name)
    result = await check(supervisord, "web", "worker", "other")
    assert result.status is CheckStatus.PASS
    assert result.evidence["processes"] == {"web": "RUNNING", "worker": "RUNNING", "other": "RUNNING"}


async def test_a_crash_is_found_and_restarted_once(supervisord: Supervisord) -> None:
    await kill_web(supervisord)
    result = await check(supervisord, "web")
    (finding,) = result.findings
    assert (result.status, finding.type, finding.cause_rank) == (CheckStatus.FAIL, "process_down", 1)
    assert finding.component == "web"
    assert finding.evidence["statename"] == "EXITED"
    assert "up" in finding.evidence["last_output"]
    params = proposed(finding)
    ctx = context(supervisord)
    plan = await ACTION.plan(ctx, params)
    assert plan.needed and len(plan.objects) == 1
    first = await ACTION.execute(ctx, params)
    assert first.outcome == "restarted"
    proof = await ACTION.verify(ctx, params, first)
    assert proof.ok, proof
    again = await ACTION.execute(ctx, params)
    assert (again.outcome, again.pid) == ("already_restarted", first.pid)
    assert (await ACTION.verify(ctx, params, again)).ok
    assert not (await ACTION.plan(ctx, params)).needed


async def test_a_stopped_process_is_hung_and_restarted(supervisord: Supervisord) -> None:
    info = await supervisord.running("worker")
    await freeze(info.pid)
    result = await check(supervisord, "worker")
    (finding,) = result.findings
    assert (result.status, finding.type) == (CheckStatus.FAIL, "process_hung")
    params = proposed(finding)
    assert params.expect_pid == info.pid
    ctx = context(supervisord)
    done = await ACTION.execute(ctx, params)
    assert done.outcome == "restarted"
    assert done.pid != info.pid
    assert (await ACTION.verify(ctx, params, done)).ok
    assert (await check(supervisord, "worker")).status is CheckStatus.PASS


async def test_a_process_that_moves_again_is_left_alone(supervisord: Supervisord) -> None:
    info = await supervisord.running("other")
    await freeze(info.pid)
    (finding,) = (await check(supervisord, "other")).findings
    os.kill(info.pid, signal.SIGCONT)
    params, ctx = proposed(finding), context(supervisord)

    async def moves() -> bool:
        return not (await ACTION.plan(ctx, params)).needed

    await eventually(moves)
    done = await ACTION.execute(ctx, params)
    assert (done.outcome, done.pid) == ("left_alone", info.pid)
    assert (await ACTION.verify(ctx, params, done)).ok


async def test_killed_between_stop_and_start_a_second_run_finishes(supervisord: Supervisord) -> None:
    info = await supervisord.running("web")
    await freeze(info.pid)
    (finding,) = (await check(supervisord, "web")).findings
    params, ctx = proposed(finding), context(supervisord)
    # What a killed worker leaves behind: the stop was asked for, the start was not.
    await ctx.via.client.begin_stop("web")
    assert (await ACTION.plan(ctx, params)).needed
    done = await ACTION.execute(ctx, params)
    assert done.outcome == "restarted"
    assert (await ACTION.verify(ctx, params, done)).ok


async def test_killed_in_the_middle_of_execute_a_second_run_finishes(supervisord: Supervisord) -> None:
    info = await supervisord.running("worker")
    await freeze(info.pid)
    (finding,) = (await check(supervisord, "worker")).findings
    params, ctx = proposed(finding), context(supervisord)
    first = asyncio.create_task(ACTION.execute(ctx, params))

    async def stopping() -> bool:
        return (await ctx.via.client.process("worker")).statename in {"STOPPING", "STOPPED"}

    await eventually(stopping)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    done = await ACTION.execute(ctx, params)
    assert done.outcome == "restarted"
    assert (await ACTION.verify(ctx, params, done)).ok


async def test_a_process_stopped_on_purpose_is_reported_without_a_fix(supervisord: Supervisord) -> None:
    result = await check(supervisord, "spare")
    (finding,) = result.findings
    assert (result.status, finding.type) == (CheckStatus.WARN, "process_down")
    assert not finding.fixes
    assert finding.confidence < 0.5


async def test_a_start_that_fails_is_no_success(supervisord: Supervisord) -> None:
    client = supervisord.via().client
    await client.begin_start("broken")

    async def fatal() -> bool:
        return (await client.process("broken")).statename == "FATAL"

    await eventually(fatal)
    (finding,) = (await check(supervisord, "broken")).findings
    assert "no database" in finding.evidence["last_output"]
    params, ctx = proposed(finding), context(supervisord)
    done = await ACTION.execute(ctx, params)
    assert done.statename in {"FATAL", "BACKOFF"}
    started = time.monotonic()
    proof = await ACTION.verify(ctx, params, done)
    assert not proof.ok
    assert time.monotonic() - started < 10


async def test_a_name_that_supervisord_does_not_know(supervisord: Supervisord) -> None:
    result = await check(supervisord, "nonesuch")
    assert [f.type for f in result.findings] == ["process_unknown"]
    params = RestartProcessParams(name="nonesuch", expect_start=0, reason="test")
    with pytest.raises(BadReply, match="BAD_NAME"):
        await ACTION.plan(context(supervisord), params)


@pytest.mark.parametrize("name", ["web:*", "*", "a b", "", "group:*"])
def test_a_whole_group_can_not_be_named(name: str) -> None:
    with pytest.raises(ValueError):
        RestartProcessParams(name=name, expect_start=0, reason="test")


async def test_wrong_password_is_auth_failed_and_not_told(supervisord: Supervisord) -> None:
    wrong: dict[str, Any] = {"username": "ops", "password": "s3cret-wrong"}
    via = SupervisorConnector(SupervisorConnector.config_for(system(supervisord.endpoint), wrong))
    with pytest.raises(AuthFailed) as caught:
        await CHECK.run(via, system(supervisord.endpoint))
    assert "s3cret" not in f"{caught.value!r}{caught.value}{caught.value.extra}"


async def test_probe_tells_the_version(supervisord: Supervisord) -> None:
    report = await supervisord.via().probe()
    assert report.reachable and report.version.startswith("4.")


async def test_over_tcp_it_is_the_same(supervisord: Supervisord) -> None:
    target = system(f"supervisor+http://127.0.0.1:{supervisord.port}", processes=["web"])
    credentials = {"username": "ops", "password": "pass-word"}
    await supervisord.running("web")
    via = SupervisorConnector(SupervisorConnector.config_for(target, credentials))
    assert (await CHECK.run(via, target)).status is CheckStatus.PASS
    info = await via.client.process("web")
    assert await via.halted(info) is False
