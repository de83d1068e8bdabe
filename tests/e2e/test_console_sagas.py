"""The console's pages of sagas: what is asked for, its approval, and what became of each step."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from html import unescape
from uuid import uuid4

import httpx
import pytest

from .conftest import DESK, PHONE, Served, Visit
from .test_console_access import browser
from .test_console_pages import HOSTILE, said, submit
from .test_console_syncs import Company

_WITHIN = 30.0


@pytest.fixture
def approver(served: Served) -> Iterator[httpx.Client]:
    with browser(served, served.operator(f"s{uuid4().hex[:8]}", "admin")) as one:
        yield one


def approve(one: httpx.Client, page: str) -> str:
    """By the link of the saga's page; the page as it is once the saga has ended."""
    deadline = time.monotonic() + _WITHIN
    while (link := re.search(r"/approvals/[0-9a-f-]{36}", one.get(page).text)) is None:
        assert time.monotonic() < deadline, "the page has no link to the approval"
        time.sleep(0.1)
    plan = re.search(r'name="plan_hash" value="(\w{64})"', one.get(link[0]).text)
    assert plan is not None
    said(one, submit(one, f"{link[0]}/approve", plan_hash=plan[1]))
    while "ended " not in (shown := one.get(page).text):
        assert time.monotonic() < deadline, "it does not end"
        time.sleep(0.1)
    return unescape(shown)


@pytest.mark.parametrize("broken", [False, True], ids=["made", "taken back"])
def test_a_saga_is_approved_from_its_page_which_says_what_became_of_it(
    served: Served, approver: httpx.Client, broken: bool
) -> None:
    company = Company(served)
    before = company.accounts()
    with served.api() as api:
        saga = company.saga(api, "new", "u0") if broken else company.saga(api, "new")
    page = f"/sagas/{saga['id']}"
    asked = approver.get(page).text
    assert "<script>window" not in asked and HOSTILE[:40] in unescape(asked) and "not made" in asked
    shown = approve(approver, page)
    listed = approver.get("/sagas").text
    if broken:
        assert "taken back as a whole" in shown and "Every record is as it was before" in shown
        assert company.accounts() == before and "2 of 2 taken back" in listed
    else:
        assert company.accounts() == before | {"new": HOSTILE} and "2 of 2 steps made" in listed
        assert "could not be taken back" not in shown
    assert f'href="{page}"' in listed
    assert page not in approver.get("/sagas?status=stuck").text


def test_strange_addresses_are_answered_in_words(served: Served, approver: httpx.Client) -> None:
    for path in ("/sagas/x", f"/sagas/{uuid4()}", "/sagas?status=odd", "/sagas?before=x"):
        assert approver.get(path).status_code in (404, 422), path


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_the_pages_fit_the_screen(served: Served, visit: Visit, size: tuple[int, int]) -> None:
    company = Company(served)
    with served.api() as api:
        saga = company.saga(api, "a-login-that-is-long-and-has-no-place-to-break" * 3)
    page = await visit("/sagas", size=size)
    for path in ("/sagas", f"/sagas/{saga['id']}"):
        await page.goto(served.url + path)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
