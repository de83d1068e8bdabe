"""What others do with the crew: ask what a piece of work would take, have it done, look at it, stop it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.core.blocking_calls import in_thread
from opsteward.core.clock import now
from opsteward.core.computing import in_fair_thread
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import LimitExceeded, OpsError
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.crew.agents.roster import Roster
from opsteward.crew.delegation.complexity import Derived, derive, volume_of
from opsteward.crew.delegation.learning import Weights
from opsteward.crew.delegation.matrix_changes import MatrixChanges
from opsteward.crew.delegation.memory import DelegationMemory, matrix_in_force, recorded_outcomes
from opsteward.crew.delegation.proposals import Proposal, propose
from opsteward.crew.delegation.types import Decision, Outcome, Work
from opsteward.crew.event_analysis import AskModel, EventAnalysis
from opsteward.crew.execution import notes, runs
from opsteward.crew.execution.engine_runs import EngineRunner
from opsteward.crew.execution.types import Accepted, Answer, Part, PathStep, RunLine, RunView, TriedModel, WorkRequest
from opsteward.crew.execution.work_task import WORK
from opsteward.crew.execution.work_types import WorkTypes, domains_of
from opsteward.crew.models import CrewRun
from opsteward.crew.performance import figures as crew_figures
from opsteward.crew.performance.alerts import Alert, Recommendation, alerts_of, recommendations_of
from opsteward.crew.performance.figures import CrewFigures
from opsteward.crew.performance.model_usage import ModelUsage, model_usage
from opsteward.crew.settings import CrewSettings, ModelSettings
from opsteward.crew.types import Strategy, TaskType
from opsteward.integrations.crew.gateway import Gateway
from opsteward.tasks import commands as task_commands
from opsteward.tasks.submission import Submission
from opsteward.tasks.types import NewTask

#: From the crew's scale, 10 the most urgent, to the names of tasks.
_PRIORITIES = ((9, "critical"), (7, "high"), (4, "normal"), (2, "low"), (1, "background"))
_MINUTE = 60.0
_WEEK = 7 * 24.0  # hours
_PROPOSALS_AT_ONCE = 5


@dataclass(frozen=True, kw_only=True)
class _Weighed:
    """A request, checked, and as delegation looks at it."""

    task_type: TaskType
    parameters: JsonObject
    input_hash: str
    parts: list[Part]
    work: Work
    derived: Derived


@dataclass(frozen=True)
class Optimized:
    """What the outcomes speak for; `proposed` are summaries with the actions that wait for approval."""

    outcomes: int
    recommendations: list[Recommendation]
    proposed: list[tuple[str, UUID]]


class Crew:
    """One per process."""

    def __init__(
        self,
        *,
        settings: CrewSettings,
        submission: Submission,
        types: WorkTypes,
        roster: Callable[[], Roster],
        run_engine: EngineRunner,
        matrix_changes: MatrixChanges,
        model: str | None,
        gateway: Gateway | None = None,
        try_models: Callable[[UUID], Awaitable[list[TriedModel]]] | None = None,
        ask_about_event: AskModel | None = None,
        ask_below: float = 0.0,
        model_settings: ModelSettings | None = None,
    ) -> None:
        """`roster` reads the agents' files when it is first asked; `model`: the one that is configured, if any."""
        self.settings, self.types, self.model = settings, types, model
        self.matrix_changes, self.gateway, self._try_models = matrix_changes, gateway, try_models
        self._submission, self._run_engine, self._roster = submission, run_engine, roster
        self.weights = Weights(second=settings.crew_second_costs, failure=settings.crew_failure_costs)
        self.memory = DelegationMemory(weights=self.weights, explored_types=frozenset(settings.crew_explore))
        self._model_settings = model_settings or ModelSettings()
        self.events = EventAnalysis(ask=ask_about_event, memory=self.memory, below=ask_below)

    @property
    def roster(self) -> Roster:
        """The agents."""
        return self._roster()

    async def plan(self, session: AsyncSession, *, request: WorkRequest) -> Decision:
        """Who would do it, why, and what it would take; nothing is done. Raises Invalid that names each bad field."""
        weighed = await self._weighed(request)
        return await self._decided(session, weighed)

    async def execute(self, session: AsyncSession, *, request: WorkRequest, by: Identity) -> Accepted:
        """Have it done as a task, committed with this transaction. Raises Invalid; LimitExceeded when the tenant has
        asked for too much in the last minute."""
        weighed = await self._weighed(request)
        await self._within_rate(session)
        decision = await self._decided(session, weighed)
        task = NewTask(
            task_type=WORK,
            name=f"Crew: {weighed.task_type.name}",
            description=request.description,
            metadata=_told({"user_id": request.user_id, "session_id": request.session_id}),
            priority=next(name for least, name in _PRIORITIES if request.priority >= least),
        )
        submitted = (await self._submission.submit(session, tasks=[task], actor=by.actor))[0]
        session.add(self._row(session, submitted.id, request, weighed, decision, by))
        return Accepted(task_id=submitted.id, status=submitted.status, decision=decision)

    async def answer(self, db: Database, *, request: WorkRequest, by: Identity, at: str = "") -> Answer:
        """Do it at once, by rules, and keep what it took. No connection is held meanwhile. Raises Invalid, with `at`
        before the names of parameters, and what the engine's failure is in words."""
        weighed = await self._weighed(request, at=at)
        run_id = uuid7()
        async with db.unit_of_work(by.tenant_id) as session:
            await self._within_rate(session)
            decision = await self._decided(session, weighed)
            row = self._row(session, run_id, request, weighed, decision, by)
            earlier = None
            if self.settings.crew_cache and not weighed.task_type.reads:
                earlier = await runs.earlier_result(
                    session, hashed=row.input_hash, within=self.settings.crew_cache_seconds
                )
            result = earlier.result if earlier is not None else None
        began = time.monotonic()
        failure: OpsError | None = None
        if result is None:
            try:
                result = await self._run_engine(weighed.parts[0])
            except OpsError as error:
                failure = error
        seconds = time.monotonic() - began
        row.strategy = row.strategy_used = Strategy.DIRECT  # nobody else has a part in what is answered at once
        row.started_at, row.ended_at, row.seconds, row.engine = now(), now(), seconds, "rules"
        row.success, row.cached, row.result = failure is None, earlier is not None, result
        row.error = failure.detail if failure is not None else None
        outcome = "done" if failure is None else "failed"
        row.path = runs.told_path([PathStep(strategy=Strategy.DIRECT, outcome=outcome, reason=row.error or "")])
        async with db.unit_of_work(by.tenant_id) as session:
            session.add(row)
        if failure is not None:
            raise failure
        assert result is not None
        return Answer(
            task_id=run_id, strategy=Strategy.DIRECT, cached=earlier is not None, seconds=seconds, result=result
        )

    async def try_models(self, *, tenant_id: UUID) -> list[TriedModel]:
        """How each configured model answers a smallest question; none where none is configured."""
        return await self._try_models(tenant_id) if self._try_models is not None and self.model is not None else []

    async def model_usage(self, session: AsyncSession, *, days: int) -> ModelUsage:
        """What the tenant's calls of models took in so many days, beside the ceilings of today."""
        return await model_usage(session, days=days, models=self._model_settings)

    async def erase_notes(self, session: AsyncSession, *, by: Identity) -> int:
        """Erase what the agents remember of this tenant; returns how many notes there were."""
        return await notes.erase(session, by=by)

    async def get(self, session: AsyncSession, *, task_id: UUID) -> RunView:
        """One piece of work as it stands. Raises NotFound."""
        return await runs.view(session, task_id)

    async def cancel(self, session: AsyncSession, *, task_id: UUID, by: Identity) -> RunView:
        """Stop it. Raises NotFound, and Conflict for one that has ended."""
        await runs.get_row(session, task_id)
        await task_commands.cancel(session, task_id=task_id, actor=by.actor, reason="the crew's work was cancelled")
        await runs.stop_steps(session, run_id=task_id, why="the work was cancelled")
        await session.flush()
        return await runs.view(session, task_id)

    async def page(
        self,
        session: AsyncSession,
        *,
        domain: str | None = None,
        task_type: str | None = None,
        before: UUID | None = None,
        limit: int = 50,
        by: str = "asked",
        descending: bool = True,
    ) -> list[RunLine]:
        """The newest first, or in another order of `runs.ORDERS`."""
        return await runs.page(
            session,
            domain=domain,
            task_type=task_type,
            before=before,
            limit=limit,
            by=by,
            descending=descending,
        )

    async def figures(self, session: AsyncSession, *, hours: float) -> CrewFigures:
        """What the work of the last so many hours took."""
        return await crew_figures.figures(session, hours=hours, concurrent=self.settings.crew_concurrent_workflows)

    def alerts(self, figures: CrewFigures) -> list[Alert]:
        """What is beyond its threshold."""
        return alerts_of(
            figures,
            slow=self.settings.crew_slow_alert,
            memory=crew_figures.memory_mb(),
            memory_limit=self.settings.crew_memory_mb,
            concurrent=self.settings.crew_concurrent_workflows,
        )

    async def recommendations(self, session: AsyncSession, *, figures: CrewFigures) -> list[Recommendation]:
        """What the recorded past speaks for."""
        return self._recommendations(figures, await self._proposals(session, await recorded_outcomes(session)))

    async def optimize(self, session: AsyncSession, *, by: Identity) -> Optimized:
        """Put each change of the matrix that the outcomes speak for before a person. Nothing changes until they
        approve."""
        outcomes = await recorded_outcomes(session)
        proposals = await self._proposals(session, outcomes)
        version, _ = await matrix_in_force(session)
        proposed = [
            (one.summary, await self.matrix_changes.ask(session, proposal=one, version=version, by=by))
            for one in proposals[:_PROPOSALS_AT_ONCE]
        ]
        found = await self.figures(session, hours=_WEEK)
        return Optimized(len(outcomes), self._recommendations(found, proposals), proposed)

    async def _proposals(self, session: AsyncSession, outcomes: Sequence[Outcome]) -> list[Proposal]:
        _, matrix = await matrix_in_force(session)
        return await in_thread(propose, matrix, outcomes, self.weights)

    def _recommendations(self, figures: CrewFigures, proposals: Sequence[Proposal]) -> list[Recommendation]:
        return recommendations_of(
            figures,
            proposals,
            cache_on=self.settings.crew_cache,
            concurrent=self.settings.crew_concurrent_workflows,
        )

    async def _weighed(self, request: WorkRequest, *, at: str = "parameters") -> _Weighed:
        """On a thread: a body may hold 200,000 values, and the first of all reads the catalogue."""
        return await in_fair_thread(self._weigh, request, at=at)

    def _weigh(self, request: WorkRequest, *, at: str) -> _Weighed:
        found = self.types.find(request.type, request.domain)
        parts = self.types.parts(found, request.parameters, at=at)
        volume = volume_of(request.parameters) if request.data_volume is None else request.data_volume
        parameters = cast(JsonObject, dict(request.parameters))
        domains = len(domains_of(parts))
        multi_domain = domains > 1 if request.multi_domain is None else request.multi_domain or domains > 1
        if request.complexity is not None:
            derived = Derived(request.complexity, (f"{request.complexity} as was said",))
        else:
            derived = derive(
                default=found.complexity,
                task_type=found.name,
                volume=volume,
                domains=domains,
                parameters=request.parameters,
            )
        return _Weighed(
            task_type=found,
            parameters=parameters,
            input_hash=runs.input_hash(found.name, parameters, requires_ai=request.requires_ai),
            parts=parts,
            derived=derived,
            work=Work(
                task_type=found.name,
                complexity=derived.complexity,
                volume=volume,
                requires_ai=request.requires_ai,
                multi_domain=multi_domain,
            ),
        )

    async def _decided(self, session: AsyncSession, weighed: _Weighed) -> Decision:
        reasons = list(weighed.derived.reasons)
        if weighed.work.requires_ai and self.model is None:
            reasons.append("no model is configured: it is done by rules")
        delegation = await self.memory.of(session)
        return delegation.decide(weighed.work, possible=weighed.task_type.strategies, reasons=reasons)

    async def _within_rate(self, session: AsyncSession) -> None:
        most = self.settings.crew_requests_per_minute
        if await runs.count_recent(session, seconds=_MINUTE) >= most:
            raise LimitExceeded(
                f"the crew was asked {most} times in the last minute, which is the most",
                remedy="ask again in a minute, or raise OPSTEWARD_CREW_REQUESTS_PER_MINUTE",
            )

    def _row(
        self,
        session: AsyncSession,
        run_id: UUID,
        request: WorkRequest,
        weighed: _Weighed,
        decision: Decision,
        by: Identity,
    ) -> CrewRun:
        work = weighed.work
        return CrewRun(
            id=run_id,
            tenant_id=tenant_of(session),
            task_type=weighed.task_type.name,
            domain=weighed.task_type.domain,
            description=request.description,
            parameters=weighed.parameters,
            input_hash=weighed.input_hash,
            user_ref=request.user_id,
            session_ref=request.session_id,
            requested_by=by.actor,
            complexity=work.complexity.value,
            volume=work.volume,
            requires_ai=work.requires_ai,
            multi_domain=work.multi_domain,
            strategy=decision.strategy.value,
            matrix_version=decision.matrix_version,
            matrix_row=decision.row,
            propensity=decision.propensity,
            decision=runs.decision_document(decision),
            path=[],
            agents=[],
        )


def _told(values: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in values.items() if value is not None}
