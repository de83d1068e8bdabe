"""The pages before the console, as a browser shows them: a password set by a link, and the ways in."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.async_api import expect

from .conftest import DESK, PHONE, Served, Visit

GOOD = "correct horse battery"


def password_link(served: Served, name: str) -> str:
    """A new operator's link."""
    with served.api() as api:
        made = api.post("/api/v1/operators", json={"name": name, "roles": ["viewer"]}).raise_for_status().json()
        link = api.post(f"/api/v1/operators/{made['id']}/password-link").raise_for_status().json()
    return str(link["url"])


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_set_a_password_and_sign_in_with_it(served: Served, visit: Visit, size: tuple[int, int]) -> None:
    name = f"grace {uuid4().hex[:8]}"
    link = password_link(served, name)
    page = await visit(link, signed_in=False, size=size)
    await page.get_by_label("New password").fill(GOOD)
    await page.get_by_label("The same again").fill(f"{GOOD}?")
    await page.get_by_role("button", name="Set and sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("not the same")
    await page.get_by_label("New password").fill(GOOD)
    await page.get_by_label("The same again").fill(GOOD)
    await page.get_by_role("button", name="Set and sign in").click()
    await page.wait_for_url(f"{served.url}/")

    page = await visit("/sign-in", signed_in=False, size=size)
    assert await page.evaluate("document.documentElement.scrollWidth") <= size[0]
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill("wrong horse battery")
    await page.get_by_role("button", name="Sign in", exact=True).click()
    await expect(page.get_by_role("alert")).to_contain_text("is wrong")
    await expect(page.get_by_label("Name")).to_have_value(name)
    await page.get_by_label("Password").fill(GOOD)
    await page.get_by_label("Password").press("Enter")
    await page.wait_for_url(f"{served.url}/")


async def test_a_deactivated_operators_open_page_is_left(served: Served, visit: Visit) -> None:
    name = f"olga {uuid4().hex[:8]}"
    page = await visit(password_link(served, name), signed_in=False)
    await page.get_by_label("New password").fill(GOOD)
    await page.get_by_label("The same again").fill(GOOD)
    await page.get_by_role("button", name="Set and sign in").click()
    await page.wait_for_url(f"{served.url}/")
    await expect(page.get_by_role("heading").first).to_be_visible()
    with served.api() as api:
        found = [o["id"] for o in api.get("/api/v1/operators").json()["items"] if o["name"] == name]
        assert api.delete(f"/api/v1/operators/{found[0]}").status_code == 204
    await page.wait_for_url("**/sign-in")


async def test_by_a_token(served: Served, visit: Visit) -> None:
    page = await visit("/sign-in", signed_in=False, size=PHONE)
    await page.get_by_text("With an API token").click()
    await page.get_by_label("API token").fill(served.token)
    await page.get_by_role("button", name="Sign in with the token").click()
    await page.wait_for_url(f"{served.url}/")
