"""The task of a saga: its steps in order, and backwards where one fails. It goes on where it was broken off: each step
is noted before it is sent, with the record as it was, and again when the system has answered."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict

from opsteward.contracts.task import TaskContext, TaskType
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.db import Database
from opsteward.core.errors import OpsError, Timeout
from opsteward.core.feed import announce
from opsteward.core.json_types import JsonObject
from opsteward.core.redact import redact_json, redact_text
from opsteward.provisioning.sagas import queries
from opsteward.provisioning.sagas.models import SagaRow, SagaStepRow
from opsteward.provisioning.sagas.service import RUN, record
from opsteward.provisioning.sagas.steps import StepResult, make, record_before, take_back
from opsteward.provisioning.sagas.types import SAGA_CHANGED, SagaStatus, SagaStuck, StepStatus
from opsteward.systems.record_connections import RecordConnections

_MAX_RETRIES = 5
_TIMEOUT = 3600.0
_OPEN = (StepStatus.WAITING, StepStatus.SENT)


class OfSaga(BaseModel):
    """The saga."""

    model_config = ConfigDict(extra="forbid")

    saga_id: UUID


class SagaTask:
    """What the task does; one per process."""

    def __init__(self, db: Database, systems: RecordConnections, bus: Bus) -> None:
        self._db = db
        self._systems = systems
        self._bus = bus

    def task_type(self) -> TaskType:
        """`systems.saga`."""
        return TaskType(
            slug=RUN, purpose="Changes records on several systems, all of them or none", params=OfSaga, run=self.run,
            timeout=_TIMEOUT, max_retries=_MAX_RETRIES,
        )  # fmt: skip

    async def run(self, ctx: TaskContext, params: OfSaga) -> JsonObject:
        """All steps, or all taken back."""
        saga, steps = await self._loaded(ctx.tenant_id, params.saga_id)
        if saga.status == SagaStatus.RUNNING:
            failed = await self._forwards(ctx, steps)
            saga = await self._moved(ctx.tenant_id, saga.id, failed)
        if saga.status == SagaStatus.COMPENSATING:
            await self._backwards(ctx, steps)
            saga = await self._ended(ctx.tenant_id, saga.id)
        return {"status": saga.status}

    async def _forwards(self, ctx: TaskContext, steps: Sequence[SagaStepRow]) -> str | None:
        """Why a step could not be made; None when all were."""
        for step in steps:
            if step.status in _OPEN:
                await self._make(ctx, step)
            if step.status not in (StepStatus.DONE, StepStatus.UNCHANGED):
                return f"step {step.number} was not made: {step.problem}"
            ctx.progress(step.number * 100 // len(steps), f"{step.number} of {len(steps)} steps")
        return None

    async def _make(self, ctx: TaskContext, step: SagaStepRow) -> None:
        again = step.status == StepStatus.SENT
        try:
            async with self._systems.open(ctx.tenant_id, step.system_id) as system:
                if not again:
                    before = await record_before(step, system)
                    if before is not None:
                        step.before, step.place = dict(before.values), before.place
                    await self._noted(step, StepResult(status=StepStatus.SENT))
                result = await make(step, system, again=again)
        except OpsError as error:
            if not again and not isinstance(error, Timeout):  # nothing was sent
                step.status = StepStatus.WAITING
            if error.retryable and ctx.attempt < _MAX_RETRIES:
                await self._noted(step, StepResult(status=StepStatus(step.status)))
                raise
            lost = step.status == StepStatus.SENT
            result = StepResult(
                status=StepStatus.SENT if lost else StepStatus.FAILED, problem=redact_text(error.detail)[:500]
            )
        await self._noted(step, result)

    async def _backwards(self, ctx: TaskContext, steps: Sequence[SagaStepRow]) -> None:
        for step in reversed(steps):
            if step.status not in (StepStatus.DONE, StepStatus.SENT):
                continue
            try:
                async with self._systems.open(ctx.tenant_id, step.system_id) as system:
                    result = await take_back(step, system)
            except OpsError as error:
                if error.retryable and ctx.attempt < _MAX_RETRIES:
                    raise
                result = StepResult(status=StepStatus.STUCK, problem=redact_text(error.detail)[:500])
            await self._noted(step, result)

    async def _loaded(self, tenant_id: UUID, saga_id: UUID) -> tuple[SagaRow, list[SagaStepRow]]:
        async with self._db.unit_of_work(tenant_id) as session:
            return await queries.saga_row(session, saga_id), await queries.steps_of(session, [saga_id])

    async def _noted(self, step: SagaStepRow, result: StepResult) -> None:
        """Store what became of a step, here and in the database."""
        step.status, step.problem = result.status, result.problem
        step.made_id = result.made_id or step.made_id
        step.may_be_older = step.may_be_older or result.may_be_older
        kept = {
            name: getattr(step, name) for name in ("status", "problem", "made_id", "may_be_older", "before", "place")
        }
        async with self._db.unit_of_work(step.tenant_id) as session:
            await session.execute(
                sa.update(SagaStepRow)
                .where(
                    SagaStepRow.tenant_id == step.tenant_id,
                    SagaStepRow.saga_id == step.saga_id,
                    SagaStepRow.number == step.number,
                )
                .values(kept)
            )
            await announce(session, kind=SAGA_CHANGED, object_id=str(step.saga_id))

    async def _moved(self, tenant_id: UUID, saga_id: UUID, failed: str | None) -> SagaRow:
        async with self._db.unit_of_work(tenant_id) as session:
            row = await queries.saga_row(session, saga_id, lock=True)
            if failed is None:
                row.status, row.ended_at = SagaStatus.SUCCEEDED, now()
                _forget_secrets(await queries.steps_of(session, [saga_id]))
            else:
                row.status, row.error = SagaStatus.COMPENSATING, failed[:1000]
            await announce(session, kind=SAGA_CHANGED, object_id=str(saga_id))
            await record(session, row)
            return row

    async def _ended(self, tenant_id: UUID, saga_id: UUID) -> SagaRow:
        """What could not be taken back is told with the end of the saga, in one transaction."""
        async with self._db.unit_of_work(tenant_id) as session:
            row = await queries.saga_row(session, saga_id, lock=True)
            steps = await queries.steps_of(session, [saga_id])
            stuck = [step for step in steps if step.status == StepStatus.STUCK]
            row.status = SagaStatus.STUCK if stuck else SagaStatus.COMPENSATED
            row.ended_at = now()
            _forget_secrets(steps)
            await announce(session, kind=SAGA_CHANGED, object_id=str(saga_id))
            await record(session, row)
            if stuck:
                problems = [f"step {step.number} was not taken back: {step.problem}" for step in stuck]
                await self._bus.publish(session, SagaStuck(saga=queries.view_of(row, steps), problems=problems))
            return row


def _forget_secrets(steps: Sequence[SagaStepRow]) -> None:
    """Passwords and their like were needed for the steps, and are kept no longer."""
    for step in steps:
        step.values = redact_json(step.values)
        step.before = redact_json(step.before) if step.before is not None else None
