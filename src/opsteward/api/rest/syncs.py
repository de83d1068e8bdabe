"""`/api/v1/sync-...` and `/api/v1/systems/{id}/sync`: records of two systems kept in step."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input, NoBody, Page, Ref, page_of
from opsteward.api.routes import Routes
from opsteward.core.json_types import JsonObject
from opsteward.provisioning.sync import queries
from opsteward.provisioning.sync.types import (
    DormantAccount,
    MappingView,
    Orphan,
    SyncChange,
    SyncConflict,
    SyncOperation,
)

router = Routes(prefix="/api/v1", tags=["syncs"])

Reader = Annotated[Identity, needs("systems.read")]
Writer = Annotated[Identity, needs("systems.write")]
Limit = Annotated[int, Query(ge=1, le=1000)]
NativeId = Annotated[str, Field(min_length=1, max_length=2000)]


class SyncOptions(Input):
    """How to sync. `max_deletions`: so many records may be removed this time, whatever the guard of the mapping says;
    all are never removed."""

    sync_type: Literal["incremental", "full"] = "incremental"
    dry_run: bool = False
    max_deletions: Annotated[int | None, Field(strict=True, ge=0, le=1_000_000_000)] = None


class SyncBetween(SyncOptions):
    """The other system."""

    target_id: UUID


class MappingIn(Input):
    """A mapping to keep. A `definition` that is wrong is told field by field."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    source_id: UUID
    target_id: UUID
    definition: JsonObject


class ConflictDecision(Input):
    """Whose value counts (`source`, `target`), or whether two records are one (`same`, `separate`)."""

    choice: Literal["source", "target", "same", "separate"]


class OrphansIn(Input):
    """Accounts of the target that are to be disabled or deleted."""

    native_ids: Annotated[list[NativeId], Field(min_length=1, max_length=1000)]
    how: Literal["disable", "delete"] = "disable"


class Adoption(Input):
    """Two records that are one."""

    source_native_id: NativeId
    target_native_id: NativeId


@router.post("/systems/{system_id}/sync", status_code=202)
async def sync_system(
    system_id: UUID, body: SyncBetween, services: ServicesDep, session: TenantSession, identity: Writer
) -> SyncOperation:
    """Bring another system in step with this one, by the mapping from this one to it."""
    return await services.syncs.start_between(
        session,
        source_id=system_id,
        target_id=body.target_id,
        sync_type=body.sync_type,
        dry_run=body.dry_run,
        max_deletions=body.max_deletions,
        actor=identity.actor,
    )


@router.post("/sync-mappings")
async def keep_sync_mapping(
    body: MappingIn, services: ServicesDep, session: TenantSession, identity: Writer
) -> MappingView:
    """Add a mapping, or change the one of this name."""
    return await services.syncs.keep_mapping(
        session,
        name=body.name,
        source_id=body.source_id,
        target_id=body.target_id,
        definition=body.definition,
        actor=identity.actor,
    )


@router.get("/sync-mappings")
async def list_sync_mappings(
    session: TenantSession,
    identity: Reader,
    ref: Ref = None,
    after: UUID | None = None,
    limit: Limit = 100,
) -> Page[MappingView]:
    """By name; `after`: `next` of the page before."""
    found = await queries.list_mappings(session, ref=ref, after=after, limit=limit)
    return page_of(found, limit=limit)


@router.get("/sync-mappings/{mapping_id}")
async def get_sync_mapping(mapping_id: UUID, session: TenantSession, identity: Reader) -> MappingView:
    """One mapping."""
    return queries.view_of_mapping(await queries.mapping(session, mapping_id))


@router.delete("/sync-mappings/{mapping_id}", status_code=204)
async def remove_sync_mapping(
    mapping_id: UUID, services: ServicesDep, session: TenantSession, identity: Writer
) -> Response:
    """Forget a mapping; both systems stay as they are."""
    await services.syncs.remove_mapping(session, mapping_id=mapping_id, actor=identity.actor)
    return Response(status_code=204)


@router.post("/sync-mappings/{mapping_id}/run", status_code=202)
async def run_sync_mapping(
    mapping_id: UUID, body: SyncOptions, services: ServicesDep, session: TenantSession, identity: Writer
) -> SyncOperation:
    """Begin a sync of this mapping."""
    return await services.syncs.start(
        session,
        mapping_id=mapping_id,
        sync_type=body.sync_type,
        dry_run=body.dry_run,
        max_deletions=body.max_deletions,
        actor=identity.actor,
    )


