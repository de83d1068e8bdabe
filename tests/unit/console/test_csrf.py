"""The token of forms: another on each page, good in its own session only, and nothing else is taken for it."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from opsteward.accounts.sessions import SESSION_COOKIE
from opsteward.console.page import check_csrf, csrf_token
from opsteward.core.errors import Denied


def _request(secret: str) -> Request:
    return Request({"type": "http", "headers": [(b"cookie", f"{SESSION_COOKIE}={secret}".encode())]})


def test_each_page_has_another_token_and_each_is_good() -> None:
    tokens = {csrf_token("secret") for _ in range(20)}
    assert len(tokens) == 20
    for token in tokens:
        check_csrf(_request("secret"), token)


@pytest.mark.parametrize(
    "given",
    ["", "x", "0" * 64, "0" * 63, "0" * 128, "é" * 64],
    ids=["none", "short", "zeros", "cut", "long", "accents"],
)
def test_what_is_no_token_is_refused(given: str) -> None:
    with pytest.raises(Denied):
        check_csrf(_request("secret"), given)


def test_the_token_of_another_session_or_one_that_was_changed_is_refused() -> None:
    for given in (csrf_token("another"), csrf_token("secret").upper()):
        with pytest.raises(Denied):
            check_csrf(_request("secret"), given)
