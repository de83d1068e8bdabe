"""Access reviews in the console: begun, decided user by user, followed live, closed; and who may do what."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from playwright.async_api import Locator, Page, expect
from tests.support.naughty import NAUGHTY

from .conftest import DESK, PHONE, Served, Visit
from .test_console_people import assert_inert, overflow, register
from .test_console_tasks import card

HOSTILE = "<script>window.pwned=1</script><img src=x onerror='window.pwned=2'> {{7*7}} **b**"


def begin(served: Served, department: str, **more: Any) -> dict[str, Any]:
    body = {"name": f"Review of {department}"[:200], "department": department} | more
    with served.api() as api:
        return dict(api.post("/api/v1/access-reviews", json=body).raise_for_status().json())


def team(served: Served, number: int) -> str:
    """That many users of a department of their own; each has read_basic, write_basic and main_app."""
    department = f"team-{uuid4().hex[:6]}"
    for one in range(number):
        register(served, f"{department}-{one}", full_name=f"Member {one} of {department}", department=department)
    return department


def holder(page: Page, name: str) -> Locator:
    return card(page, "Who has what").locator(".plain > li", has_text=name)


def item(page: Page, name: str, what: str) -> Locator:
    return holder(page, name).locator(".held li", has_text=what)


async def test_a_campaign_is_begun_decided_and_closed(served: Served, visit: Visit) -> None:
    department = team(served, 3)
    admin = await visit("/access-reviews")
    await admin.get_by_role("button", name="New campaign").click()
    await admin.get_by_label("Its name").fill(f"Quarter of {department}")
    await admin.get_by_label("Department").select_option(department)
    await admin.locator(".sheet").get_by_role("button", name="Begin it").click()
    await expect(admin.get_by_role("heading", name=f"Quarter of {department}")).to_be_visible()
    await expect(admin.locator(".card.head")).to_contain_text("0 of 9 decided")

    page = await visit(admin.url, token=served.operator("rita", "approver"))
    await expect(page.get_by_role("button", name="Close the campaign")).to_have_count(0)
    await item(page, "Member 0", "write_basic").get_by_role("button", name="Revoke").click()
    await page.get_by_label("Reason (optional)").fill("only reads")
    await page.locator(".sheet").get_by_role("button", name="Revoke it").click()
    await expect(item(page, "Member 0", "write_basic")).to_have_count(0)
    await item(page, "Member 0", "read_basic").get_by_role("button", name="Keep").click()
    await expect(item(page, "Member 0", "read_basic")).to_have_count(0)
    await holder(page, "Member 1").get_by_role("button", name="Keep all 3").click()
    await expect(holder(page, "Member 1")).to_have_count(0)
    await expect(admin.locator(".card.head")).to_contain_text("5 of 9 decided · 1 revoked".replace(" · ", ""))
    with served.api() as api:
        found = api.get("/api/v1/users", params={"department": department}).json()["items"]
    assert {one["username"]: one["permissions"] for one in found} == {
        f"{department}-0": ["read_basic"],
        f"{department}-1": ["read_basic", "write_basic"],
        f"{department}-2": ["read_basic", "write_basic"],
    }
    await admin.goto(f"{served.url}/users/{found[0]['id']}")
    await expect(card(admin, "Access").locator("li", has_text="write_basic")).to_contain_text("taken by a review")
    await expect(card(admin, "What happened")).to_contain_text("access reviewed")

    await page.get_by_role("button", name="Keep the 4 on this page").click()
    await page.locator(".sheet").get_by_role("button", name="Keep them").click()
    await expect(page.get_by_text("Everything is decided.")).to_be_visible()
    await page.get_by_role("link", name="all", exact=True).click()
    await expect(item(page, "Member 0", "write_basic")).to_contain_text("only reads")
    await expect(item(page, "Member 0", "write_basic")).to_contain_text("revoked")
    await admin.goto(page.url)
    await admin.get_by_role("button", name="Close the campaign").click()
    await admin.locator(".sheet").get_by_role("button", name="Close it").click()
    await expect(page.locator(".card.head .chip")).to_contain_text("closed")
    await admin.goto(f"{served.url}/access-reviews")
    await expect(card(admin, "Campaigns").locator("li", has_text=department)).to_contain_text("closed")


async def test_two_reviewers_do_not_decide_against_each_other(served: Served, visit: Visit) -> None:
    department = team(served, 1)
    review = begin(served, department)
    page = await visit(f"/access-reviews/{review['id']}")
    await item(page, "Member 0", "main_app").get_by_role("button", name="Revoke").click()
    await expect(page.locator(".sheet")).to_contain_text("from this user alone")
    with served.api() as api:
        found = api.get(f"/api/v1/access-reviews/{review['id']}/items").json()["items"]
        wanted = [{"item_id": one["id"], "decision": "keep"} for one in found if one["name"] == "main_app"]
        path = f"/api/v1/access-reviews/{review['id']}/decisions"
        api.post(path, json={"decisions": wanted}).raise_for_status()
    await page.locator(".sheet").get_by_role("button", name="Revoke it").click()
    await expect(page.locator(".notice")).to_contain_text("is decided already: keep")


async def test_a_decision_is_changed_while_the_campaign_is_open(served: Served, visit: Visit) -> None:
    department = team(served, 1)
    review = begin(served, department)
    page = await visit(f"/access-reviews/{review['id']}?show=all", token=served.operator("rosa", "approver"))
    await item(page, "Member 0", "main_app").get_by_role("button", name="Keep").click()
    await expect(item(page, "Member 0", "main_app")).to_contain_text("kept")
    await item(page, "Member 0", "main_app").get_by_role("button", name="Revoke after all").click()
    await page.get_by_label("Reason (optional)").fill("left the team")
    await page.locator(".sheet").get_by_role("button", name="Revoke it").click()
    await expect(item(page, "Member 0", "main_app")).to_contain_text("kept before by rosa")
    await expect(page.locator(".card.head")).to_contain_text("1 revoked")
    with served.api() as api:
        assert api.get("/api/v1/users", params={"department": department}).json()["items"][0]["system_access"] == []
    await item(page, "Member 0", "main_app").get_by_role("button", name="Keep after all").click()
    await page.locator(".sheet").get_by_role("button", name="Keep it").click()
    await expect(item(page, "Member 0", "main_app")).to_contain_text("revoked before by rosa, “left the team”")
    await expect(page.locator(".card.head")).to_contain_text("0 revoked")
    with served.api() as api:
        found = api.get("/api/v1/users", params={"department": department}).json()["items"]
        assert found[0]["system_access"] == ["main_app"]
        api.post(f"/api/v1/access-reviews/{review['id']}/close").raise_for_status()
    await expect(page.locator(".card.head .chip")).to_contain_text("closed")
    await expect(item(page, "Member 0", "main_app").get_by_role("button")).to_have_count(0)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=lambda size: f"{size[0]}")
async def test_items_are_found_while_one_types_and_by_filters(
    served: Served, visit: Visit, size: tuple[int, int]
) -> None:
    department = team(served, 12)
    review = begin(served, department)
    page = await visit(f"/access-reviews/{review['id']}", size=size)
    users, things = card(page, "Who has what").locator(".plain > li"), page.locator(".held li")
    await expect(users).to_have_count(12)
    await page.get_by_label("Part of a name, username or address").fill(f"{department.upper()}-11")
    await expect(users).to_have_count(1)
    await expect(page.locator(".found")).to_have_text("3 items found")
    assert "search=" in page.url
    async with page.expect_navigation():
        await page.get_by_label("Kind").select_option("permission")
    await expect(things).to_have_count(2)
    async with page.expect_navigation():
        await page.get_by_label("Permission or system").select_option("write_basic")
    await expect(things).to_have_count(1)
    await expect(page.get_by_label("Part of a name, username or address")).to_have_value(f"{department.upper()}-11")
    assert await overflow(page) == 0
    await things.get_by_role("button", name="Keep").click()
    await expect(page.get_by_text("Nothing fits.")).to_be_visible()
    async with page.expect_navigation():
        await page.get_by_role("link", name="kept", exact=True).click()
    await expect(things).to_have_count(1)
    await page.get_by_label("Part of a name, username or address").fill("nobody at all")
    await expect(page.get_by_text("Nothing fits.")).to_be_visible()
    async with page.expect_navigation():
        await page.get_by_role("link", name="Show everything").click()
    await expect(users).to_have_count(12)
    for wrong in ("kind=role", f"search={'x' * 201}", f"name={'x' * 300}"):
        await page.goto(f"{served.url}/access-reviews/{review['id']}?{wrong}")
        await expect(page.locator(".apology")).to_be_visible()


async def test_pages_of_items_follow_each_other_user_by_user(served: Served, visit: Visit) -> None:
    department = team(served, 25)
    review = begin(served, department)
    page = await visit(f"/access-reviews/{review['id']}")
    seen: list[str] = []
    users = card(page, "Who has what").locator(".plain > li .title")
    await expect(users).to_have_count(20)
    seen += await users.all_inner_texts()
    async with page.expect_navigation():
        await page.get_by_role("link", name="Next").click()
    await expect(users).to_have_count(5)
    seen += await users.all_inner_texts()
    assert sorted(seen) == sorted(f"Member {n} of {department}" for n in range(25))
    for wrong in ("after=nothing", "after=0192f0c1-2345-7abc-8def-0123456789ab", "show=nothing"):
        await page.goto(f"{served.url}/access-reviews/{review['id']}?{wrong}")
        await expect(page.locator(".apology")).to_be_visible()


async def test_who_may_only_read_is_told_so(served: Served, visit: Visit) -> None:
    review = begin(served, team(served, 1))
    page = await visit("/access-reviews", token=served.operator("vinzenz", "viewer"))
    await expect(page.get_by_text("To begin one you need the role admin or owner.")).to_be_visible()
    await page.goto(f"{served.url}/access-reviews/{review['id']}")
    await expect(page.get_by_text("You may look at this, not decide it")).to_be_visible()
    await expect(holder(page, "Member 0")).to_be_visible()
    assert await page.locator(".content .button").count() == 0


async def test_another_tenants_reviews_are_not_there(served: Served, visit: Visit) -> None:
    review = begin(served, team(served, 1))
    with served.api() as api:
        body = {"name": f"review-neighbour-{uuid4().hex[:6]}", "operator": "nina"}
        stranger = api.post("/api/v1/tenants", json=body).json()["token"]
    page = await visit("/access-reviews", token=stranger)
    await expect(page.get_by_role("heading", name="No access review is open")).to_be_visible()
    await page.goto(f"{served.url}/access-reviews/{review['id']}")
    await expect(page.get_by_role("heading", name="Not found")).to_be_visible()


@pytest.mark.parametrize("size", [DESK, PHONE, (820, 900)], ids=lambda size: f"{size[0]}")
async def test_hostile_reviews_fit_and_do_nothing(served: Served, visit: Visit, size: tuple[int, int]) -> None:
    department = f"{HOSTILE} {uuid4().hex[:6]}"
    names = [text for text in NAUGHTY if "<" in text and text.isprintable() and text == text.strip()][:15]
    for number, name in enumerate([*names, "x" * 200]):
        register(served, f"{uuid4().hex[:6]}-{number}", full_name=name, department=department)
    review = begin(served, department, name=f"{HOSTILE} {'y' * 100}"[:200])
    page = await visit("/access-reviews", size=size)
    await expect(card(page, "Campaigns").locator(".title").first).to_have_text(review["name"])
    await assert_inert(page)
    await page.goto(f"{served.url}/access-reviews/{review['id']}")
    await expect(page.locator("h1")).to_have_text(review["name"])
    for name in names[:5]:
        await expect(card(page, "Who has what").locator(".title", has_text=name).first).to_have_text(name)
    await assert_inert(page)
    assert await overflow(page) == 0
    heights = await page.evaluate(
        "[...document.querySelectorAll('.button')].filter(b => b.offsetParent).map(b => b.offsetHeight)"
    )
    assert min(heights) >= 44
