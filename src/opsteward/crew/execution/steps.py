"""The steps of a run: planned where people see them, done once. After a crash a step that is done gives its result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.db import Database
from opsteward.core.errors import OpsError, Unavailable
from opsteward.core.ids import derived_id
from opsteward.core.json_types import JsonObject
from opsteward.core.redact import redact_text
from opsteward.core.storable_text import storable
from opsteward.crew.models import CrewStep

_ERROR_LIMIT = 500


class StepFailed(OpsError):
    """A step of the crew's work failed; another strategy may do it."""

    code = "crew_step_failed"
    http_status = 409
    title = "A step of the work failed"


@dataclass(frozen=True, kw_only=True)
class PlannedStep:
    """A step to come: `name` is unique in its run, `delegated_by` hands it over to `agent`."""

    name: str
    purpose: str
    agent: str | None = None
    delegated_by: str | None = None


class Steps(Protocol):
    """Where the steps of one run are planned and done."""

    async def plan(self, steps: Sequence[PlannedStep]) -> None: ...

    async def do(
        self, step: PlannedStep, work: Callable[[], Awaitable[JsonObject]], *, seconds: float
    ) -> JsonObject: ...


class RecordedSteps:
    """Steps in the database."""

    def __init__(self, db: Database, *, tenant_id: UUID, run_id: UUID) -> None:
        self._db, self._tenant_id, self._run_id = db, tenant_id, run_id

    async def plan(self, steps: Sequence[PlannedStep]) -> None:
        """Write them down as planned, where they are not there yet."""
        async with self._db.unit_of_work(self._tenant_id) as session:
            await self._write(session, steps)

    async def _write(self, session: AsyncSession, steps: Sequence[PlannedStep]) -> None:
        known = await session.scalar(
            sa.select(sa.func.count())
            .select_from(CrewStep)
            .where(CrewStep.tenant_id == self._tenant_id, CrewStep.run_id == self._run_id)
        )
        rows = [
            {
                "id": derived_id(self._run_id, step.name),
                "tenant_id": self._tenant_id,
                "run_id": self._run_id,
                "name": step.name,
                "position": int(known or 0) + number,
                "agent": step.agent,
                "delegated_by": step.delegated_by,
                "purpose": step.purpose,
                "status": "planned",
            }
            for number, step in enumerate(steps)
        ]
        await session.execute(insert(CrewStep).values(rows).on_conflict_do_nothing())

    async def do(self, step: PlannedStep, work: Callable[[], Awaitable[JsonObject]], *, seconds: float) -> JsonObject:
        """The step's result: what was recorded, else what `work` gives within so many seconds, which is recorded.

        Raises StepFailed with what went wrong, in words.
        """
        done = await self._begin(step)
        if done is not None:
            return done
        try:
            async with asyncio.timeout(seconds):
                result = await work()
        except TimeoutError:
            problem = f"did not end within {seconds:g} s"
        except Unavailable:
            raise  # the whole run is tried again
        except OpsError as error:
            problem = error.detail
        else:
            await self._end(step, status="done", result=result)
            return result
        told = storable(redact_text(problem), limit=_ERROR_LIMIT)
        await self._end(step, status="failed", error=told)
        raise StepFailed(f"{step.agent or 'the engine'}: {told}")

    async def _begin(self, step: PlannedStep) -> JsonObject | None:
        async with self._db.unit_of_work(self._tenant_id) as session:
            row = await session.scalar(self._row(step).with_for_update())
            if row is None:
                await self._write(session, [step])
                row = await session.scalar(self._row(step).with_for_update())
            assert row is not None
            if row.status == "done":
                return row.result or {}
            row.status, row.started_at, row.error = "running", now(), None
        return None

    async def _end(self, step: PlannedStep, *, status: str, result: JsonObject | None = None, error: str = "") -> None:
        async with self._db.unit_of_work(self._tenant_id) as session:
            row = await session.scalar(self._row(step).with_for_update())
            assert row is not None
            row.status, row.ended_at, row.result, row.error = status, now(), result, error or None

    def _row(self, step: PlannedStep) -> sa.Select[CrewStep]:
        return sa.select(CrewStep).where(
            CrewStep.tenant_id == self._tenant_id, CrewStep.run_id == self._run_id, CrewStep.name == step.name
        )
