"""The task by which a piece of work is done: the chosen strategy, then the simpler ones, then an error that says what
to do. A process that takes it over after a crash finds its finished steps."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, cast
from uuid import UUID

import structlog

from opsteward.contracts.task import NoParams, TaskContext, TaskType
from opsteward.core.clock import now
from opsteward.core.computing import in_fair_thread
from opsteward.core.db import Database
from opsteward.core.errors import Invalid
from opsteward.core.fair_share import Party, current_party
from opsteward.core.json_types import JsonObject
from opsteward.core.log import get_logger
from opsteward.crew.agents.roster import Roster
from opsteward.crew.execution import runs
from opsteward.crew.execution.engine_runs import EngineRunner
from opsteward.crew.execution.reasoning import Reasoning
from opsteward.crew.execution.steps import RecordedSteps, StepFailed
from opsteward.crew.execution.strategies import Done, Strategies
from opsteward.crew.execution.types import Part, PathStep
from opsteward.crew.execution.work_types import WorkTypes
from opsteward.crew.models import CrewRun
from opsteward.crew.settings import CrewSettings
from opsteward.crew.types import Strategy
from opsteward.telemetry import traces

log = get_logger(__name__)

WORK = "crew.work"
#: What is tried when a strategy fails, from the most to the least.
_FALLBACKS = {
    Strategy.CREW: (Strategy.CREW, Strategy.SINGLE_AGENT, Strategy.DIRECT),
    Strategy.MULTI_AGENT: (Strategy.MULTI_AGENT, Strategy.SINGLE_AGENT, Strategy.DIRECT),
    Strategy.SINGLE_AGENT: (Strategy.SINGLE_AGENT, Strategy.DIRECT),
    Strategy.DIRECT: (Strategy.DIRECT,),
}
_LEFT_FOR_DIRECT = 0.1  # of the time, so that the last fallback has some


class WorkFailed(StepFailed):
    """No strategy could do it."""

    code = "crew_work_failed"
    title = "The work could not be done by any strategy"


@dataclass(frozen=True, kw_only=True)
class _Given:
    """A run as it was read when it began."""

    id: UUID
    tenant_id: UUID
    task_type: str
    parameters: JsonObject
    strategy: Strategy
    requires_ai: bool
    description: str
    requested_by: str
    user_ref: str | None
    session_ref: str | None
    ended: bool


class ReasoningMaker(Protocol):
    """Makes the reasoning of one run; None where there is no model. `requested_by`: for whom it asks for actions."""

    async def __call__(
        self, tenant_id: UUID, run_id: UUID, *, description: str, requested_by: str
    ) -> Reasoning | None: ...


class WorkTask:
    """Does the work; one per process."""

    def __init__(
        self,
        db: Database,
        *,
        settings: CrewSettings,
        types: WorkTypes,
        roster: Callable[[], Roster],
        run_engine: EngineRunner,
        reasoning: ReasoningMaker | None = None,
    ) -> None:
        self._db, self._settings, self._types = db, settings, types
        self._roster, self._run_engine, self._reasoning = roster, run_engine, reasoning

    def task_type(self) -> TaskType:
        """As the tasks room knows it."""
        return TaskType(
            slug=WORK,
            purpose="Does a piece of the crew's work, by the strategy that was decided",
            params=NoParams,
            run=self.run,
            concurrency=self._settings.crew_concurrent_workflows,
            timeout=self._settings.crew_task_timeout,
            max_retries=2,
        )

    async def run(self, ctx: TaskContext, _: NoParams) -> JsonObject:
        """The work of the run that has the task's id."""
        given, from_cache = await self._given(ctx)
        if given.ended:
            return {"already": "done"}
        if from_cache:
            return {"type": given.task_type, "cached": True, "crew_task": str(given.id)}
        party = current_party.set(Party(str(ctx.tenant_id), str(ctx.task_id)))
        about = {"tenant_id": str(ctx.tenant_id), "user_id": given.user_ref, "session_id": given.session_ref}
        about = {key: value for key, value in about.items() if value is not None}
        attributes = {f"opsteward.{key.replace('_', '.')}": str(value) for key, value in about.items()}
        try:
            with (
                structlog.contextvars.bound_contextvars(**about, crew_type=given.task_type),
                traces.span(f"crew {given.task_type}", {**attributes, "opsteward.crew.strategy": given.strategy}),
            ):
                return await self._do(ctx, given)
        except BaseException:
            # Cancelled, or to be tried again here or elsewhere, maybe never: no agent is busy with it until then.
            with suppress(Exception):  # what ended the work is what counts
                await asyncio.shield(self._stop_steps(given, "the work was stopped before this was done"))
            raise
        finally:
            current_party.reset(party)

    async def _given(self, ctx: TaskContext) -> tuple[_Given, bool]:
        """The run, which has begun; and whether it ends at once, for equal work was done before."""
        async with self._db.unit_of_work(ctx.tenant_id) as session:
            row = await runs.get_row(session, ctx.task_id, lock=True)
            row.started_at = row.started_at or now()
            given = _Given(
                id=row.id,
                tenant_id=row.tenant_id,
                task_type=row.task_type,
                parameters=row.parameters,
                strategy=Strategy(row.strategy),
                requires_ai=row.requires_ai,
                description=row.description,
                requested_by=row.requested_by,
                user_ref=row.user_ref,
                session_ref=row.session_ref,
                ended=row.ended_at is not None,
            )
            if given.ended or not self._settings.crew_cache or self._types.find(row.task_type).reads:
                return given, False
            within = self._settings.crew_cache_seconds
            earlier = await runs.earlier_result(session, hashed=row.input_hash, within=within)
            if earlier is None:
                return given, False
            row.result, row.engine, row.strategy_used = earlier.result, earlier.engine, earlier.strategy_used
            row.path, row.agents = earlier.path, earlier.agents
            row.cached, row.success, row.ended_at, row.seconds = True, True, now(), 0.0
            return given, True

    async def _do(self, ctx: TaskContext, given: _Given) -> JsonObject:
        began = time.monotonic()
        found = self._types.find(given.task_type)
        parts = await in_fair_thread(self._types.parts, found, given.parameters)
        reasoning = None
        if self._reasoning is not None and given.requires_ai:
            reasoning = await self._reasoning(
                given.tenant_id, given.id, description=given.description, requested_by=given.requested_by
            )
        strategies = self._strategies(given, parts, reasoning)
        path: list[PathStep] = []
        done: Done | None = None
        ways = _FALLBACKS[given.strategy]
        for number, strategy in enumerate(ways):
            ctx.progress(int(100 * number / (len(ways) + 1)) + 5, f"by {strategy}")
            left = self._settings.crew_task_timeout - (time.monotonic() - began)
            reserve = _LEFT_FOR_DIRECT * self._settings.crew_task_timeout if number < len(ways) - 1 else 0.0
            try:
                async with asyncio.timeout(max(0.1, left - reserve)):
                    done = await strategies.do(strategy)
                path.append(PathStep(strategy=strategy, outcome="done"))
                break
            except TimeoutError:
                path.append(PathStep(strategy=strategy, outcome="failed", reason="did not end in its time"))
            except (StepFailed, Invalid) as error:
                path.append(PathStep(strategy=strategy, outcome="failed", reason=error.detail))
            log.warning("crew.strategy.failed", strategy=strategy.value, reason=path[-1].reason)
            await self._stop_steps(given, "another part of the work failed before it was done")
        async with self._db.unit_of_work(ctx.tenant_id) as session:
            row = await runs.get_row(session, ctx.task_id, lock=True)
            row.cost_micros, row.tokens, row.calls = await runs.end_run(session, run_id=given.id)
            self._note_end(row, path, done, seconds=time.monotonic() - began, used=_used(reasoning, done))
            if reasoning is not None and reasoning.asked_for:
                row.input_hash = ""  # work with effects is never given from the cache
                row.result = {**(row.result or {}), "actions_asked_for": [*reasoning.asked_for]}
        if done is None:
            raise WorkFailed(
                f"{path[-1].reason} (tried: {', '.join(one.strategy for one in path)})",
                remedy="see the path of GET /api/crew/task/ID: correct what it names, then send it again",
            )
        return {
            "type": given.task_type,
            "strategy": path[-1].strategy,
            "engine": row.engine,
            "crew_task": str(given.id),
        }

    async def _stop_steps(self, given: _Given, why: str) -> None:
        async with self._db.unit_of_work(given.tenant_id) as session:
            await runs.stop_steps(session, run_id=given.id, why=why)

    def _strategies(self, given: _Given, parts: Sequence[Part], reasoning: Reasoning | None) -> Strategies:
        return Strategies(
            parts=parts,
            roster=self._roster(),
            steps=RecordedSteps(self._db, tenant_id=given.tenant_id, run_id=given.id),
            run_engine=self._run_engine,
            agent_timeout=self._settings.crew_agent_timeout,
            reasoning=reasoning,
        )

    def _note_end(
        self, row: CrewRun, path: Sequence[PathStep], done: Done | None, *, seconds: float, used: str | None
    ) -> None:
        row.path, row.ended_at, row.seconds = runs.told_path(path), now(), seconds
        row.success = done is not None
        if done is None:
            row.error = path[-1].reason
            return
        row.strategy_used, row.agents = path[-1].strategy, done.agents
        row.engine = f"llm:{used}" if used else "rules"
        row.result = result_of(done, row.engine)


def result_of(done: Done, engine: str) -> JsonObject:
    """One part's result as it is; of several each under its name. Beside it what was found on the way."""
    if len(done.results) == 1:
        only = next(iter(done.results.values()))
        return {**only, **done.extra, "engine": engine}
    parts = cast(JsonObject, dict(done.results))
    return {"engine": engine, "parts": parts, **done.extra}


def _used(reasoning: Reasoning | None, done: Done | None) -> str | None:
    if reasoning is None or done is None:
        return None
    report = done.extra.get("report")
    words_in_it = "reasoning" in done.extra or (isinstance(report, dict) and "analysis" in report)
    return reasoning.used if words_in_it else None