@router.get("/sync-mappings/{mapping_id}/orphans")
async def list_sync_orphans(
    mapping_id: UUID,
    session: TenantSession,
    identity: Reader,
    after: Annotated[str | None, Query(max_length=2000)] = None,
    limit: Limit = 100,
) -> Page[Orphan]:
    """Accounts of the target that nobody in the source stands for, as last read."""
    found = await queries.list_orphans(session, mapping_id=mapping_id, after=after, limit=limit)
    return page_of(found, limit=limit, cursor="native_id")


@router.get("/sync-mappings/{mapping_id}/dormant-accounts")
async def list_dormant_accounts(
    mapping_id: UUID,
    session: TenantSession,
    identity: Reader,
    after: Annotated[str | None, Query(max_length=2000)] = None,
    limit: Limit = 100,
) -> Page[DormantAccount]:
    """Accounts of the target that are switched on and were not used for `dormant_days`, as last read."""
    found = await queries.list_dormant(session, mapping_id=mapping_id, after=after, limit=limit)
    return page_of(found, limit=limit, cursor="native_id")


@router.post("/sync-mappings/{mapping_id}/orphans/remove", status_code=202)
async def remove_sync_orphans(
    mapping_id: UUID, body: OrphansIn, services: ServicesDep, session: TenantSession, identity: Writer
) -> SyncOperation:
    """Ask for an approval to disable or delete orphan accounts, or to disable dormant ones."""
    return await services.syncs.remove_orphans(
        session, mapping_id=mapping_id, native_ids=body.native_ids, how=body.how, actor=identity.actor
    )


@router.post("/sync-mappings/{mapping_id}/orphans/adopt", status_code=204)
async def adopt_sync_orphan(
    mapping_id: UUID, body: Adoption, services: ServicesDep, session: TenantSession, identity: Writer
) -> Response:
    """Say whose account an orphan is; the next sync keeps the two in step."""
    await services.syncs.adopt(
        session,
        mapping_id=mapping_id,
        source_native_id=body.source_native_id,
        target_native_id=body.target_native_id,
        actor=identity.actor,
    )
    return Response(status_code=204)


@router.get("/sync-operations")
async def list_sync_operations(
    session: TenantSession,
    identity: Reader,
    mapping_id: UUID | None = None,
    ref: Ref = None,
    before: UUID | None = None,
    limit: Limit = 100,
) -> Page[SyncOperation]:
    """Newest first; `before`: `next` of the page before."""
    found = await queries.list_operations(session, mapping_id=mapping_id, ref=ref, before=before, limit=limit)
    return page_of(found, limit=limit)


@router.get("/sync-operations/{operation_id}")
async def get_sync_operation(operation_id: UUID, session: TenantSession, identity: Reader) -> SyncOperation:
    """One sync: its plan in numbers, and what came of it."""
    return await queries.operation(session, operation_id)


@router.get("/sync-operations/{operation_id}/changes")
async def list_sync_changes(
    operation_id: UUID,
    session: TenantSession,
    identity: Reader,
    outcome: Annotated[str | None, Query(max_length=40)] = None,
    after: Annotated[int, Query(ge=0, le=2_147_483_647)] = 0,
    limit: Limit = 100,
) -> Page[SyncChange]:
    """Record by record, before and after; `after`: `next` of the page before."""
    found = await queries.list_changes(session, operation_id=operation_id, outcome=outcome, after=after, limit=limit)
    return page_of(found, limit=limit, cursor="number")


@router.post("/sync-operations/{operation_id}/undo", status_code=202)
async def undo_sync(
    operation_id: UUID, services: ServicesDep, session: TenantSession, identity: Writer, body: NoBody = None
) -> SyncOperation:
    """Ask for an approval to take back all that a sync wrote. The schedule of its mapping stops."""
    return await services.syncs.undo(session, operation_id=operation_id, actor=identity.actor)


@router.get("/sync-conflicts")
async def list_sync_conflicts(
    session: TenantSession,
    identity: Reader,
    mapping_id: UUID | None = None,
    decided: Annotated[bool, Query(description="with those that are decided")] = False,
    after: UUID | None = None,
    limit: Limit = 100,
) -> Page[SyncConflict]:
    """What a person has to decide."""
    found = await queries.list_conflicts(session, mapping_id=mapping_id, is_open=not decided, after=after, limit=limit)
    return page_of(found, limit=limit)


@router.post("/sync-conflicts/{conflict_id}/decide")
async def decide_sync_conflict(
    conflict_id: UUID, body: ConflictDecision, services: ServicesDep, session: TenantSession, identity: Writer
) -> SyncConflict:
    """Decide one; the next sync does as decided."""
    return await services.syncs.decide(session, conflict_id=conflict_id, choice=body.choice, actor=identity.actor)
