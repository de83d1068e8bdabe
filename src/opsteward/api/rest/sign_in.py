"""Signing in to the console and out of it: by password, by an identity provider, by a token, by a one-time link."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import Field

from opsteward.accounts import permission_denials, sessions, tokens
from opsteward.accounts.oidc import STAY_SECONDS
from opsteward.accounts.password_hashing import MAX_DURATION
from opsteward.accounts.permissions import SIGNED_IN
from opsteward.accounts.sessions import SESSION_COOKIE
from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, client_address, needs, own_address, same_origin
from opsteward.api.rest.schemas.administration import SignedIn
from opsteward.api.rest.schemas.base import Input
from opsteward.api.routes import Routes
from opsteward.api.services import ApiServices
from opsteward.api.sign_in_page import STYLE_PATH, password_page, sign_in_page, style_sheet
from opsteward.core.errors import Denied, Invalid, LimitExceeded, NotFound, Unauthenticated

router = Routes(tags=["signing in"])

_OPENID_COOKIE = "opsteward_openid"
_OPENID_PATH = "/sign-in/openid"
_LINK_OVER = "This sign-in link was used already or has expired."
_PASSWORD_LINK_OVER = "This password link was used already or has expired."  # noqa: S105 - words


class SignInIn(Input):
    """An operator's name, whatever its case, and password."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    password: Annotated[str, Field(min_length=1, max_length=MAX_DURATION)]
    tenant: Annotated[str, Field(min_length=1, max_length=63)] = "default"


@router.post("/api/v1/sign-in", summary="Sign in with a password")
async def sign_in_by_api(body: SignInIn, request: Request, response: Response, services: ServicesDep) -> SignedIn:
    """Gives a browser session as a cookie. The same 401 for a wrong password and an unknown operator; 429 with
    `Retry-After` after some failures of that name, or from that address."""
    if request.headers.get("origin") is not None and not same_origin(request):
        raise Denied("sign in from a page of Opsteward's own")
    owner, token = await services.password_sign_in.sign_in(
        tenant=body.tenant, name=body.name, password=body.password, address=client_address(request)
    )
    _set_cookie(response, request, services, token.secret)
    return SignedIn(
        operator=owner.operator_name,
        operator_id=owner.operator_id,
        tenant=owner.tenant_name,
        roles=list(owner.roles),
        expires_at=token.expires_at,
    )


