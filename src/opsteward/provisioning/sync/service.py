"""What other rooms do with syncs: keep mappings, start one, undo one, decide conflicts, deal with orphan accounts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.service import ActionService
from opsteward.contracts.registry import Registry
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.error_words import problems_of
from opsteward.core.errors import Conflict, Invalid, NotFound
from opsteward.core.feed import announce
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.provisioning.sync import queries
from opsteward.provisioning.sync.models import SyncMapping, SyncOperationRow
from opsteward.provisioning.sync.operations import PLAN, ask, end_abandoned
from opsteward.provisioning.sync.types import (
    SYNC_CHANGED,
    SYNC_ENDS,
    MappingDefinition,
    MappingView,
    SyncConflict,
    SyncOperation,
    SyncStatus,
)
from opsteward.systems.record_connections import check_holds_records
from opsteward.systems.service import Inventory
from opsteward.tasks.submission import Submission
from opsteward.tasks.types import NewTask
from opsteward.telemetry import audit

MAX_CHOSEN = 1000


class Syncs:
    """One per process. Each call is part of the caller's transaction."""

    def __init__(
        self, inventory: Inventory, registry: Registry, submission: Submission, action_service: ActionService
    ) -> None:
        self._inventory = inventory
        self._registry = registry
        self._submission = submission
        self._actions = action_service

    async def keep_mapping(
        self,
        session: AsyncSession,
        *,
        name: str,
        source_id: UUID,
        target_id: UUID,
        definition: Mapping[str, object],
        actor: str,
    ) -> MappingView:
        """Add a mapping, or change the one of this name. Raises Invalid that names each bad field.

        Another key, other fields or other lists begin anew: what was read and paired by the former ones is dropped.
        """
        checked = check_definition(definition)
        await self._check_systems(session, source_id, target_id, checked)
        row = await queries.mapping_named(session, name)
        stored, at = checked.model_dump(mode="json", exclude_unset=True), now()
        frequency = (await self._inventory.get(session, system_id=source_id)).sync_frequency
        next_at = at + timedelta(seconds=frequency) if frequency else None
        if row is None:
            row = SyncMapping(
                id=uuid7(), tenant_id=tenant_of(session), name=name, name_key=name.casefold(), source_id=source_id,
                target_id=target_id, definition=stored, next_at=next_at, created_at=at, updated_at=at,
            )  # fmt: skip
            session.add(row)
        else:
            await self._refuse_running(session, row.id)
            former = MappingDefinition.model_validate(row.definition)
            if _form(former) != _form(checked) or (row.source_id, row.target_id) != (source_id, target_id):
                await queries.forget_records(session, row.id)
                row.source_cursor = row.target_cursor = row.source_mark = row.target_mark = None
            row.source_id, row.target_id, row.definition = source_id, target_id, stored
            row.next_at, row.updated_at = next_at, at
        await session.flush()
        await audit.record(
            session, actor=actor, verb="sync.mapping_kept", object_type="sync_mapping", object_id=str(row.id),
            detail={"name": name, "source": str(source_id), "target": str(target_id)},
        )  # fmt: skip
        return queries.view_of_mapping(row)

    async def _check_systems(
        self, session: AsyncSession, source_id: UUID, target_id: UUID, definition: MappingDefinition
    ) -> None:
        if source_id == target_id and definition.source_resource == definition.target_resource:
            raise Invalid.field("target_id", "is the same list as the source", "name another system or resource")
        two_ways = definition.create == "both" or any(each.direction == "both" for each in definition.fields)
        for field, system_id, writable in (("source_id", source_id, two_ways), ("target_id", target_id, True)):
            try:
                system = await self._inventory.get(session, system_id=system_id)
            except NotFound:
                raise Invalid.field(field, "is no registered system", "see GET /api/v1/systems") from None
            check_holds_records(self._registry, system.endpoint, system.type, field=field, writable=writable)

    async def remove_mapping(self, session: AsyncSession, *, mapping_id: UUID, actor: str) -> None:
        """Forget a mapping and its shadow; the systems stay as they are. Raises NotFound, Conflict while it runs."""
        row = await queries.mapping(session, mapping_id)
        await self._refuse_running(session, mapping_id)
        await queries.forget_records(session, mapping_id)
        await session.delete(row)
        await audit.record(
            session, actor=actor, verb="sync.mapping_removed", object_type="sync_mapping", object_id=str(mapping_id)
        )

    async def start(
        self,
        session: AsyncSession,
        *,
        mapping_id: UUID,
        sync_type: str,
        dry_run: bool,
        actor: str,
        max_deletions: int | None = None,
    ) -> SyncOperation:
        """Begin a sync: both sides are read and a plan is made. Raises NotFound, Conflict while another runs."""
        row = await queries.mapping(session, mapping_id, lock=True)
        await self._refuse_running(session, mapping_id)
        operation = _new(row, sync_type=sync_type, dry_run=dry_run, actor=actor, max_deletions=max_deletions)
        session.add(operation)
        await session.flush()
        task = NewTask(
            task_type=PLAN,
            name=f"Sync: plan {row.name}"[:100],
            params={"operation_id": str(operation.id)},
            repeat_key=operation.id,
        )
        await self._submission.submit(session, tasks=[task], actor=actor)
        await announce(session, kind=SYNC_CHANGED, object_id=str(operation.id))
        return queries.view_of_operation(operation)

    async def start_between(
        self,
        session: AsyncSession,
        *,
        source_id: UUID,
        target_id: UUID,
        sync_type: str,
        dry_run: bool,
        actor: str,
        max_deletions: int | None = None,
    ) -> SyncOperation:
        """Begin the sync of the mapping between these systems. Raises Invalid where there is none, or several."""
        await self._inventory.get(session, system_id=source_id)
        found = await queries.mappings_between(session, source_id, target_id)
        if len(found) != 1:
            problem = "there is no mapping from this system to it" if not found else "there are several mappings to it"
            raise Invalid.field("target_id", problem, "see GET /api/v1/sync-mappings, and run one by its id")
        return await self.start(
            session, mapping_id=found[0].id, sync_type=sync_type, dry_run=dry_run, actor=actor,
            max_deletions=max_deletions,
        )  # fmt: skip

    async def undo(self, session: AsyncSession, *, operation_id: UUID, actor: str) -> SyncOperation:
        """Plan to take back all that a sync wrote; it needs an approval as the sync did. The mapping's schedule stops.

        What was changed by others since is left as it is. Raises NotFound, Conflict where there is nothing to undo.
        """
        former = await queries.operation(session, operation_id)
        row = await queries.mapping(session, former.mapping_id, lock=True)
        await self._refuse_running(session, row.id)
        if former.undo_of is not None or former.status not in SYNC_ENDS or former.dry_run:
            raise Conflict("only a sync that has ended and wrote something can be undone")
        operation = _new(row, sync_type="full", dry_run=False, actor=actor, undo_of=operation_id)
        session.add(operation)
        await session.flush()
        operation.counts, operation.plan_hash = await queries.plan_undo(session, operation.id, operation_id)
        if not operation.counts:
            raise Conflict("this sync wrote nothing that can be undone")
        row.next_at = None
        definition = MappingDefinition.model_validate(row.definition)
        await ask(session, self._actions, operation, approval=definition.approval)
        return queries.view_of_operation(operation)

    async def remove_orphans(
        self, session: AsyncSession, *, mapping_id: UUID, native_ids: Sequence[str], how: str, actor: str
    ) -> SyncOperation:
        """Plan to disable or delete these accounts of the target, that nobody in the source stands for; to disable also
        dormant ones.

        Raises NotFound, Invalid for one that is neither. It always needs an approval.
        """
        row = await queries.mapping(session, mapping_id, lock=True)
        await self._refuse_running(session, mapping_id)
        operation = _new(row, sync_type="full", dry_run=False, actor=actor)
        session.add(operation)
        await session.flush()
        wanted = list(dict.fromkeys(native_ids))
        added = await queries.plan_removal(session, row, operation.id, wanted, how)
        if added < len(wanted):
            raise Invalid.field(
                "native_ids",
                f"{len(wanted) - added} of them are neither orphans here, nor dormant and to be disabled",
                "list them again",
            )
        operation.counts = {how: added}
        operation.plan_hash = hashlib.sha256("\n".join([how, *sorted(wanted)]).encode()).hexdigest()
        await ask(session, self._actions, operation, approval="required")
        return queries.view_of_operation(operation)

    async def adopt(
        self, session: AsyncSession, *, mapping_id: UUID, source_native_id: str, target_native_id: str, actor: str
    ) -> None:
        """Say that these two records are one; the next sync keeps them in step. Raises Invalid."""
        row = await queries.mapping(session, mapping_id)
        if not await queries.tie(session, row.id, source_native_id, target_native_id):
            raise Invalid.field("target_native_id", "one of the two is unknown here, or has another record already")
        await audit.record(
            session, actor=actor, verb="sync.adopted", object_type="sync_mapping", object_id=str(mapping_id),
            detail={"source": source_native_id, "target": target_native_id},
        )  # fmt: skip

    async def decide(self, session: AsyncSession, *, conflict_id: UUID, choice: str, actor: str) -> SyncConflict:
        """Decide a conflict; the next sync does as decided. Raises NotFound, Invalid for a choice that does not fit."""
        row = await queries.conflict(session, conflict_id)
        fitting = ("same", "separate") if row.kind == "match" else ("source", "target")
        if choice not in fitting:
            raise Invalid.field("choice", "does not fit this conflict", f"give {' or '.join(fitting)}")
        row.choice, row.decided_by = choice, actor
        await audit.record(
            session, actor=actor, verb="sync.conflict_decided", object_type="sync_conflict", object_id=str(row.id),
            detail={"field": row.field, "choice": choice},
        )  # fmt: skip
        await session.flush()
        return queries.view_of_conflict(row)

    async def _refuse_running(self, session: AsyncSession, mapping_id: UUID) -> None:
        running = await queries.running(session, mapping_id)
        if running is not None and not await end_abandoned(session, running):
            raise Conflict(
                f"a sync of this mapping is {running.status} already", remedy=f"wait for the end of {running.id}"
            )


def check_definition(values: Mapping[str, object]) -> MappingDefinition:
    """Raises Invalid that names each bad field, never showing a value."""
    try:
        return MappingDefinition.model_validate(values)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise Invalid(
            problems=problems_of(found, prefix="definition", given=values, remedy="see the guide on syncs")
        ) from None


_FORM = {"source_resource", "target_resource", "key", "fields", "match", "last_used"}


def _form(definition: MappingDefinition) -> JsonObject:
    """What decides how records are stored and paired."""
    return definition.model_dump(mode="json", include=_FORM)


def _new(
    row: SyncMapping,
    *,
    sync_type: str,
    dry_run: bool,
    actor: str,
    max_deletions: int | None = None,
    undo_of: UUID | None = None,
) -> SyncOperationRow:
    return SyncOperationRow(
        id=uuid7(), tenant_id=row.tenant_id, mapping_id=row.id, source_id=row.source_id, target_id=row.target_id,
        sync_type=sync_type, dry_run=dry_run, max_deletions=max_deletions, status=SyncStatus.PLANNING,
        started_at=now(), counts={}, samples={}, notes=[], is_begun=False, requested_by=actor, undo_of=undo_of,
    )  # fmt: skip
