"""One agent in this process: started, run when it is due, started anew after a failure, watched for signs of life."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NotRequired, TypedDict
from uuid import UUID

from pydantic import BaseModel

from opsteward.agents.context import Context
from opsteward.agents.failure_report import failure_report
from opsteward.agents.registry import AgentRegistry, validated
from opsteward.agents.types import AgentStatus, Desired
from opsteward.contracts.agent import AnyAgent, Report
from opsteward.core.backoff import backoff, with_jitter
from opsteward.core.clock import now
from opsteward.core.errors import Unavailable
from opsteward.core.json_types import JsonObject
from opsteward.core.log import correlated, get_logger
from opsteward.core.pause import pause
from opsteward.core.redact import redact_text
from opsteward.core.storable_text import storable

log = get_logger(__name__)

_FIRST_RUN_WITHIN = 2.0  # seconds: many that start together do not run together
_LEASE_LOOK = 0.25
_OVER_TIME = 1.0  # past its timeout a run is expected to have been ended within this
STOP_WITHIN = 5.0
_MAX_REASON = 500
_BY_OPERATOR = "paused by an operator"


@dataclass(frozen=True, kw_only=True)
class Assigned:
    """An agent's row as its owner got it."""

    tenant_id: UUID
    id: UUID
    name: str
    kind: str
    params: JsonObject
    every: float | None
    desired: str
    status: str
    reason: str
    generation: int
    runs: int
    failures: int
    restarts: int
    told: bool


