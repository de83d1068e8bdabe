"""Who asks, and may they: every route names its permission with `needs(...)`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from opsteward.accounts import dsns, permission_denials, tokens
from opsteward.accounts.sessions import SESSION_COOKIE, is_same_origin
from opsteward.accounts.types import Identity
from opsteward.api.capacity import IDENTITY
from opsteward.api.intake_credentials import DSN_SCHEME, SENTRY
from opsteward.api.services import ApiServices
from opsteward.core.db import DatabaseSession
from opsteward.core.errors import Denied, Unauthenticated

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

bearer = HTTPBearer(auto_error=False, description="An API token: `opsteward tokens create`, or $OPSTEWARD_HOME/token.")


async def services_of(request: Request) -> ApiServices:
    """The services of this application. (A plain function would be run in a thread, at the cost of two queries.)"""
    services: ApiServices = request.app.state.services
    return services


ServicesDep = Annotated[ApiServices, Depends(services_of)]


async def recognise(request: Request, services: ApiServices) -> Identity:
    """Who asks: by bearer token, else by session cookie (for changes only from our own pages); at Sentry's addresses by
    a DSN alone.

    Raises Unauthenticated, Denied.
    """
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    kind = "api"
    if sentry := SENTRY.fullmatch(request.scope["path"]):
        if scheme != DSN_SCHEME:
            raise Unauthenticated("no key of a DSN")
        return await dsns.sender_of(services.db, key=secret, number=sentry[1])
    if scheme:
        if scheme.lower() != "bearer" or not secret.strip():
            raise Unauthenticated("the Authorization header is not 'Bearer <token>'")
    else:
        secret, kind = request.cookies.get(SESSION_COOKIE, ""), "session"
        if not secret:
            raise Unauthenticated("no token and no session")
        if request.method not in _SAFE and not same_origin(request):
            raise Denied("a session may change things only from the console's own pages")
    return await _bearer_of(services, secret=secret.strip(), kind=kind)


async def admitted(services: ApiServices, *, secret: str, kind: str) -> Identity:
    """Who bears this credential, which must be of this kind; its use is remembered. Raises Unauthenticated."""
    identity = await _bearer_of(services, secret=secret, kind=kind)
    await _remember_use(services, identity)
    return identity


async def identify(request: Request, services: ApiServices) -> Identity:
    """Who asks, as the guard has found out already; the credential's use is remembered. Raises as `recognise` does."""
    identity: Identity = request.scope.get(IDENTITY) or await recognise(request, services)
    await _remember_use(services, identity)
    return identity


async def _bearer_of(services: ApiServices, *, secret: str, kind: str) -> Identity:
    identity = await tokens.authenticate(services.db, secret=secret)
    if identity.kind != kind:
        await permission_denials.note_refused_sign_in(services.db, identity, used_as=kind)
        raise Unauthenticated("this credential is not for that use")
    return identity


async def _remember_use(services: ApiServices, identity: Identity) -> None:
    if tokens.use_is_news(identity):
        async with services.db.unit_of_work(identity.tenant_id) as session:
            if identity.kind == "dsn":
                await dsns.note_use(session, project_id=identity.token_id)
            else:
                await tokens.note_use(session, token_id=identity.token_id)


async def _tenant_session(request: Request, services: ServicesDep) -> AsyncIterator[DatabaseSession]:
    """One transaction of the caller's tenant around the route's function. It is committed, and its connection given
    back, before the reply is sent; what the route or the commit raises rolls it back and is the reply."""
    identity: Identity = request.scope.get(IDENTITY) or await recognise(request, services)
    async with services.db.unit_of_work(identity.tenant_id) as session:
        yield session


TenantSession = Annotated[DatabaseSession, Depends(_tenant_session, scope="function")]


def same_origin(request: Request) -> bool:
    """Whether a browser says that the request comes from a page of ours."""
    return is_same_origin(request.headers.get("origin"), request.headers.get("host"))


def own_address(request: Request) -> str:
    """How browsers reach us, without a slash at the end: as configured, else as this one just did."""
    configured: str | None = request.app.state.services.settings.api.public_url
    return (configured or f"{request.url.scheme}://{request.headers.get('host', '')}").rstrip("/")


def client_address(request: Request) -> str:
    """Where the request comes from, as the server sees it."""
    return request.client.host if request.client is not None else ""


class Needs:
    """A callable dependency that carries its permission, so that a test can read it off every route."""

    def __init__(self, permission: str) -> None:
        self.permission = permission

    async def __call__(
        self, request: Request, services: ServicesDep, _: Annotated[object, Depends(bearer)]
    ) -> Identity:
        identity = await identify(request, services)
        if not identity.may(self.permission):
            await permission_denials.note_denied(services.db, identity, permission=self.permission)
        identity.require(self.permission)
        return identity


def needs(permission: str) -> Any:
    """`identity: Annotated[Identity, needs("incidents.read")]` in a route's signature."""
    return Depends(Needs(permission))


def permission_of(route: APIRoute) -> str | None:
    """The permission that a route demands, read off its signature; None for a public one."""
    demanded = [need.call.permission for need in route.dependant.dependencies if isinstance(need.call, Needs)]
    return demanded[0] if demanded else None
