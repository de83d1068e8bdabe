"""Without a token: liveness, readiness, and signing in to the console."""

from __future__ import annotations

from html import escape
from typing import Annotated
from urllib.parse import parse_qs

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from opsteward.api.deps import RoomsDep, needs, same_origin
from opsteward.api.guard import security_headers
from opsteward.core.errors import Denied, Unauthenticated
from opsteward.identity.permissions import SIGNED_IN
from opsteward.identity.service import access, refusals
from opsteward.identity.service.browser import SESSION_COOKIE
from opsteward.identity.types import Identity

router = APIRouter(tags=["front"])

_FORM = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sign in - Opsteward</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
body{{font:16px/1.5 system-ui,sans-serif;background:#f4f6f8;color:#17212b;display:grid;place-items:center;
min-height:95vh}}
form{{background:#fff;padding:2rem;border-radius:12px;box-shadow:0 2px 12px #0002;width:min(24rem,85vw)}}
input,button{{font:inherit;width:100%;box-sizing:border-box;padding:.6rem;margin-top:.5rem;border-radius:6px;
border:1px solid #9aa7b4}}button{{background:#14507d;color:#fff;border:0;cursor:pointer}}.bad{{color:#a31621}}
</style></head><body><form method="post" action="/sign-in"><h1>Opsteward</h1>{message}
<label for="token">API token</label><input id="token" name="token" type="password" autocomplete="current-password"
required autofocus><button>Sign in</button><p><small>The first token is in <code>$OPSTEWARD_HOME/token</code>;
others: <code>opsteward tokens create</code>.</small></p></form></body></html>"""


@router.head("/livez", include_in_schema=False)
@router.get("/livez", summary="The process runs")
async def livez() -> dict[str, str]:
    return {"status": "ok"}


@router.get("/readyz", summary="All parts are up", responses={503: {"description": "Not all parts are up yet"}})
async def readyz(rooms: RoomsDep) -> JSONResponse:
    parts = rooms.readiness()
    ready = all(parts.values())
    return JSONResponse({"status": "ready" if ready else "starting", "parts": parts}, status_code=200 if ready else 503)


@router.get("/sign-in", include_in_schema=False)
async def sign_in(request: Request, rooms: RoomsDep, code: Annotated[str, Query(max_length=200)] = "") -> Response:
    """By a one-time link; without one, a form that takes a token."""
    if not code:
        return _form("")
    try:
        async with rooms.db.unit_of_work(None) as session:
            link = await access.authenticate(session, secret=code)
        if link.kind != "link":
            await refusals.note_refused_sign_in(rooms.db, link, used_as="link")
        async with rooms.db.unit_of_work(link.tenant_id) as session:
            token = await access.redeem_link(session, link=link)
    except Unauthenticated:
        return _form("This sign-in link was used already or has expired.", status=401)
    return _signed_in(request, token.secret)


@router.post("/sign-in", include_in_schema=False)
async def sign_in_with_token(request: Request, rooms: RoomsDep) -> Response:
    """By an API token, from the sign-in page's own form only."""
    if not same_origin(request):
        raise Denied("sign in from the sign-in page")
    fields = parse_qs((await request.body()).decode("utf-8", "replace"))
    secret = fields.get("token", [""])[0].strip()
    try:
        async with rooms.db.unit_of_work(None) as session:
            owner = await access.authenticate(session, secret=secret)
        if owner.kind != "api":
            await refusals.note_refused_sign_in(rooms.db, owner, used_as="api")
        async with rooms.db.unit_of_work(owner.tenant_id) as session:
            token = await access.open_session(session, owner=owner)
    except Unauthenticated:
        return _form("This token is unknown, expired or revoked.", status=401)
    return _signed_in(request, token.secret)


@router.post("/sign-out", include_in_schema=False)
async def sign_out(rooms: RoomsDep, identity: Annotated[Identity, needs(SIGNED_IN)]) -> Response:
    """End this browser session."""
    if identity.kind != "session":
        raise Denied("only a browser session is signed out", remedy="a token is revoked with DELETE /api/v1/tokens/ID")
    async with rooms.db.unit_of_work(identity.tenant_id) as session:
        await access.revoke_token(session, token_id=identity.token_id, actor=identity.actor)
    response = RedirectResponse("/sign-in", status_code=303)
    response.delete_cookie(SESSION_COOKIE)
    return response


def _form(message: str, status: int = 200) -> HTMLResponse:
    shown = f'<p class="bad" role="alert">{escape(message)}</p>' if message else ""
    page = HTMLResponse(_FORM.format(message=shown), status_code=status)
    security_headers(page)
    return page


def _signed_in(request: Request, secret: str) -> Response:
    response = RedirectResponse("/", status_code=303)
    response.set_cookie(
        SESSION_COOKIE,
        secret,
        max_age=access.SESSION_DAYS * 86_400,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response