class Beat(TypedDict):
    """An agent's row for `beat_agents`; instants are seconds since 1970. `told`: its failure was reported."""

    id: str
    generation: int
    alive: bool
    status: str
    reason: str
    last_run_at: float | None
    run_seconds: float | None
    runs: int
    failures: int
    restarts: int
    next_start_at: float | None
    told: NotRequired[bool]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What holds for all agents of a process; times in seconds. `may_run` is false while this process can't be sure
    that it still owns what it owns; `paused(tenant)` while an emergency pause holds."""

    failures_until_failed: int
    backoff_factor: float
    max_backoff: float
    may_run: Callable[[], bool]
    paused: Callable[[UUID], bool]


class AgentSupervisor:
    """Runs one agent until `end()`.

    `store_and_report(supervisor, status, report)` stores the status and publishes the report in one transaction, and
    says whether it could. `changed()` is called when the status has changed.
    """

    def __init__(
        self,
        assigned: Assigned,
        agent_types: AgentRegistry,
        make_context: Callable[[Assigned, BaseModel], Context],
        rules: Rules,
        *,
        changed: Callable[[], None],
        store_and_report: Callable[[AgentSupervisor, AgentStatus, Report], Awaitable[bool]],
    ) -> None:
        self.assigned = assigned
        self._agent_types = agent_types
        self._make_context = make_context
        self._rules = rules
        self._changed = changed
        self._store_and_report = store_and_report
        self.status = assigned.status
        self.reason = assigned.reason
        self.written = assigned.status  # what the database has
        self.runs = assigned.runs
        self.failures = assigned.failures
        self.restarts = assigned.restarts
        self.last_run_at: datetime | None = None
        self.run_seconds: float | None = None
        self.next_start_at: datetime | None = None
        self._reported = assigned.told
        self._desired = assigned.desired
        self._signal = asyncio.Event()
        self._no_run = asyncio.Event()  # no run is under way
        self._no_run.set()
        self._woken = assigned.every is None  # it may have missed what would have woken it
        self._must_end_by: float | None = None
        self._context: Context | None = None
        self._next_at = 0.0
        self._task = asyncio.create_task(self._run_until_cancelled(), name=f"agent {assigned.name}")

    @property
    def wakes_on(self) -> frozenset[str]:
        """The notices that wake it."""
        kind = self._agent_types.get(self.assigned.kind)
        return kind.wakes_on if kind else frozenset()

    @property
    def alive(self) -> bool:
        """Whether it waits for its turn, or runs and is within its time."""
        if self._task.done():
            return False
        return self._must_end_by is None or asyncio.get_running_loop().time() < self._must_end_by

    def wake(self) -> None:
        """Run as soon as possible."""
        self._woken = True
        self._signal.set()

    def look_again(self) -> None:
        """What it waits for may have changed."""
        self._signal.set()

    def obey(self, desired: str) -> None:
        """Pause or go on."""
        if desired != self._desired:
            self._desired = desired
            self._signal.set()

    async def end(self, *, at_once: bool) -> None:
        """End it within seconds, after the run that is under way. `at_once`: it runs elsewhere by now, so nothing
        more of it gets out."""
        if at_once and self._context is not None:
            self._context.close()
        elif self.alive:
            await pause(STOP_WITHIN, until=self._no_run)
        self._task.cancel()
        _, hanging = await asyncio.wait({self._task}, timeout=2 * STOP_WITHIN)
        if self._context is not None:
            self._context.close()
        if hanging:
            log.error("agents.agent.abandoned", agent=self.assigned.name, kind=self.assigned.kind)

    async def _run_until_cancelled(self) -> None:
        with correlated(f"agent-{self.assigned.id}"):
            while True:
                try:
                    await self._run_instance()
                except Unavailable:
                    self._set_status(
                        AgentStatus.FAILED if self._reported else AgentStatus.DEGRADED, "the database was away"
                    )
                    await asyncio.sleep(1.0)
                except Exception as error:  # a boundary: whatever an agent raises is its own failure
                    log.exception("agents.agent.failed", agent=self.assigned.name, kind=self.assigned.kind)
                    await self._after_failure(error)

    async def _run_instance(self) -> None:
        """Start a new instance, and run it until its first failure."""
        agent = self._agent_types.make(self.assigned.kind)
        context = self._make_context(self.assigned, validated(type(agent), self.assigned.params))
        self._context = context
        if self.failures == 0:
            self._set_status(AgentStatus.STARTING)
        try:
            await self._bounded(agent, agent.start(context))
            spread = min(self.assigned.every or 0.0, _FIRST_RUN_WITHIN)
            self._next_at = asyncio.get_running_loop().time() + random.uniform(0, spread)  # noqa: S311
            first = True
            while True:
                await self._wait_until_due(agent)
                await self._run(agent, context, first=first)
                first = False
        finally:
            await self._stop(agent, context)

    async def _stop(self, agent: AnyAgent, context: Context) -> None:
        try:
            async with asyncio.timeout(STOP_WITHIN):
                await agent.stop(context)
        except Exception:  # a boundary: one that can't even stop is left behind; its next instance begins anew
            log.exception("agents.agent.stop_failed", agent=self.assigned.name, kind=self.assigned.kind)

    async def _wait_until_due(self, agent: AnyAgent) -> None:
        """Wait until it is to run."""
        loop = asyncio.get_running_loop()
        while True:
            self._signal.clear()
            held = self._held(agent)
            if held:
                self._set_status(AgentStatus.PAUSED, held)
            elif self.status in (AgentStatus.PAUSED, AgentStatus.STARTING):
                self._set_status(AgentStatus.RUNNING)
            left = None if self.assigned.every is None else self._next_at - loop.time()
            if held:
                left = None
            elif self._woken or (left is not None and left <= 0):
                if self._rules.may_run():
                    return
                left = _LEASE_LOOK
            await pause(left, until=self._signal)

    def _held(self, agent: AnyAgent) -> str:
        if self._desired == Desired.PAUSED:
            return _BY_OPERATOR
        if not agent.essential and self._rules.paused(self.assigned.tenant_id):
            return "held by an emergency pause"
        return ""

    async def _run(self, agent: AnyAgent, context: Context, *, first: bool) -> None:
        loop = asyncio.get_running_loop()
        began, every = loop.time(), self.assigned.every
        self._woken = False
        if every is not None:
            # After the first run a random part of the interval, so that the load stays spread; then the full one.
            self._next_at = began + (with_jitter(every) if first else every)
        self.last_run_at = now()
        context.begin()
        self._no_run.clear()
        try:
            await self._bounded(agent, agent.run_once(context))
            await context.finish()
        finally:
            self.run_seconds = loop.time() - began
            self._no_run.set()
        self.runs += 1
        self.failures, self.next_start_at = 0, None
        well = AgentStatus.DEGRADED if context.trouble else AgentStatus.RUNNING
        if self._reported:
            await self._change_reported_status(well, context.trouble, resolved=True)
        else:
            self._set_status(well, context.trouble)

    async def _bounded(self, agent: AnyAgent, work: Awaitable[None]) -> None:
        """Within the kind's timeout; past it the agent gives no sign of life until it has ended."""
        self._must_end_by = asyncio.get_running_loop().time() + agent.timeout + _OVER_TIME
        scope = asyncio.timeout(agent.timeout)
        try:
            async with scope:
                await work
        except TimeoutError:
            if scope.expired():
                raise TimeoutError(f"it took longer than {agent.timeout:g} seconds") from None
            raise
        finally:
            self._must_end_by = None

    async def _after_failure(self, error: Exception) -> None:
        """Wait, the longer the more failures there were in a row; report it when they are too many."""
        self.failures += 1
        self.restarts += 1
        self._woken = self._woken or self.assigned.every is None  # what woke it has not been dealt with
        rules = self._rules
        too_many = self.failures >= rules.failures_until_failed
        seconds = backoff(self.failures - 1, factor=rules.backoff_factor, limit=rules.max_backoff)
        seconds = with_jitter(rules.max_backoff if too_many else seconds)
        self.next_start_at = now() + timedelta(seconds=seconds)
        reason = redact_text(f"{type(error).__name__}: {error}")
        if not too_many or self._reported:
            self._set_status(AgentStatus.FAILED if self._reported else AgentStatus.DEGRADED, reason)
        else:
            await self._change_reported_status(AgentStatus.FAILED, reason, resolved=False)
        await self._wait_after_failure(seconds)

    async def _wait_after_failure(self, seconds: float) -> None:
        """Wait after a failure; a pause shows meanwhile, and lasts until it is lifted."""
        loop = asyncio.get_running_loop()
        until, status, reason = loop.time() + seconds, self.status, self.reason
        while True:
            self._signal.clear()
            left: float | None = until - loop.time()
            if self._desired == Desired.PAUSED:
                left = None
                self._set_status(AgentStatus.PAUSED, _BY_OPERATOR)
            elif self.status == AgentStatus.PAUSED:
                self._set_status(status, reason)
            if left is not None and left <= 0:
                return
            await pause(left, until=self._signal)

    async def _change_reported_status(self, status: AgentStatus, reason: str, *, resolved: bool) -> None:
        """Into `failed` or out of it: stored and reported together. While that can't be, the status stays as it was."""
        before, self.reason = self.reason, storable(reason, limit=_MAX_REASON)
        context: JsonObject = {"kind": self.assigned.kind, "failures": self.failures, "reason": self.reason}
        if await self._store_and_report(
            self, status, failure_report(self.assigned.name, context=context, resolved=resolved)
        ):
            self.status, self._reported = status, not resolved
        else:
            self.reason = before

    def _set_status(self, status: str, reason: str = "") -> None:
        self.reason = storable(reason, limit=_MAX_REASON)
        if self.status != status:
            self.status = status
            self._changed()

    def as_beat(self) -> Beat:
        """Its row for `beat_agents`."""
        return {
            "id": str(self.assigned.id),
            "generation": self.assigned.generation,
            "alive": self.alive,
            "status": self.status,
            "reason": self.reason,
            "last_run_at": self.last_run_at.timestamp() if self.last_run_at else None,
            "run_seconds": self.run_seconds,
            "runs": self.runs,
            "failures": self.failures,
            "restarts": self.restarts,
            "next_start_at": self.next_start_at.timestamp() if self.next_start_at else None,
        }
