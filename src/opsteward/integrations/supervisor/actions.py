"""Restarting one process: exactly the run of it that a finding named, and only once.

A run of a process is its pid plus its start time. Restarting by name alone would, on a retry, restart
the healthy successor; so a run that is not the expected one any more counts as restarted already.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from opsteward.contracts.action import Action, ActionContext, Plan, Proof, Risk
from opsteward.core.errors import Timeout
from opsteward.integrations.supervisor.checks import RESTART
from opsteward.integrations.supervisor.client import ProcessInfo
from opsteward.integrations.supervisor.config import ProcessName
from opsteward.integrations.supervisor.connector import SupervisorConnector

_POLL = 0.1  # seconds
_STOP_SECONDS = 35.0  # supervisord kills what does not stop within its stopwaitsecs (10 by default)
_START_SECONDS = 15.0
_VERIFY_SECONDS = 8.0
_STEADY_SECONDS = 1.0

_UP = frozenset({"RUNNING", "STARTING"})
_DOWN = frozenset({"STOPPED", "EXITED", "FATAL"})


class RestartProcessParams(BaseModel):
    """`expect_pid` is None for a process found down. `expect` "hung": only while the kernel holds it stopped."""

    model_config = ConfigDict(extra="forbid")

    name: ProcessName
    expect_pid: int | None = Field(default=None, ge=1)
    expect_start: int = Field(ge=0, description="supervisord's start time of the run, epoch seconds")
    reason: str = Field(min_length=1, max_length=1000)
    expect: Literal["hung", "any"] = "any"


class RestartProcessResult(BaseModel):
    """What was done, and the run that is there afterwards."""

    outcome: Literal["restarted", "already_restarted", "left_alone"]
    statename: str
    pid: int
    start: int
    why: str = ""


class RestartProcess(Action[SupervisorConnector, RestartProcessParams, RestartProcessResult]):
    """Stops and starts one process. Can't be undone: what the old run held in memory is lost."""

    slug: ClassVar[str] = RESTART
    title: ClassVar[str] = "Restart a process"
    risk: ClassVar[Risk] = Risk.MEDIUM
    params_model: ClassVar[type[BaseModel]] = RestartProcessParams
    result_model: ClassVar[type[BaseModel]] = RestartProcessResult
    timeout: ClassVar[float] = 60.0

    async def plan(self, ctx: ActionContext[SupervisorConnector], params: RestartProcessParams) -> Plan:
        info = await ctx.via.client.process(params.name)
        evidence = {"statename": info.statename, "pid": info.pid, "start": info.start}
        reason = _not_needed(info, params) or await _works_again(ctx.via, info, params)
        if reason:
            return Plan(needed=False, summary=f"Nothing to restart: {reason}", evidence=evidence)
        started = datetime.fromtimestamp(info.start, UTC).isoformat()
        run = f"process {info.name} (pid {info.pid}, started {started})"
        steps = [
            f"Stop {info.name} if it still is this run; supervisord kills it if it does not stop in time",
            f"Start {info.name}",
            "Measure that a new run stays up; this can't be undone",
        ]
        return Plan(
            needed=True,
            summary=f"Restart {info.name}: {params.reason}",
            steps=steps,
            objects=[run],
            evidence=evidence,
        )

    async def execute(
        self, ctx: ActionContext[SupervisorConnector], params: RestartProcessParams
    ) -> RestartProcessResult:
        """Stop, then start, each only for the expected run; a run interrupted in between is taken up again.

        supervisord does not say who stopped a process: the expected run found STOPPED is taken for our own
        interrupted restart, and started.
        """
        client = ctx.via.client
        info = await client.process(params.name)
        if reason := _not_needed(info, params):
            return _result("already_restarted", info, reason)
        if reason := await _works_again(ctx.via, info, params):
            return _result("left_alone", info, reason)
        if info.statename not in _DOWN:
            await client.begin_stop(params.name)
            info = await _until(ctx.via, params, _DOWN, seconds=_STOP_SECONDS)
            if reason := _not_needed(info, params):
                return _result("already_restarted", info, reason)
            if info.statename not in _DOWN:
                raise Timeout(f"{info.name} did not stop within {_STOP_SECONDS:g} s")
        await client.begin_start(params.name)
        info = await _until(ctx.via, params, _DOWN | {"RUNNING"}, seconds=_START_SECONDS, new_run=True)
        return _result("restarted", info)

    async def verify(
        self,
        ctx: ActionContext[SupervisorConnector],
        params: RestartProcessParams,
        result: RestartProcessResult,
    ) -> Proof:
        """Waits up to 8 s for one run, newer than the expected one, to be up and moving for a whole second."""
        deadline = time.monotonic() + _VERIFY_SECONDS
        steady_pid, steady_since = 0, 0.0
        while True:
            info = await ctx.via.client.process(params.name)
            halted = await ctx.via.halted(info) if info.statename == "RUNNING" else None
            now = time.monotonic()
            new = _is_other_run(info, params) or result.outcome == "left_alone"
            if info.statename != "RUNNING" or halted or not new:
                steady_pid = 0
            elif info.pid != steady_pid:
                steady_pid, steady_since = info.pid, now
            steady = bool(steady_pid) and now - steady_since >= _STEADY_SECONDS
            if steady or now >= deadline or info.statename == "FATAL":  # supervisord has given it up
                break
            await asyncio.sleep(_POLL)
        evidence = {
            "statename": info.statename,
            "pid": info.pid,
            "start": info.start,
            "held_stopped": halted,
            "new_run": new,
        }
        if steady:
            summary = f"{info.name} runs as pid {info.pid}, steadily for {_STEADY_SECONDS:g} s"
        else:
            summary = f"{info.name} does not run steadily ({info.statename}, {info.description})"
        return Proof(ok=steady, summary=summary, evidence=evidence)


def _is_other_run(info: ProcessInfo, params: RestartProcessParams) -> bool:
    """Whether this run is not the expected one (any more)."""
    if info.start != params.expect_start:
        return True
    if info.statename not in _UP:
        return False
    # Start times count whole seconds: within one, only the pid tells two runs apart.
    return params.expect_pid is None or info.pid != params.expect_pid


def _not_needed(info: ProcessInfo, params: RestartProcessParams) -> str:
    if _is_other_run(info, params):
        return f"another run of {info.name} has begun since (now {info.statename}, pid {info.pid})"
    return ""


async def _works_again(via: SupervisorConnector, info: ProcessInfo, params: RestartProcessParams) -> str:
    """Why a process found hung needs no restart now; empty when it does, or when that can't be seen."""
    if params.expect == "hung" and info.statename == "RUNNING" and await via.halted(info) is False:
        return f"{info.name} moves again"
    return ""


async def _until(
    via: SupervisorConnector,
    params: RestartProcessParams,
    states: frozenset[str],
    *,
    seconds: float,
    new_run: bool = False,
) -> ProcessInfo:
    """The process once it is in one of these states, or as it is when time is up.

    Without `new_run` another run ends the wait as well: somebody else has restarted it.
    """
    deadline = time.monotonic() + seconds
    while True:
        info = await via.client.process(params.name)
        if info.statename in states or time.monotonic() >= deadline:
            return info
        if not new_run and _is_other_run(info, params):
            return info
        await asyncio.sleep(_POLL)


def _result(
    outcome: Literal["restarted", "already_restarted", "left_alone"], info: ProcessInfo, why: str = ""
) -> RestartProcessResult:
    return RestartProcessResult(outcome=outcome, statename=info.statename, pid=info.pid, start=info.start, why=why)
