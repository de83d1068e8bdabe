"""A visit in steps against a real application with sessions, CSRF tokens and redirects: sign in, then look."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import pytest
from real_parts import connector_for, system

from opsteward.contracts.check import CheckResult, CheckStatus
from opsteward.core.errors import ConnectorError, Invalid
from opsteward.integrations.web import INTEGRATION

LOGIN = {"username": "ops", "password": "s3cret-password"}


class Shop(BaseHTTPRequestHandler):
    """Sessions by cookie, form tokens that are good once, a redirect after the sign-in, an API with a header."""

    tokens: dict[str, str] = {}  # noqa: RUF012 - shared by all requests
    signed_in: set[str] = set()  # noqa: RUF012
    broken = False

    def log_message(self, *_: object) -> None:
        pass

    @property
    def session(self) -> str:
        cookie = SimpleCookie(self.headers.get("Cookie", ""))
        return cookie["sid"].value if "sid" in cookie else ""

    def answer(self, status: int, body: str = "", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "text/html", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body.encode())))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self) -> None:
        if self.path == "/login":
            session, token = secrets.token_hex(8), secrets.token_hex(8)
            self.tokens[session] = token
            page = (
                "<form action=/search><input type=hidden name=scope value=all><input name=q></form>"
                f"<meta name='api' content='/api'><form method=post><input type='hidden' name='csrf' value='{token}'>"
                '<INPUT NAME="username"><input type=password name=password></form>'
            )
            self.answer(200, page, Set_Cookie=f"sid={session}; HttpOnly; Path=/")
        elif self.session not in self.signed_in:
            self.answer(302, Location="/login")
        elif self.path == "/api/me":
            good = self.headers.get("X-Token") == f"api-{self.session}"
            self.answer(200 if good else 403, '{"name": "ops", "orders": [1, 2]}' if good else "no")
        else:
            self.answer(200, "Sign out" if not self.broken else "Out of order", X_Token=f"api-{self.session}")

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        known = self.tokens.pop(self.session, None)
        if known is None or form.get("csrf") != [known] or "scope" in form:
            self.answer(403, "<title>CSRF</title> no")
        elif not self.headers.get("Origin", "").startswith("http://127.0.0.1"):
            self.answer(403, "<title>Origin</title> no")
        elif form["password"] != [LOGIN["password"]]:
            self.answer(200, f"wrong password {form['password'][0]}")
        else:
            self.signed_in.add(self.session)
            self.answer(303, Location="/home")


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


SIGN_IN: list[dict[str, Any]] = [
    {"url": "/login"},
    {"url": "/login", "form": {"username": "${username}", "password": "${password}"}, "expect": 'body contains "out"'},
]


async def check(endpoint: str, steps: list[dict[str, Any]], **settings: Any) -> CheckResult:
    target = system(endpoint, steps=steps, **settings)
    return await INTEGRATION.checks[0].run(connector_for(INTEGRATION, target, LOGIN), target)


async def test_a_visitor_signs_in_with_form_token_and_cookie_and_looks(shop: str) -> None:
    steps = [
        *SIGN_IN,
        {"name": "home", "url": "/home", "extract": {"token": "header:X-Token"}},
        {"url": "/api/me", "headers": {"X-Token": "${token}"}, "expect": 'json.name == "ops" and status == 200'},
    ]
    seen = await check(shop, steps)
    assert (seen.status, seen.seconds is not None) == (CheckStatus.PASS, True), seen.summary
    assert [step["status"] for step in seen.evidence["steps"]] == [200, 200, 200, 200]  # type: ignore[union-attr,index,call-overload]


async def test_the_step_that_fails_is_named_and_no_secret_told(shop: str) -> None:
    target = system(shop, steps=SIGN_IN)
    wrong = connector_for(INTEGRATION, target, {"username": "ops", "password": "another-secret"})
    seen = await INTEGRATION.checks[0].run(wrong, target)
    assert (seen.status, seen.findings[0].type) == (CheckStatus.FAIL, "http_step_failed")
    assert "step 2: POST /login" in seen.summary
    assert "another-secret" not in repr(seen)
    without_token = await check(shop, [SIGN_IN[1]])
    assert "status 403" in without_token.summary


async def test_a_page_that_breaks_behind_the_sign_in_is_seen(shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shop, "broken", True)
    steps = [*SIGN_IN[:1], {**SIGN_IN[1], "expect": ""}, {"url": "/home", "expect": 'body contains "Sign out"'}]
    seen = await check(shop, steps)
    assert (seen.status, "step 3" in seen.summary) == (CheckStatus.FAIL, True)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("input:csrf", True),
        ("input:username", True),
        ("meta:api", True),
        ("cookie:sid", True),
        ("header:content-type", True),
        ("between:name='csrf' value='|'", True),
        ("input:other", False),
        ("json:a.b", False),
        ("cookie:other", False),
        ("between:never|there", False),
    ],
)
async def test_what_a_step_takes_from_a_page_is_there_or_it_fails(shop: str, source: str, found: bool) -> None:
    seen = await check(shop, [{"url": "/login", "extract": {"it": source}}])
    assert (seen.status is CheckStatus.PASS) == found
    assert found or source in seen.summary


async def test_credentials_go_to_no_other_server(shop: str) -> None:
    seen = await check("http://127.0.0.1:1", [{"url": f"{shop}/login"}, {"url": f"{shop}/x?p=${{password}}"}])
    assert (seen.status, "another server" in seen.summary) == (CheckStatus.FAIL, True)
    assert LOGIN["password"] not in repr(seen)


async def test_a_step_to_a_metadata_address_is_refused(shop: str) -> None:
    for url in ("http://169.254.169.254/", "http://0xa9fea9fe/", "file:///etc/passwd", "//169.254.169.254/x"):
        try:
            seen = await check(shop, [{"url": url}])
        except ConnectorError as refused:
            assert "never allowed" in refused.detail
        else:
            assert (seen.status, "no http" in seen.summary) == (CheckStatus.FAIL, True)


async def test_all_steps_together_have_one_time_limit() -> None:
    release = threading.Event()

    class Slow(Shop):
        def do_GET(self) -> None:
            release.wait(0.2)
            self.answer(200, "ok")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        steps = [{"url": "/"} for _ in range(10)]
        seen = await check(f"http://127.0.0.1:{server.server_port}", steps, timeout_seconds=0.5)
    finally:
        release.set()
        server.shutdown()
        server.server_close()
    assert (seen.status, "0.5 s" in seen.summary) == (CheckStatus.FAIL, True)


@pytest.mark.parametrize(
    ("steps", "field"),
    [
        ([{"url": "/x?t=${token_of_nobody}"}], "settings.steps.0"),
        ([{"url": "/"}, {"url": "/", "form": {"a": "${late}"}, "extract": {"late": "json:a"}}], "settings.steps.1"),
        ([{"url": "/", "form": {}, "json": {}}], "settings.steps.0"),
        ([{"url": "/", "method": "GET", "form": {"a": "b"}}], "settings.steps.0"),
        ([{"url": "/", "extract": {"a": "regex:.*"}}], "settings.steps.0.extract.a"),
        ([{"url": "/", "expect": "stat == 1"}], "settings.steps.0.expect"),
        ([{"url": "/"}] * 21, "settings.steps"),
        ([{"link": "/"}], "settings.steps.0.url"),
        ("sign in", "settings.steps"),
    ],
)
def test_steps_that_can_not_be_taken_are_refused_by_name(steps: Any, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        connector_for(INTEGRATION, system("http://127.0.0.1", steps=steps), LOGIN)
    assert refused.value.problems[0].field == field
