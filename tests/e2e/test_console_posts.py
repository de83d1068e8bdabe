"""Every form's address over plain HTTP: without this session's token, from elsewhere or from nobody it does nothing."""

from __future__ import annotations

import re
from uuid import uuid4

import httpx
import pytest

from opsteward.console.routes import ROUTES

from .conftest import Served
from .test_console_access import browser, csrf_of

POSTS = [route.path for route in ROUTES if route.method == "POST"]


def _address(path: str) -> str:
    return re.sub(r"\{[a-z_]+\}", lambda _: str(uuid4()), path)


def _send(one: httpx.Client, path: str, **given: str) -> httpx.Response:
    """As its page would: with files where it takes some."""
    route = next(route for route in ROUTES if route.method == "POST" and route.path == path)
    files = {"file": ("a.md", b"# a")} if route.takes_bytes is not None else None
    return one.post(_address(path), data={"name": "forged", **given}, files=files)


def test_no_form_is_taken_without_the_token_of_this_session(served: Served) -> None:
    with browser(served) as one, browser(served) as other:
        theirs = csrf_of(other)
        for path in POSTS:
            for given in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": theirs}):
                answer = _send(one, path, **given)
                assert answer.status_code == 403, (path, given)
                assert "not of your present session" in answer.text, path


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ""])
def test_no_form_is_taken_from_elsewhere_even_with_the_token(served: Served, origin: str) -> None:
    with browser(served) as one:
        token = csrf_of(one)
        one.headers["Origin"] = origin
        if not origin:
            del one.headers["Origin"]
        for path in POSTS:
            answer = _send(one, path, csrf=token)
            assert answer.status_code == 403, path


@pytest.mark.parametrize("session", ["", "ops_of_yesterday"])
def test_a_form_without_a_session_leads_to_sign_in(served: Served, session: str) -> None:
    headers, cookies = {"Origin": served.url, "Accept": "text/html"}, {"opsteward_session": session} if session else {}
    with httpx.Client(base_url=served.url, headers=headers, cookies=cookies, timeout=15) as nobody:
        for path in POSTS:
            answer = _send(nobody, path, csrf="0" * 64)
            assert (answer.status_code, answer.headers.get("location")) == (303, "/sign-in"), path


def test_no_page_or_form_can_be_framed_or_leads_elsewhere(served: Served) -> None:
    strange = ("https://evil.example", "//evil.example", "/\\evil.example", "/%09/evil.example", "javascript:alert(1)")
    with browser(served) as one:
        token = csrf_of(one)
        for path in POSTS:
            for to in strange:
                names = ("back", "next", "to", "return_to", "redirect")
                answer = one.post(_address(path), data={"csrf": token, **dict.fromkeys(names, to)})
                assert answer.headers["x-frame-options"] == "DENY", path
                assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], path
                assert answer.status_code < 500, path
                leads = answer.headers.get("location", "/")
                assert leads.startswith("/") and not leads.startswith(("//", "/\\")), (path, leads)
        for to in strange:
            for path in ("/sign-in", "/sign-in/link", "/"):
                answer = one.get(path, params={"next": to, "back": to, "return_to": to})
                assert "evil" not in answer.headers.get("location", ""), path
                assert not re.search(r'(?:href|action)="[^"]*(?:evil|javascript:)', answer.text), path
