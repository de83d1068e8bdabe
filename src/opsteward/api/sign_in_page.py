"""The pages before the console: signing in, and setting a password by a link. Plain HTML without a script."""

from __future__ import annotations

import hashlib
from functools import cache
from html import escape
from pathlib import Path

from fastapi import Response
from fastapi.responses import HTMLResponse

from opsteward.accounts.password_hashing import MAX_DURATION, SHORTEST
from opsteward.api.middleware.request_body import security_headers

_POLICY = (
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; img-src 'self'"
)
STYLE_PATH = "/sign-in/style.css"
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} - Opsteward</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="{style}"></head>
<body><main><p class="product">Opsteward</p><h1>{title}</h1>{message}{content}</main></body></html>"""

_PROVIDER = '<a class="button other" href="/sign-in/openid">Sign in by organisation</a>'
_SIGN_IN = """<form method="post" action="/sign-in"><label for="name">Name</label>
<input id="name" name="name" autocomplete="username" maxlength="100" required autofocus value="{name}">
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" maxlength="{longest}" required>
<label for="tenant">Tenant</label>
<input id="tenant" name="tenant" autocomplete="organization" maxlength="63" required value="{tenant}">
<button>Sign in</button></form>{provider}
<details{open}><summary>With an API token</summary><form method="post" action="/sign-in">
<label for="token">API token</label><input id="token" name="token" type="password" autocomplete="off" required>
<button class="other">Sign in with the token</button></form><p>The first token is in <code>$OPSTEWARD_HOME/token</code>;
others: <code>opsteward tokens create</code>.</p></details>"""
_CHOOSE = """<form method="post" action="/sign-in/password"><input type="hidden" name="code" value="{code}">
<p>For <strong>{name}</strong>. At least {shortest} characters; several words are easy to remember.</p>
<input name="username" autocomplete="username" value="{name}" readonly hidden>
<label for="password">New password</label><input id="password" name="password" type="password"
autocomplete="new-password" minlength="{shortest}" maxlength="{longest}" required autofocus>
<label for="again">The same again</label><input id="again" name="again" type="password"
autocomplete="new-password" maxlength="{longest}" required><button>Set and sign in</button></form>"""


def sign_in_page(
    message: str = "",
    *,
    status: int = 200,
    provider: bool = False,
    by_token: bool = False,
    name: str = "",
    tenant: str = "default",
    retry_after: str = "",
) -> HTMLResponse:
    """The ways in: password, an identity provider where there is one, an API token. What was typed stays."""
    content = _SIGN_IN.format(
        name=escape(name[:100]),
        tenant=escape(tenant[:63]),
        longest=MAX_DURATION,
        provider=_PROVIDER if provider else "",
        open=" open" if by_token else "",
    )
    page = _page("Sign in", content, message, status)
    if retry_after:
        page.headers["Retry-After"] = retry_after
    return page


def password_page(*, code: str, name: str, message: str = "", status: int = 200) -> HTMLResponse:
    """Where the one-time link of an admin leads."""
    content = _CHOOSE.format(code=escape(code), name=escape(name), shortest=SHORTEST, longest=MAX_DURATION)
    return _page("Set a password", content, message, status)


def style_sheet() -> Response:
    """How these pages look; its address holds its hash, so browsers keep it."""
    style = Response(_style(), media_type="text/css", headers={"Cache-Control": "public, max-age=31536000, immutable"})
    security_headers(style)
    return style


@cache
def _style() -> bytes:
    return Path(__file__).with_name("sign_in.css").read_bytes()


@cache
def _style_address() -> str:
    return f"{STYLE_PATH}?{hashlib.sha256(_style()).hexdigest()[:12]}"


def _page(title: str, content: str, message: str, status: int) -> HTMLResponse:
    shown = f'<p class="bad" role="alert">{escape(message)}</p>' if message else ""
    page = HTMLResponse(
        _PAGE.format(style=_style_address(), title=title, message=shown, content=content), status_code=status
    )
    page.headers["Content-Security-Policy"] = _POLICY
    page.headers["Cache-Control"] = "no-store"
    security_headers(page)
    return page
