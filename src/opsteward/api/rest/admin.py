"""Tenants and the audit log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import Field, TypeAdapter

from opsteward.accounts import tenants
from opsteward.accounts.audit_reading import AuditEntryInFull, AuditFilter, read_audit
from opsteward.accounts.tenants import NewTenant
from opsteward.accounts.types import Identity, TenantInfo
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.administration import VerifiedAudit
from opsteward.api.rest.schemas.base import Input, Instant, Page, page_of
from opsteward.api.routes import Routes
from opsteward.core.blocking_calls import in_thread
from opsteward.telemetry import audit

router = Routes(prefix="/api/v1", tags=["administration"])

_EXPORTED_AT_ONCE = 1000
_ENTRY = TypeAdapter(AuditEntryInFull)

Name = Annotated[str, Field(min_length=1, max_length=100)]


class TenantIn(Input):
    name: Annotated[str, Field(min_length=1, max_length=63)]
    operator: Name = "admin"


@router.get("/tenants")
async def list_tenants(
    session: TenantSession, identity: Annotated[Identity, needs("tenants.manage")]
) -> Page[TenantInfo]:
    """All tenants of this installation."""
    return Page(items=list(await tenants.list_tenants(session)))


@router.post("/tenants", status_code=201)
async def create_tenant(
    body: TenantIn, services: ServicesDep, identity: Annotated[Identity, needs("tenants.manage")]
) -> NewTenant:
    """A new tenant with its first operator, whose token is shown this once."""
    return await tenants.create_tenant(services.db, name=body.name, operator=body.operator, actor=identity.actor)


async def _filter(
    object_id: Annotated[str | None, Query(max_length=200)] = None,
    object_type: Annotated[str | None, Query(max_length=100)] = None,
    actor: Annotated[
        str | None,
        Query(max_length=200, description="an operator's name or id, or a part of Opsteward: system:executor"),
    ] = None,
    verb: Annotated[str | None, Query(max_length=100, description="one, or the beginning of some")] = None,
    since: Instant | None = None,
    until: Instant | None = None,
) -> AuditFilter:
    return AuditFilter(object_id=object_id, object_type=object_type, actor=actor, verb=verb, since=since, until=until)


Wanted = Annotated[AuditFilter, Depends(_filter)]


@router.get("/audit")
async def list_audit(
    session: TenantSession,
    identity: Annotated[Identity, needs("audit.read")],
    wanted: Wanted,
    before: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Page[AuditEntryInFull]:
    """Newest first, with who acted by name."""
    found = await read_audit(session, wanted=wanted, before=before, limit=limit)
    return page_of(found, limit=limit)


@router.get("/audit/export", response_class=StreamingResponse)
async def export_audit(
    services: ServicesDep, identity: Annotated[Identity, needs("audit.read")], wanted: Wanted
) -> StreamingResponse:
    """All entries that fit, newest first, as NDJSON: one entry a line."""

    async def lines() -> AsyncIterator[bytes]:
        before: UUID | None = None
        while True:
            async with services.db.unit_of_work(identity.tenant_id) as session:
                found = await read_audit(session, wanted=wanted, before=before, limit=_EXPORTED_AT_ONCE)
            if found:
                yield b"".join(_ENTRY.dump_json(entry) + b"\n" for entry in found)
            if len(found) < _EXPORTED_AT_ONCE:
                return
            before = found[-1].id

    return StreamingResponse(lines(), media_type="application/x-ndjson")


@router.get("/audit/verify")
async def verify_audit(
    services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("audit.read")]
) -> VerifiedAudit:
    """Walk the whole chain and compare it with what was seen of it outside the database; every altered, missing or
    added entry is named."""
    witnesses = await in_thread(services.witnesses.views, identity.tenant_id)
    verdict = await audit.verify(session, key=services.audit_key, witnesses=witnesses)
    return VerifiedAudit(**vars(verdict), ok=verdict.ok)
