"""The two tasks of a sync: read both sides and plan; write what was approved. Both go on where they were broken off."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from uuid import UUID

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.service import ActionService
from opsteward.actions.types import ENDS, ActionChanged, NewAction, RunStatus
from opsteward.contracts.records import Cursor, RecordTarget
from opsteward.contracts.task import TaskContext, TaskType
from opsteward.core.clock import now
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import OpsError
from opsteward.core.feed import announce
from opsteward.core.ids import derived_id
from opsteward.core.json_types import Json, JsonObject
from opsteward.core.log import get_logger
from opsteward.core.redact import redact_text
from opsteward.provisioning.sync.applying import Applier
from opsteward.provisioning.sync.first_read import FirstRead
from opsteward.provisioning.sync.models import SyncChangeRow, SyncMapping, SyncOperationRow
from opsteward.provisioning.sync.pairing import pair
from opsteward.provisioning.sync.planning import Planner, refusals
from opsteward.provisioning.sync.reading import ReadReport, SideReader, over_whole_lists
from opsteward.provisioning.sync.types import SYNC_CHANGED, MappingDefinition, Side, SyncStatus
from opsteward.systems.record_connections import RecordConnections
from opsteward.tasks import queries as task_queries
from opsteward.tasks.submission import Submission
from opsteward.tasks.types import NewTask
from opsteward.telemetry import audit

log = get_logger(__name__)

PLAN, APPLY, ACTION = "systems.sync_plan", "systems.sync_apply", "sync.apply"
ACTOR = "system:sync"
_MAX_RETRIES = 5
#: At once in a process: each holds two connections to our database, and needs a third now and then.
_FIRST_READS = 3
_DAY = 86_400.0


class OfOperation(BaseModel):
    """The sync."""

    model_config = ConfigDict(extra="forbid")

    operation_id: UUID


class SyncTasks:
    """What the tasks of a sync do; one per process."""

    def __init__(self, db: Database, systems: RecordConnections, action_service: ActionService) -> None:
        self._db = db
        self._systems = systems
        self._actions = action_service
        self._first_reads = asyncio.Semaphore(_FIRST_READS)

    async def plan(self, ctx: TaskContext, params: OfOperation) -> JsonObject:
        """Read both sides, plan, and ask for the approval."""
        async with self._db.unit_of_work(ctx.tenant_id) as session:
            operation, mapping = await _loaded(session, params.operation_id)
        if operation.status != SyncStatus.PLANNING:
            return {"status": operation.status}
        definition = MappingDefinition.model_validate(mapping.definition)
        try:
            reports = await self._read(ctx, operation, mapping, definition)
            status = await self._planned(ctx.tenant_id, operation, definition, reports)
        except Exception as error:  # a boundary: a sync that stayed as it is would keep out every other
            await self._failed(ctx, operation.id, error)
            raise
        return {"status": status}

    async def _read(
        self, ctx: TaskContext, operation: SyncOperationRow, mapping: SyncMapping, definition: MappingDefinition
    ) -> dict[Side, ReadReport]:
        reader = SideReader(self._db, ctx.tenant_id, mapping.id, definition)
        whole = operation.sync_type == "full"
        reports: dict[Side, ReadReport] = {}
        sides: Sequence[tuple[Side, UUID, str | None, str | None]] = (
            ("source", mapping.source_id, mapping.source_cursor, mapping.source_mark),
            ("target", mapping.target_id, mapping.target_cursor, mapping.target_mark),
        )
        ctx.progress(10, "reading both sides")

        async def read(side: Side, system_id: UUID, cursor: str | None, mark: str | None) -> None:
            async with self._systems.open(ctx.tenant_id, system_id) as source:
                since = Cursor(cursor) if cursor and not whole else None
                reports[side] = await reader.read(side, source, since, mark)

        first = FirstRead(self._db, ctx.tenant_id, mapping.id, definition, turns=self._first_reads)
        try:
            reports |= await first.read(
                partial(self._systems.open, ctx.tenant_id), {each[0]: each[1] for each in sides}
            )
            async with asyncio.TaskGroup() as reading:
                for each in sides:
                    if each[0] not in reports:
                        reading.create_task(read(*each))
        except* OpsError as several:
            raise several.exceptions[0] from None
        async with self._db.unit_of_work(ctx.tenant_id) as session:
            row = await session.get_one(SyncMapping, mapping.id)
            row.source_cursor = reports["source"].cursor or row.source_cursor
            row.target_cursor = reports["target"].cursor or row.target_cursor
            row.source_mark = reports["source"].mark or row.source_mark
            row.target_mark = reports["target"].mark or row.target_mark
        ctx.progress(90, "comparing")
        return reports

    async def _planned(
        self,
        tenant_id: UUID,
        operation: SyncOperationRow,
        definition: MappingDefinition,
        reports: dict[Side, ReadReport],
    ) -> str:
        async with self._db.unit_of_work(tenant_id) as session:
            await over_whole_lists(session)
            row = await _operation(session, operation.id, lock=True)
            if row.status != SyncStatus.PLANNING:
                return row.status
            await pair(session, row.mapping_id, definition)
            planner = Planner(session, mapping_id=row.mapping_id, operation_id=row.id, definition=definition)
            await planner.make()
            row.counts, row.plan_hash = dict[str, Json](planner.counts), planner.plan_hash
            row.samples = {name: list(found) for name, found in planner.samples.items()}
            row.notes = [note for report in reports.values() for note in report.notes]
            if not await _waits_already(session, row):
                await self._decide(session, row, definition, planner.counts)
            return row.status

    async def _decide(
        self, session: AsyncSession, row: SyncOperationRow, definition: MappingDefinition, counts: Counter[str]
    ) -> None:
        refused = refusals(definition, counts, max_deletions=row.max_deletions)
        row.notes = [*row.notes, *refused]
        changes = await session.scalar(
            sa.select(sa.func.count()).where(
                SyncChangeRow.tenant_id == row.tenant_id, SyncChangeRow.operation_id == row.id
            )
        )
        if row.dry_run:
            _end(row, SyncStatus.PLANNED)
        elif refused:
            _end(row, SyncStatus.REFUSED, "; ".join(refused))
        elif not changes:
            _end(row, SyncStatus.SUCCEEDED)
        else:
            await ask(session, self._actions, row, approval=definition.approval)
        await _audit(session, row)

    async def apply(self, ctx: TaskContext, params: OfOperation) -> JsonObject:
        """Write what was approved and is not written yet."""
        async with self._db.unit_of_work(ctx.tenant_id) as session:
            operation, mapping = await _loaded(session, params.operation_id)
            total = sum(int(str(operation.counts.get(name, 0))) for name in CHANGING)
        if operation.status != SyncStatus.APPLYING:
            return {"status": operation.status}
        definition = MappingDefinition.model_validate(mapping.definition)
        applier = Applier(
            self._db,
            tenant_id=ctx.tenant_id,
            mapping_id=mapping.id,
            operation_id=operation.id,
            definition=definition,
            is_undo=operation.undo_of is not None,
        )
        sides: dict[Side, RecordTarget] = {}
        try:
            async with AsyncExitStack() as stack:
                for side, system_id in await self._written_sides(ctx.tenant_id, operation, mapping):
                    sides[side] = await stack.enter_async_context(self._systems.open(ctx.tenant_id, system_id))

                def progress(done: int) -> None:
                    ctx.progress(min(99, done * 100 // max(total, 1)), f"{done} of {total} changes")

                if await self._begin(ctx.tenant_id, operation.id):
                    await applier.settle_created(sides)
                await applier.run(sides, progress)
        except Exception as error:  # a boundary: a sync that stayed as it is would keep out every other
            await self._failed(ctx, operation.id, error)
            raise
        async with self._db.unit_of_work(ctx.tenant_id) as session:
            row = await _operation(session, operation.id, lock=True)
            await _finish(session, row)
            return {"status": row.status}

    async def _begin(self, tenant_id: UUID, operation_id: UUID) -> bool:
        """Note that changes are sent from now on; whether they were before."""
        async with self._db.unit_of_work(tenant_id) as session:
            row = await _operation(session, operation_id, lock=True)
            before, row.is_begun = row.is_begun, True
            return before

    async def _written_sides(
        self, tenant_id: UUID, operation: SyncOperationRow, mapping: SyncMapping
    ) -> list[tuple[Side, UUID]]:
        async with self._db.unit_of_work(tenant_id) as session:
            used = set(
                await session.scalars(
                    sa.select(SyncChangeRow.side)
                    .distinct()
                    .where(SyncChangeRow.tenant_id == tenant_id, SyncChangeRow.operation_id == operation.id)
                )
            )
        sides: list[tuple[Side, UUID]] = [("target", mapping.target_id), ("source", mapping.source_id)]
        return [each for each in sides if each[0] in used]

    async def _failed(self, ctx: TaskContext, operation_id: UUID, error: Exception) -> None:
        """The sync is over where trying again is useless; else the task is tried again and it goes on."""
        if ctx.attempt < _MAX_RETRIES and (not isinstance(error, OpsError) or error.retryable):
            return
        words = error.detail if isinstance(error, OpsError) else f"an unforeseen fault: see its task {ctx.task_id}"
        async with self._db.unit_of_work(ctx.tenant_id) as session:
            row = await _operation(session, operation_id, lock=True)
            _end(row, SyncStatus.FAILED, redact_text(words)[:1000])
            await _audit(session, row)

    def task_types(self) -> list[TaskType]:
        """`systems.sync_plan` and `systems.sync_apply`."""
        limits = {"timeout": _DAY, "max_retries": _MAX_RETRIES, "params": OfOperation}
        return [
            TaskType(slug=PLAN, purpose="Reads two systems and plans what keeps them in step", run=self.plan, **limits),  # type: ignore[arg-type]
            TaskType(slug=APPLY, purpose="Writes the approved changes of a sync", run=self.apply, **limits),  # type: ignore[arg-type]
        ]


class SyncRelease:
    """Hears of the action of a sync."""

    def __init__(self, submission: Submission) -> None:
        self._submission = submission

    async def action_changed(self, session: AsyncSession, message: ActionChanged) -> None:
        """An approved sync begins, in the transaction in which its action ends; one that was not approved is over."""
        run = message.run
        if run.action != ACTION or run.status not in ENDS:
            return
        row = await _operation(session, UUID(str(run.params["operation_id"])), lock=True)
        if row.status != SyncStatus.AWAITING_APPROVAL or row.action_id != run.id:
            return
        if run.status != RunStatus.SUCCEEDED or run.params["plan_hash"] != row.plan_hash:
            _end(row, SyncStatus.CANCELLED, run.error or f"the plan was {run.status}")
            await _audit(session, row)
            return
        row.status = SyncStatus.APPLYING
        await announce(session, kind=SYNC_CHANGED, object_id=str(row.id))
        task = NewTask(
            task_type=APPLY,
            name="Sync: write the changes",
            params={"operation_id": str(row.id)},
            repeat_key=_apply_key(row),
        )
        await self._submission.submit(session, tasks=[task], actor=ACTOR)


CHANGING = tuple(f"{name}{side}" for name in ("create", "update", "disable", "delete") for side in ("", "_in_source"))


async def ask(session: AsyncSession, service: ActionService, row: SyncOperationRow, *, approval: str) -> None:
    """Ask for the one action that stands for all changes of this plan."""
    counts = {name: row.counts[name] for name in CHANGING if row.counts.get(name)}
    run = await service.request(
        session,
        new=NewAction(
            action=ACTION,
            params={
                "operation_id": str(row.id),
                "source_id": str(row.source_id),
                "target_id": str(row.target_id),
                "plan_hash": row.plan_hash,
                "counts": counts,
                "samples": json.dumps(row.samples, ensure_ascii=False)[:20_000],
                "undo": row.undo_of is not None,
            },
            reason="undo of a sync" if row.undo_of else "two systems are to be in step",
            requested_by=row.requested_by,
            idempotency_key=f"sync:{row.id}",
            approval=approval,
        ),
    )
    row.action_id, row.status = run.id, SyncStatus.AWAITING_APPROVAL
    await announce(session, kind=SYNC_CHANGED, object_id=str(row.id))


async def _waits_already(session: AsyncSession, row: SyncOperationRow) -> bool:
    """A newer plan takes the place of one that waits for approval; the same one again does not ask again."""
    if row.dry_run:
        return False
    waiting = await session.scalars(
        sa.select(SyncOperationRow).where(
            SyncOperationRow.tenant_id == row.tenant_id,
            SyncOperationRow.mapping_id == row.mapping_id,
            SyncOperationRow.status == SyncStatus.AWAITING_APPROVAL,
        )
    )
    for other in waiting.all():
        if other.plan_hash == row.plan_hash:
            _end(row, SyncStatus.SUPERSEDED, f"the same plan waits for its approval already: {other.id}")
            return True
        _end(other, SyncStatus.SUPERSEDED)
    return False


async def _finish(session: AsyncSession, row: SyncOperationRow) -> None:
    outcomes = (
        await session.execute(
            sa.select(SyncChangeRow.outcome, sa.func.count())
            .where(SyncChangeRow.tenant_id == row.tenant_id, SyncChangeRow.operation_id == row.id)
            .group_by(SyncChangeRow.outcome)
        )
    ).all()
    found = {str(outcome): count for outcome, count in outcomes}
    row.counts = row.counts | {f"outcome:{outcome}": count for outcome, count in found.items()}
    left = sum(count for outcome, count in found.items() if outcome not in ("done", "unchanged", "adopted"))
    if left:
        _end(row, SyncStatus.INCOMPLETE, f"{left} changes were not made: see the changes of this sync")
    else:
        _end(row, SyncStatus.SUCCEEDED)
    await _audit(session, row)


async def end_abandoned(session: AsyncSession, row: SyncOperationRow) -> bool:
    """End a sync whose task is over without it: cancelled, out of time, or lost with its process too often. Whether it
    was one."""
    key = row.id if row.status == SyncStatus.PLANNING else _apply_key(row)
    if await task_queries.is_under_way(session, repeat_key=key):
        return False
    _end(row, SyncStatus.FAILED, "its task was cancelled, or ended otherwise before it was done")
    await _audit(session, row)
    return True


def _apply_key(row: SyncOperationRow) -> UUID:
    return derived_id(row.id, "apply")


def _end(row: SyncOperationRow, status: SyncStatus, error: str | None = None) -> None:
    row.status, row.ended_at, row.error = status, now(), error


async def _audit(session: AsyncSession, row: SyncOperationRow) -> None:
    await announce(session, kind=SYNC_CHANGED, object_id=str(row.id))
    await audit.record(
        session,
        actor=ACTOR,
        verb=f"sync.{row.status}",
        object_type="sync",
        object_id=str(row.id),
        detail={"plan_hash": row.plan_hash, "counts": row.counts},
    )


async def _operation(session: AsyncSession, operation_id: UUID, *, lock: bool = False) -> SyncOperationRow:
    query = sa.select(SyncOperationRow).where(
        SyncOperationRow.tenant_id == tenant_of(session), SyncOperationRow.id == operation_id
    )
    return (await session.scalars(query.with_for_update() if lock else query)).one()


async def _loaded(session: AsyncSession, operation_id: UUID) -> tuple[SyncOperationRow, SyncMapping]:
    row = await _operation(session, operation_id)
    return row, await session.get_one(SyncMapping, row.mapping_id)
