"""The pages before the console: signing in, and setting a password by a link. Plain HTML without a script."""

from __future__ import annotations

from html import escape

from fastapi.responses import HTMLResponse

from opsteward.accounts.password_hashing import MAX_DURATION, SHORTEST
from opsteward.api.middleware.request_body import security_headers

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "img-src 'self'"
)
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} - Opsteward</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>
:root{{color-scheme:light dark;--page:#f4f6f8;--card:#fff;--text:#17212b;--quiet:#566573;--line:#8a98a6;--main:#14507d;
--bad:#a31621}}
@media (prefers-color-scheme:dark){{:root{{--page:#10161c;--card:#1a232c;--text:#e6edf3;--quiet:#9fb0bf;--line:#5d6d7c;
--main:#2f7fbd;--bad:#ff9b9b}}}}
*{{box-sizing:border-box}}
body{{font:16px/1.5 system-ui,sans-serif;background:var(--page);color:var(--text);display:grid;place-items:center;
min-height:100vh;margin:0;padding:1rem}}
main{{background:var(--card);padding:2rem;border-radius:12px;box-shadow:0 2px 12px #0002;width:100%;max-width:26rem}}
h1{{margin:0 0 1rem;font-size:1.5rem}}label{{display:block;margin-top:.75rem;font-weight:600}}
input,button,.button{{font:inherit;width:100%;padding:.6rem .75rem;border-radius:6px;border:1px solid var(--line);
min-height:44px}}
input{{margin-top:.25rem;background:var(--page);color:var(--text)}}
button,.button{{display:block;margin-top:1.25rem;background:var(--main);color:#fff;border-color:var(--main);
cursor:pointer;text-align:center;text-decoration:none;font-weight:600}}
.other{{background:transparent;color:var(--text);border-color:var(--line)}}
:is(input,button,.button,summary):focus-visible{{outline:3px solid var(--main);outline-offset:2px}}
details{{margin-top:1.5rem;border-top:1px solid var(--line);padding-top:1rem}}
summary{{cursor:pointer;min-height:44px;display:flex;align-items:center}}summary::before{{content:"+";width:1.25rem;
font-weight:600}}details[open] summary::before{{content:"-"}}
p{{color:var(--quiet);margin:.75rem 0 0;overflow-wrap:anywhere}}.product{{margin:0;font-weight:600}}
.bad{{color:var(--bad);font-weight:600;margin:0}}
</style></head><body><main><p class="product">Opsteward</p><h1>{title}</h1>{message}{content}</main></body></html>"""

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


def _page(title: str, content: str, message: str, status: int) -> HTMLResponse:
    shown = f'<p class="bad" role="alert">{escape(message)}</p>' if message else ""
    page = HTMLResponse(_PAGE.format(title=title, message=shown, content=content), status_code=status)
    page.headers["Content-Security-Policy"] = _POLICY
    page.headers["Cache-Control"] = "no-store"
    security_headers(page)
    return page
