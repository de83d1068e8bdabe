"""The steps of a run: planned where people see them, done once. After a crash a step that is done gives its result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

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
            known = int(await session.scalar(self._count()) or 0)
            rows = [
                {**self._values(step), "position": known + number, "status": "planned"}
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
        """Its result where it is done; else it runs from now on, planned or not."""
        begun = {"status": "running", "started_at": now(), "error": None}
        statement = (
            insert(CrewStep)
            .values(**self._values(step), position=self._count().scalar_subquery(), **begun)
            .on_conflict_do_update(index_elements=["id"], set_=begun, where=CrewStep.status != "done")
            .returning(CrewStep.id)
        )
        async with self._db.unit_of_work(self._tenant_id) as session:
            if (await session.execute(statement)).first() is not None:
                return None
            return await session.scalar(sa.select(CrewStep.result).where(*self._is(step))) or {}

    async def _end(self, step: PlannedStep, *, status: str, result: JsonObject | None = None, error: str = "") -> None:
        kept = result if result is not None else sa.null()
        ended = {"status": status, "ended_at": now(), "result": kept, "error": error or None}
        async with self._db.unit_of_work(self._tenant_id) as session:
            await session.execute(sa.update(CrewStep).where(*self._is(step)).values(ended))

    def _values(self, step: PlannedStep) -> dict[str, object]:
        return {
            "id": derived_id(self._run_id, step.name),
            "tenant_id": self._tenant_id,
            "run_id": self._run_id,
            "name": step.name,
            "agent": step.agent,
            "delegated_by": step.delegated_by,
            "purpose": step.purpose,
        }

    def _count(self) -> sa.Select[int]:
        return (
            sa.select(sa.func.count())
            .select_from(CrewStep)
            .where(CrewStep.tenant_id == self._tenant_id, CrewStep.run_id == self._run_id)
        )

    def _is(self, step: PlannedStep) -> tuple[sa.ColumnElement[bool], ...]:
        return CrewStep.tenant_id == self._tenant_id, CrewStep.id == derived_id(self._run_id, step.name)
