"""Enrolments in the console: what each gives is shown, and exactly that is decided, one by one or many at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import expect

from .conftest import Served, Visit
from .test_console_access import browser
from .test_console_pages import said, submit


@pytest.fixture
def admin(served: Served) -> Iterator[httpx.Client]:
    """The first operator's browser session, over plain HTTP."""
    with browser(served) as one:
        yield one


def set_rule(served: Served, name: str, rule: dict[str, Any]) -> None:
    with served.api() as api:
        api.put("/api/v1/enrollment-rules", json={"rules": {name: rule}}).raise_for_status()


def joiners(served: Served, role: str, number: int) -> list[str]:
    """Names of new users who wait."""
    names = [f"{role}-{at:02}" for at in range(number)]
    with served.api() as api:
        for name in names:
            body = {"username": name, "email": f"{name}@example.com", "full_name": name, "role": role}
            api.post("/api/v1/users", json=body).raise_for_status()
    return names


def boxes(page: str) -> dict[str, str]:
    """What a choice of all sends."""
    return dict(re.findall(r'name="(pick-[0-9a-f-]{36})" value="([0-9a-f]{64})"', page))


def test_a_selection_is_decided_as_it_was_shown(served: Served, admin: httpx.Client) -> None:
    role = f"temp{uuid4().hex[:6]}"
    set_rule(served, role, {"permissions": ["till.open"], "systems": ["Till 7"], "access_days": 9})
    joiners(served, role, 3)
    page = admin.get(f"/enrollments?type={role}").text
    assert ("till.open" in page, "Till 7" in page, "9 days" in page) == (True, True, True)
    picked = boxes(page)
    assert len(picked) == 3
    assert submit(admin, "/enrollments/decide", verdict="approve").status_code == 422
    assert submit(admin, "/enrollments/decide", verdict="perhaps", **picked).status_code == 422
    one, other, third = picked
    done = said(admin, submit(admin, "/enrollments/decide", verdict="approve", **{one: picked[one]}))
    assert "1 approved" in done
    set_rule(served, role, {"permissions": ["till.open", "safe.open"], "systems": ["Till 7"]})
    left = {other: picked[other], third: picked[third]}
    told = said(admin, submit(admin, "/enrollments/decide", verdict="approve", **left))
    assert "0 approved, 2 not" in told
    assert "what would be granted has changed: look again" in told
    assert "said warns" in told
    single = f"/enrollments/{other.removeprefix('pick-')}/approve"
    assert submit(admin, single, grants_digest=picked[other]).status_code == 409
    assert submit(admin, single).status_code == 422
    shown = boxes(admin.get(f"/enrollments?type={role}").text)
    assert set(shown) == set(left)
    assert "Approved" in said(admin, submit(admin, single, grants_digest=shown[other]))
    assert "1 rejected" in said(
        admin, submit(admin, "/enrollments/decide", verdict="reject", reason="no", **{third: shown[third]})
    )


async def test_fifty_are_selected_by_keys_and_decided_at_once(served: Served, visit: Visit) -> None:
    role = f"crew{uuid4().hex[:6]}"
    names = joiners(served, role, 50)
    page = await visit(f"/enrollments?type={role}")
    approve = page.locator("#selection").get_by_role("button", name="Approve")
    await expect(approve).to_be_disabled()
    await page.keyboard.press("Shift+A")
    await expect(page.locator("[data-picked]")).to_have_text("50 of 50 selected")
    await page.keyboard.press("j")
    await page.keyboard.press("x")  # not the first one
    await expect(page.locator("[data-picked]")).to_have_text("49 of 50 selected")
    await approve.click()
    await expect(page.locator("#said")).to_contain_text("49 approved")
    await page.goto(f"{served.url}/enrollments?type={role}")
    await expect(page.locator("#waiting article")).to_have_count(1)
    await expect(page.locator("#waiting")).to_contain_text(names[0])
