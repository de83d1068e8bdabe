"""Tenants and the audit log."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import AwareDatetime, Field

from opsteward.accounts import tenants
from opsteward.accounts.tenants import NewTenant
from opsteward.accounts.types import Identity, TenantInfo
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.administration import VerifiedAudit
from opsteward.api.rest.schemas.base import Input, Page, page_of
from opsteward.api.routes import Routes
from opsteward.core.blocking import in_thread
from opsteward.telemetry import audit
from opsteward.telemetry.audit import AuditRecord

router = Routes(prefix="/api/v1", tags=["administration"])

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


@router.get("/audit")
async def list_audit(
    session: TenantSession,
    identity: Annotated[Identity, needs("audit.read")],
    object_id: Annotated[str | None, Query(max_length=200)] = None,
    actor: Annotated[str | None, Query(max_length=200, description="operator:ID, or a part of Opsteward")] = None,
    verb: Annotated[str | None, Query(max_length=100, description="one, or the beginning of some")] = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    before: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Page[AuditRecord]:
    """Newest first."""
    found = await audit.list_entries(
        session,
        object_id=object_id,
        actor=actor,
        verb=verb,
        since=since,
        until=until,
        before=before,
        limit=limit,
    )
    return page_of(found, limit=limit)


@router.get("/audit/verify")
async def verify_audit(
    services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("audit.read")]
) -> VerifiedAudit:
    """Walk the whole chain and compare it with what was seen of it outside the database; every altered, missing or
    added entry is named."""
    witnesses = await in_thread(services.witnesses.views, identity.tenant_id)
    verdict = await audit.verify(session, key=services.audit_key, witnesses=witnesses)
    return VerifiedAudit(**vars(verdict), ok=verdict.ok)
