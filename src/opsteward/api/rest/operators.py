"""Operators, their passwords and their API tokens: who works with Opsteward itself."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from pydantic import Field

from opsteward.accounts import operators, passwords, queries, sessions, tokens
from opsteward.accounts.password_hashing import MAX_DURATION
from opsteward.accounts.permissions import SIGNED_IN
from opsteward.accounts.role_delegation import require_power_over
from opsteward.accounts.types import Identity, OperatorInfo, TokenInfo
from opsteward.api.deps import ServicesDep, TenantSession, client_address, needs, own_address
from opsteward.api.rest.schemas.administration import IssuedToken, Me, PasswordLink, SignInLink
from opsteward.api.rest.schemas.base import Input, NoBody, Page, Ref, page_of
from opsteward.api.routes import Routes
from opsteward.core.db import DatabaseSession
from opsteward.core.errors import Denied, Invalid

router = Routes(prefix="/api/v1", tags=["administration"])

Name = Annotated[str, Field(min_length=1, max_length=100)]
Roles = Annotated[list[Annotated[str, Field(max_length=40)]], Field(min_length=1, max_length=10)]
_DAY = 86_400


class OperatorIn(Input):
    name: Name
    roles: Roles


class OperatorChange(Input):
    """What is not given stays as it is."""

    roles: Roles | None = None
    status: Literal["active", "inactive"] | None = None


class PasswordIn(Input):
    old_password: Annotated[str, Field(min_length=1, max_length=MAX_DURATION)]
    new_password: Annotated[str, Field(min_length=1, max_length=4 * MAX_DURATION)]


class TokenIn(Input):
    """A token for an operator of this tenant, by name; for oneself when none is named.

    `scopes` limit it to some permissions, by name (`users.read`) or by the beginning of their names (`users`).
    It ends after `expires_in` seconds, or `days`; neither: never.
    """

    operator: Name | None = None
    name: Name = "api"
    scopes: (
        Annotated[list[Annotated[str, Field(min_length=1, max_length=60)]], Field(min_length=1, max_length=50)] | None
    ) = None
    expires_in: Annotated[int, Field(strict=True, ge=1, le=3650 * _DAY)] | None = None
    days: Annotated[int, Field(strict=True, ge=1, le=3650)] | None = None


@router.get("/me")
async def me(identity: Annotated[Identity, needs(SIGNED_IN)]) -> Me:
    """Who this credential is, and what it may do."""
    return Me(
        operator=identity.operator_name,
        operator_id=identity.operator_id,
        tenant=identity.tenant_name,
        tenant_id=identity.tenant_id,
        roles=list(identity.roles),
        scopes=None if identity.scopes is None else list(identity.scopes),
        expires_at=identity.expires_at,
        permissions=sorted(identity.permissions - {SIGNED_IN}),
    )


@router.post("/me/sign-in-link", status_code=201)
async def create_sign_in_link(
    request: Request, session: TenantSession, identity: Annotated[Identity, needs(SIGNED_IN)], body: NoBody = None
) -> SignInLink:
    """A link, shown this once, that signs one in to the console; it works once, within 15 minutes, and may no more
    than the token that asks."""
    if identity.kind != "api":
        raise Denied("only an API token makes a sign-in link", remedy="a browser that is signed in needs none")
    if identity.expires_at is not None:
        # a session lives for days, and one by a link no longer knows the token
        raise Denied(
            "a token that expires makes no sign-in link", remedy=f"sign in with it: {own_address(request)}/sign-in"
        )
    link = await tokens.issue_token(
        session,
        operator_id=identity.operator_id,
        kind="link",
        name="sign-in link",
        actor=identity.actor,
        ttl=timedelta(minutes=sessions.LINK_MINUTES),
        by=identity,
    )
    return SignInLink(url=f"{own_address(request)}/sign-in?code={link.secret}", expires_at=link.expires_at)


@router.put("/me/password", status_code=204)
async def change_password(
    body: PasswordIn, request: Request, services: ServicesDep, identity: Annotated[Identity, needs(SIGNED_IN)]
) -> Response:
    """Another password for oneself; one's other browser sessions end. The first comes by a password link."""
    await services.password_sign_in.change_own(
        identity, old=body.old_password, new=body.new_password, address=client_address(request)
    )
    return Response(status_code=204)