@router.get("/sign-in", include_in_schema=False)
async def sign_in(
    request: Request, services: ServicesDep, code: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """By a one-time link; without one, the page with all ways in."""
    if not code:
        return _form(services)
    try:
        link = await tokens.authenticate(services.db, secret=code)
        if link.kind != "link":
            await permission_denials.note_refused_sign_in(services.db, link, used_as="link")
        async with services.db.unit_of_work(link.tenant_id) as session:
            token = await sessions.redeem_link(session, link=link)
    except Unauthenticated:
        return _form(services, _LINK_OVER, status=401)
    return _signed_in(request, services, token.secret)


@router.post("/sign-in", include_in_schema=False)
async def sign_in_by_form(request: Request, services: ServicesDep) -> Response:
    """By an API token, or a name and a password, from the sign-in page's own forms only."""
    fields = await _fields(request)
    if "token" in fields:
        return await _sign_in_with_token(request, services, fields["token"].strip())
    tenant, name = fields.get("tenant", "").strip(), fields.get("name", "").strip()
    typed = {"tenant": tenant, "name": name}
    try:
        _, token = await services.password_sign_in.sign_in(
            tenant=tenant,
            name=name,
            password=fields.get("password", "")[:MAX_DURATION],
            address=client_address(request),
        )
    except Unauthenticated:
        return _form(services, "The name or the password is wrong.", status=401, **typed)
    except LimitExceeded as error:
        wait = str(error.extra.get("retry_after", 2))
        return _form(services, f"Too many tries: wait {wait} seconds.", status=429, retry_after=wait, **typed)
    return _signed_in(request, services, token.secret)


async def _sign_in_with_token(request: Request, services: ApiServices, secret: str) -> Response:
    try:
        owner = await tokens.authenticate(services.db, secret=secret)
        if owner.kind != "api":
            await permission_denials.note_refused_sign_in(services.db, owner, used_as="api")
        async with services.db.unit_of_work(owner.tenant_id) as session:
            token = await sessions.open_session(session, owner=owner)
    except Unauthenticated:
        return _form(services, "This token is unknown, expired or revoked.", status=401, by_token=True)
    return _signed_in(request, services, token.secret)


@router.get(STYLE_PATH, include_in_schema=False)
async def sign_in_style() -> Response:
    """How the pages of signing in look."""
    return style_sheet()


@router.get("/sign-in/password", include_in_schema=False)
async def password_form(services: ServicesDep, code: Annotated[str, Query(max_length=200)] = "") -> Response:
    """Where a password link leads; looking does not use it up."""
    try:
        link = await services.password_sign_in.link_of(secret=code)
    except Unauthenticated:
        return _form(services, _PASSWORD_LINK_OVER, status=401)
    return password_page(code=code, name=link.operator_name)


@router.post("/sign-in/password", include_in_schema=False)
async def set_password_by_link(request: Request, services: ServicesDep) -> Response:
    """Set the password, which uses up the link, and sign in."""
    fields = await _fields(request)
    code, password = fields.get("code", ""), fields.get("password", "")
    try:
        link = await services.password_sign_in.link_of(secret=code)
        if password != fields.get("again", ""):
            return password_page(code=code, name=link.operator_name, message="The two are not the same.", status=422)
        token = await services.password_sign_in.redeem_link(secret=code, password=password)
    except Unauthenticated:
        return _form(services, _PASSWORD_LINK_OVER, status=401)
    except Invalid as error:
        said = "; ".join(f"The password {problem.problem}" for problem in error.problems)
        return password_page(code=code, name=link.operator_name, message=f"{said}.", status=422)
    return _signed_in(request, services, token.secret)


@router.get(_OPENID_PATH, include_in_schema=False)
async def to_provider(request: Request, services: ServicesDep) -> Response:
    """Off to the identity provider."""
    if services.openid_sign_in is None:
        raise NotFound("no identity provider is configured")
    try:
        departure = await services.openid_sign_in.begin(redirect_uri=f"{own_address(request)}{_OPENID_PATH}/callback")
    except Unauthenticated:
        return _form(
            services, "Your organisation's sign-in can't be reached. Try again, or use a password.", status=502
        )
    response = RedirectResponse(departure.url, status_code=303)
    response.set_cookie(
        _OPENID_COOKIE,
        departure.cookie,
        max_age=STAY_SECONDS,
        path=_OPENID_PATH,
        httponly=True,
        samesite="lax",
        secure=own_address(request).startswith("https://"),
    )
    return response


@router.get(f"{_OPENID_PATH}/callback", include_in_schema=False)
async def from_provider(
    request: Request,
    services: ServicesDep,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4000)] = "",
    iss: Annotated[str | None, Query(max_length=1000)] = None,
) -> Response:
    """Back from there."""
    if services.openid_sign_in is None:
        raise NotFound("no identity provider is configured")
    try:
        token = await services.openid_sign_in.finish(
            cookie=request.cookies.get(_OPENID_COOKIE, ""),
            state=state,
            code=code,
            issuer=iss,
            address=client_address(request),
        )
        response = _signed_in(request, services, token.secret)
    except Unauthenticated:
        response = _form(services, "Signing in with your organisation failed. Try again, or ask an admin.", status=401)
    except LimitExceeded as error:
        wait = str(error.extra.get("retry_after", 2))
        response = _form(services, f"Too many tries: wait {wait} seconds.", status=429, retry_after=wait)
    response.delete_cookie(_OPENID_COOKIE, path=_OPENID_PATH)
    return response


@router.post("/sign-out", include_in_schema=False)
async def sign_out(session: TenantSession, identity: Annotated[Identity, needs(SIGNED_IN)]) -> Response:
    """End this browser session."""
    if identity.kind != "session":
        raise Denied("only a browser session is signed out", remedy="a token is revoked with DELETE /api/v1/tokens/ID")
    await tokens.revoke_token(session, token_id=identity.token_id, actor=identity.actor)
    response = RedirectResponse("/sign-in", status_code=303)
    response.delete_cookie(SESSION_COOKIE)
    return response


async def _fields(request: Request) -> dict[str, str]:
    """The first value of each field of a form of ours. Raises Denied for a form of another page."""
    if not same_origin(request):
        raise Denied("sign in from the sign-in page")
    found = parse_qs((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0].replace("\x00", "") for name, values in found.items()}


def _form(services: ApiServices, message: str = "", **how: Any) -> Response:
    return sign_in_page(message, provider=services.openid_sign_in is not None, **how)


def _signed_in(request: Request, services: ApiServices, secret: str) -> Response:
    response = RedirectResponse("/", status_code=303)
    _set_cookie(response, request, services, secret)
    return response


def _set_cookie(response: Response, request: Request, services: ApiServices, secret: str) -> None:
    response.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=sessions.SESSION_DAYS * 86_400,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https" or (services.settings.api.public_url or "").startswith("https://"),
    )
