"""Tenants, operators, tokens and the audit log."""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import Field

from opsteward.api.deps import RoomsDep, needs
from opsteward.api.rest.shapes import Input, Page, page_of
from opsteward.core.errors import Denied
from opsteward.identity.permissions import SIGNED_IN, permissions_of
from opsteward.identity.service import access, tenants
from opsteward.identity.types import Identity
from opsteward.telemetry.service import audit

router = APIRouter(prefix="/api/v1", tags=["administration"])

Name = Annotated[str, Field(min_length=1, max_length=100)]


class TenantIn(Input):
    name: Annotated[str, Field(min_length=1, max_length=63)]
    operator: Name = "admin"


class OperatorIn(Input):
    name: Name
    roles: Annotated[list[Annotated[str, Field(max_length=40)]], Field(min_length=1, max_length=10)]


class TokenIn(Input):
    """A token for an operator of this tenant, by name; for oneself when none is named."""

    operator: Name | None = None
    name: Name = "api"
    days: Annotated[int, Field(strict=True, ge=1, le=3650)] | None = None


@router.get("/me")
async def me(identity: Annotated[Identity, needs(SIGNED_IN)]) -> dict[str, Any]:
    """Who this credential is, and what it may do."""
    return {
        "operator": identity.operator_name,
        "operator_id": identity.operator_id,
        "tenant": identity.tenant_name,
        "tenant_id": identity.tenant_id,
        "roles": identity.roles,
        "permissions": sorted(permissions_of(list(identity.roles)) - {SIGNED_IN}),
    }


@router.get("/tenants")
async def list_tenants(rooms: RoomsDep, identity: Annotated[Identity, needs("tenants.manage")]) -> Page:
    """All tenants of this installation."""
    async with rooms.db.unit_of_work(identity.tenant_id) as session:
        return Page(items=[asdict(tenant) for tenant in await tenants.list_tenants(session)])


@router.post("/tenants", status_code=201)
async def create_tenant(
    body: TenantIn, rooms: RoomsDep, identity: Annotated[Identity, needs("tenants.manage")]
) -> dict[str, Any]:
    """A new tenant with its first operator, whose token is shown this once."""
    return asdict(await tenants.create_tenant(rooms.db, name=body.name, operator=body.operator, actor=identity.actor))


@router.get("/operators")
async def list_operators(rooms: RoomsDep, identity: Annotated[Identity, needs("operators.read")]) -> Page:
    """Who works with Opsteward in this tenant."""
    async with rooms.db.unit_of_work(identity.tenant_id) as session:
        return Page(items=[asdict(operator) for operator in await access.list_operators(session)])


@router.post("/operators", status_code=201)
async def create_operator(
    body: OperatorIn, rooms: RoomsDep, identity: Annotated[Identity, needs("operators.write")]
) -> dict[str, Any]:
    """Add an operator; give a token with POST /tokens."""
    async with rooms.db.unit_of_work(identity.tenant_id) as session:
        return asdict(
            await access.create_operator(session, name=body.name, roles=body.roles, actor=identity.actor, by=identity)
        )


@router.get("/tokens")
async def list_tokens(rooms: RoomsDep, identity: Annotated[Identity, needs(SIGNED_IN)]) -> Page:
    """One's own API tokens; all of the tenant for who may write tokens. Never their secrets."""
    own = None if identity.may("tokens.write") else identity.operator_id
    async with rooms.db.unit_of_work(identity.tenant_id) as session:
        return Page(items=[asdict(token) for token in await access.list_tokens(session, operator_id=own)])


@router.post("/tokens", status_code=201)
async def create_token(
    body: TokenIn, rooms: RoomsDep, identity: Annotated[Identity, needs(SIGNED_IN)]
) -> dict[str, Any]:
    """A new API token; its secret is shown this once."""
    async with rooms.db.unit_of_work(identity.tenant_id) as session:
        owner = identity.operator_id
        if body.operator is not None:
            owner = await _other_operator(session, identity, body.operator)
        token = await access.issue_token(
            session,
            operator_id=owner,
            kind="api",
            name=body.name,
            actor=identity.actor,
            ttl=timedelta(days=body.days) if body.days else None,
            by=identity,
        )
    return {"id": token.id, "token": token.secret}


async def _other_operator(session: Any, identity: Identity, name: str) -> UUID:
    """Another's id, if one may make tokens for others, and not for somebody who may do more than oneself."""
    if name.casefold() == identity.operator_name.casefold():
        return identity.operator_id
    identity.require("tokens.write")
    found = await access.find_operator(session, name=name)
    if not permissions_of(found.roles) <= permissions_of(list(identity.roles)):
        raise Denied("a token for an operator with more permissions than your own")
    return found.id


@router.delete("/tokens/{token_id}", status_code=204)
async def revoke_token(token_id: UUID, rooms: RoomsDep, identity: Annotated[Identity, needs(SIGNED_IN)]) -> Response:
    """End a token at once."""
    async with rooms.db.unit_of_work(identity.tenant_id) as session:
        if not identity.may("tokens.write"):
            own = {token.id for token in await access.list_tokens(session, operator_id=identity.operator_id)}
            if token_id not in own:
                raise Denied("only one's own tokens")
        await access.revoke_token(session, token_id=token_id, actor=identity.actor)
    return Response(status_code=204)


@router.get("/audit")
async def list_audit(
    rooms: RoomsDep,
    identity: Annotated[Identity, needs("audit.read")],
    object_id: Annotated[str | None, Query(max_length=200)] = None,
    before: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Page:
    """Newest first."""
    async with rooms.db.unit_of_work(identity.tenant_id) as session:
        found = await audit.list_entries(session, object_id=object_id, before=before, limit=limit)
    return page_of(found, limit=limit)


@router.get("/audit/verify")
async def verify_audit(rooms: RoomsDep, identity: Annotated[Identity, needs("audit.read")]) -> dict[str, Any]:
    """Walk the whole chain; every altered or missing entry is named."""
    async with rooms.db.unit_of_work(identity.tenant_id) as session:
        verdict = await audit.verify(session, key=rooms.audit_key)
    return asdict(verdict) | {"ok": verdict.ok}