@router.get("/operators")
async def list_operators(
    session: TenantSession,
    identity: Annotated[Identity, needs("operators.read")],
    role: Annotated[str | None, Query(max_length=40)] = None,
    status: Literal["active", "inactive"] | None = None,
    ref: Ref = None,
    after: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Page[OperatorInfo]:
    """Who works with Opsteward in this tenant, by name; `after`: `next` of the page before."""
    found = await queries.list_operators(session, role=role, status=status, ref=ref, after=after, limit=limit)
    return page_of(found, limit=limit, cursor="name")


@router.post("/operators", status_code=201)
async def create_operator(
    body: OperatorIn, session: TenantSession, identity: Annotated[Identity, needs("operators.write")]
) -> OperatorInfo:
    """Add an operator; give a token with POST /tokens, or a password link."""
    return await operators.create_operator(session, name=body.name, roles=body.roles, actor=identity.actor, by=identity)


@router.put("/operators/{operator_id}")
async def change_operator(
    operator_id: UUID,
    body: OperatorChange,
    session: TenantSession,
    identity: Annotated[Identity, needs("operators.write")],
) -> OperatorInfo:
    """Other roles, or `inactive` and `active` again; a change ends their browser sessions. Nobody gives roles beyond
    their own, and the last owner stays one."""
    return await operators.change_operator(
        session,
        operator_id=operator_id,
        roles=body.roles,
        status=body.status,
        actor=identity.actor,
        by=identity,
    )


@router.delete("/operators/{operator_id}", status_code=204)
async def deactivate_operator(
    operator_id: UUID, session: TenantSession, identity: Annotated[Identity, needs("operators.write")]
) -> Response:
    """Shut an operator out at once; what they did stays theirs. PUT with status `active` lets them in again."""
    await operators.change_operator(
        session, operator_id=operator_id, status=operators.INACTIVE, actor=identity.actor, by=identity
    )
    return Response(status_code=204)


@router.post("/operators/{operator_id}/password-link", status_code=201)
async def create_password_link(
    operator_id: UUID,
    request: Request,
    session: TenantSession,
    identity: Annotated[Identity, needs("operators.write")],
    body: NoBody = None,
) -> PasswordLink:
    """A link, shown this once, with which the operator sets a password and signs in; it works once, for an hour."""
    link = await passwords.make_link(session, operator_id=operator_id, by=identity)
    return PasswordLink(
        id=link.id, url=f"{own_address(request)}/sign-in/password?code={link.secret}", expires_at=link.expires_at
    )


@router.get("/tokens")
async def list_tokens(
    session: TenantSession,
    identity: Annotated[Identity, needs(SIGNED_IN)],
    ref: Ref = None,
    before: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
) -> Page[TokenInfo]:
    """One's own API tokens; all of the tenant for who may write tokens. Newest first, never their secrets."""
    own = None if identity.may("tokens.write") else identity.operator_id
    found = await queries.list_tokens(session, operator_id=own, ref=ref, before=before, limit=limit)
    return page_of(found, limit=limit)


@router.post("/tokens", status_code=201)
async def create_token(
    body: TokenIn, session: TenantSession, identity: Annotated[Identity, needs(SIGNED_IN)]
) -> IssuedToken:
    """A new API token; its secret is shown this once. It may no more, and lives no longer, than the token that asks."""
    if body.days is not None and body.expires_in is not None:
        raise Invalid.field("days", "is given beside expires_in", "give one of the two")
    seconds = body.days * _DAY if body.days is not None else body.expires_in
    owner = identity.operator_id
    if body.operator is not None:
        owner = await other_operator(session, identity, body.operator)
    token = await tokens.issue_token(
        session,
        operator_id=owner,
        kind="api",
        name=body.name,
        actor=identity.actor,
        ttl=timedelta(seconds=seconds) if seconds else None,
        by=identity,
        scopes=body.scopes,
    )
    scopes = None if token.scopes is None else list(token.scopes)
    return IssuedToken(id=token.id, token=token.secret, scopes=scopes, expires_at=token.expires_at)


async def other_operator(session: DatabaseSession, identity: Identity, name: str) -> UUID:
    """Another's id, if one may make tokens for others, and not for somebody who may do more than oneself."""
    if name.casefold() == identity.operator_name.casefold():
        return identity.operator_id
    identity.require("tokens.write")
    found = await queries.find_operator(session, name=name)
    require_power_over(identity, found.roles)
    return found.id


@router.delete("/tokens/{token_id}", status_code=204)
async def revoke_token(
    token_id: UUID, session: TenantSession, identity: Annotated[Identity, needs(SIGNED_IN)]
) -> Response:
    """End a token at once. A token with scopes, without `tokens.write` among them, ends itself only."""
    if not identity.may("tokens.write"):
        own = {token.id for token in await queries.list_tokens(session, operator_id=identity.operator_id)}
        if token_id not in (own if identity.scopes is None else {identity.token_id}):
            raise Denied("only one's own tokens")
    await tokens.revoke_token(session, token_id=token_id, actor=identity.actor)
    return Response(status_code=204)
