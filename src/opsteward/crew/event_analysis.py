"""A second opinion on events that the rules are unsure of, by a model where one is configured.

What a model says may make more of an event, never less: a text that talks a model into soothing words changes nothing.
Each opinion is kept as a piece of the crew's work, with what it cost and whether it changed the answer.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.core.clock import now
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import OpsError
from opsteward.core.ids import uuid7
from opsteward.core.storable_text import storable
from opsteward.crew.delegation.memory import MICROS, DelegationMemory
from opsteward.crew.delegation.types import Decision, Estimate, Work
from opsteward.crew.execution import runs
from opsteward.crew.execution.types import PathStep
from opsteward.crew.models import CrewRun
from opsteward.crew.types import Complexity, Strategy

#: Of the work, and of the agent who does it.
NAME = "operations.event_opinion"
_WORK = Work(task_type=NAME, complexity=Complexity.SIMPLE, volume=1, requires_ai=True, multi_domain=False)
#: How much is made of each kind of event.
_ATTENTION = {"ignorable": 0, "validation_error": 1, "system_error": 2, "security_issue": 3}


@dataclass(frozen=True, kw_only=True)
class UnsureEvent:
    """An event, and what the rules say of it."""

    error_type: str
    message: str
    stack_trace: str | None
    category: str
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """What a model says of an event."""

    category: str
    confidence: float
    why: str
    model: str


@dataclass(frozen=True, kw_only=True)
class SecondOpinion:
    """`taken`: it makes more of the event than the rules do, and is the answer. `task_id`: where it is kept."""

    task_id: UUID
    opinion: Opinion
    taken: bool


@dataclass(frozen=True, kw_only=True)
class OpinionFigures:
    """Of so many hours: opinions asked for, failed, and those that changed the answer; US dollars and tokens."""

    asked: int
    failed: int
    changed: int
    cost: float
    tokens: int
    model_calls: int


class AskModel(Protocol):
    """Asks for an opinion. Raises OpsError where the model fails, in words."""

    async def __call__(self, tenant_id: UUID, run_id: UUID, event: UnsureEvent) -> Opinion: ...


class EventAnalysis:
    """One per process."""

    def __init__(self, *, ask: AskModel | None, memory: DelegationMemory, below: float) -> None:
        """`ask` is None where no model is configured; it is asked for events less sure than `below`."""
        self._ask, self._memory, self._below = ask, memory, below

    async def second_opinion(self, db: Database, event: UnsureEvent, *, by: Identity) -> SecondOpinion | None:
        """None where the rules are sure enough, no model is configured, or it fails: then the rules' answer stands. No
        connection is held meanwhile."""
        if self._ask is None or event.confidence >= self._below:
            return None
        run_id, began = uuid7(), time.monotonic()
        opinion, problem = None, ""
        try:
            opinion = await self._ask(by.tenant_id, run_id, event)
        except OpsError as error:
            problem = error.detail
        taken = opinion is not None and _ATTENTION[opinion.category] > _ATTENTION[event.category]
        async with db.unit_of_work(by.tenant_id) as session:
            delegation = await self._memory.of(session)
            row = _row(session, run_id, event, by, delegation.history.estimate(_WORK, Strategy.SINGLE_AGENT))
            row.cost_micros, row.tokens, row.calls = await runs.end_run(session, run_id=run_id)
            row.seconds, row.ended_at = time.monotonic() - began, now()
            row.success, row.error = opinion is not None, problem or None
            outcome = "done" if opinion else "failed"
            row.path = runs.told_path([PathStep(strategy=Strategy.SINGLE_AGENT, outcome=outcome, reason=problem)])
            if opinion is not None:
                row.engine, row.agents = f"llm:{opinion.model}", [NAME]
                row.result = {
                    "before": event.category,
                    "said": opinion.category,
                    "changed": taken,
                    "confidence": opinion.confidence,
                    "why": storable(opinion.why, limit=600),
                }
            session.add(row)
        return SecondOpinion(task_id=run_id, opinion=opinion, taken=taken) if opinion is not None else None


async def figures(session: AsyncSession, *, hours: float) -> OpinionFigures:
    """Of this tenant."""
    changed = CrewRun.result["changed"].astext == "true"
    row = (
        await session.execute(
            sa.select(
                sa.func.count(),
                sa.func.count().filter(CrewRun.success.is_(False)),
                sa.func.count().filter(changed),
                sa.func.coalesce(sa.func.sum(CrewRun.cost_micros), 0),
                sa.func.coalesce(sa.func.sum(CrewRun.tokens), 0),
                sa.func.coalesce(sa.func.sum(CrewRun.calls), 0),
            ).where(
                CrewRun.tenant_id == tenant_of(session),
                CrewRun.task_type == NAME,
                CrewRun.created_at > now() - timedelta(hours=hours),
            )
        )
    ).one()
    return OpinionFigures(
        asked=row[0], failed=row[1], changed=row[2], cost=int(row[3]) / MICROS, tokens=int(row[4]),
        model_calls=int(row[5]),
    )  # fmt: skip


def _row(session: AsyncSession, run_id: UUID, event: UnsureEvent, by: Identity, estimate: Estimate) -> CrewRun:
    reason = f"the rules say {event.category} with a confidence of {event.confidence:.2f}"
    decision = Decision(
        strategy=Strategy.SINGLE_AGENT,
        reasons=(reason,),
        not_taken=(),
        estimate=estimate,
        complexity=_WORK.complexity,
        matrix_version=0,
        row="",
    )
    return CrewRun(
        id=run_id,
        tenant_id=tenant_of(session),
        task_type=NAME,
        domain="operations",
        description="",
        parameters={},
        input_hash="",
        user_ref=None,
        session_ref=None,
        requested_by=by.actor,
        complexity=_WORK.complexity.value,
        volume=_WORK.volume,
        requires_ai=_WORK.requires_ai,
        multi_domain=_WORK.multi_domain,
        strategy=decision.strategy.value,
        strategy_used=decision.strategy.value,
        matrix_version=0,
        matrix_row="",
        propensity=1.0,
        decision=runs.decision_document(decision),
        started_at=now(),
        path=[],
        agents=[],
    )
