"""The steps of a run: planned where people see them, done once. After a crash a step that is done gives its result."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from opsteward.core.db import Database
from opsteward.core.errors import OpsError, Unavailable
from opsteward.core.ids import derived_id
from opsteward.core.json_types import JsonObject
from opsteward.core.plain_json import json_text
from opsteward.core.redact import redact_text
from opsteward.core.storable_text import storable
from opsteward.crew.models import CrewStep

_ERROR_LIMIT = 500
# One statement each, which commits by itself: a transaction would be four round trips.
_BEGIN = "select * from opsteward.begin_crew_step(:tenant, :run, cast(:step as jsonb))"
_END = "select opsteward.end_crew_step(:tenant, :step, :status, cast(:result as jsonb), :error)"


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

    async def note(self, step: PlannedStep, result: JsonObject) -> None: ...

    async def do(
        self, step: PlannedStep, work: Callable[[], Awaitable[JsonObject]], *, seconds: float
    ) -> JsonObject: ...


class RecordedSteps:
    """Steps in the database."""

    def __init__(self, db: Database, *, tenant_id: UUID, run_id: UUID) -> None:
        self._db, self._tenant_id, self._run_id = db, tenant_id, run_id

    async def plan(self, steps: Sequence[PlannedStep]) -> None:
        """Write them down as planned, where they are not there yet."""
        known = (
            sa.select(sa.func.count())
            .select_from(CrewStep)
            .where(CrewStep.tenant_id == self._tenant_id, CrewStep.run_id == self._run_id)
        )
        async with self._db.unit_of_work(self._tenant_id) as session:
            position = int(await session.scalar(known) or 0)
            rows = [
                {
                    **self._named(step),
                    "tenant_id": self._tenant_id,
                    "run_id": self._run_id,
                    "position": position + number,
                    "status": "planned",
                }
                for number, step in enumerate(steps)
            ]
            await session.execute(insert(CrewStep).values(rows).on_conflict_do_nothing())

    async def note(self, step: PlannedStep, result: JsonObject) -> None:
        """A step that takes no time: it is done, by this."""
        if await self._begin(step) is None:
            await self._end(step, status="done", result=result)

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
        named = json_text(self._named(step))
        done = await self._db.look_up(_BEGIN, {"tenant": self._tenant_id, "run": self._run_id, "step": named})
        return None if done is None else done.result or {}

    async def _end(self, step: PlannedStep, *, status: str, result: JsonObject | None = None, error: str = "") -> None:
        ended = {
            "tenant": self._tenant_id,
            "step": derived_id(self._run_id, step.name),
            "status": status,
            "result": None if result is None else json_text(result),
            "error": error or None,
        }
        await self._db.look_up(_END, ended)

    def _named(self, step: PlannedStep) -> dict[str, object]:
        return {
            "id": derived_id(self._run_id, step.name),
            "name": step.name,
            "agent": step.agent,
            "delegated_by": step.delegated_by,
            "purpose": step.purpose,
        }
