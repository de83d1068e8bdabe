"""People in the console: found while one types, let in, moved, granted to, suspended; hostile names; on a phone."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Locator, Page, expect
from tests.support.naughty import NAUGHTY

from .conftest import DESK, PHONE, Served, Visit
from .test_console_tasks import card

#: Milliseconds: a second press of the same button within a second is taken for a double tap.
_DOUBLE_TAP = 1_100
SEARCH = "Part of a name, username or address"
#: Markup, scripts, templates, text that runs from right to left, pictures made of several characters, and length.
NAMES = [
    "<script>window.pwned=1</script>",
    "<img src=x onerror='window.pwned=2'> **b** [a](javascript:pwned)",
    "{{7*7}} ${7*7} </textarea></pre></script> &lt;b&gt;",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd",
    "\u0645\u0631\u062d\u0628\u0627\u200f (admin)",
    "\U0001f469\u200d\U0001f4bb\U0001f525 \u00c9milie",
    "100%_\\ sure",
    "w" * 255,
]


def register(served: Served, username: str, **more: Any) -> dict[str, Any]:
    """A user; an address of its own unless it is given one."""
    body = {"username": username, "email": f"{uuid4().hex}@example.com", "full_name": username} | more
    with served.api() as api:
        return dict(api.post("/api/v1/users", json=body).raise_for_status().json())


def set_rule(served: Served, name: str, **rule: Any) -> None:
    with served.api() as api:
        api.put("/api/v1/enrollment-rules", json={"rules": {name: rule}}).raise_for_status()


def rows(page: Page) -> Locator:
    return card(page, "Users").locator("li .row-link")


def inbox_row(page: Page, name: str) -> Locator:
    return card(page, "Waiting for a decision").locator("li", has_text=name)


async def test_search_finds_while_one_types(served: Served, visit: Visit) -> None:
    register(served, "s.quist", full_name="Søren Quist", email="quist-mail@example.com", department="Observatory")
    register(served, "t.quist", full_name="Tina Quist", role="premium_user", department="Observatory")
    page = await visit("/users")
    await page.evaluate("window.stayed = true")
    box = page.get_by_label(SEARCH)
    for typed, found in (
        ("QUIST", ["Søren Quist", "Tina Quist"]),
        ("quist-mail@EX", ["Søren Quist"]),
        ("SØREN Q", ["Søren Quist"]),
        ("t.qui", ["Tina Quist"]),
        ("q%ist", []),
        ("quis", ["Søren Quist", "Tina Quist"]),
    ):
        await box.fill(typed)
        await expect(rows(page).locator(".title")).to_have_text(found)
    await expect(page.locator(".found")).to_have_text("2 users found")
    register(served, "u.quist", full_name="Uwe Quist")
    await expect(rows(page).locator(".title")).to_have_text(["Søren Quist", "Tina Quist", "Uwe Quist"])
    assert await page.evaluate("window.stayed")
    assert page.url.endswith("/users?search=quis")

    await page.get_by_label("Department").select_option("Observatory")
    await page.wait_for_url("**/users?search=quis&department=Observatory")
    await expect(box).to_have_value("quis")
    await page.get_by_label("Role").select_option("premium_user")
    await expect(rows(page).locator(".title")).to_have_text(["Tina Quist"])
    await page.get_by_label("Filter by status").get_by_role("link", name="suspended").click()
    await expect(page.get_by_text("Nobody fits.")).to_be_visible()
    await page.get_by_role("link", name="Show all").click()
    await page.wait_for_url("**/users")
    for wrong in ("status=none", f"role={'x' * 101}", f"search={'x' * 201}"):
        await page.goto(f"{served.url}/users?{wrong}")
        await expect(page.locator(".apology")).to_be_visible()


async def test_pages_of_users_follow_each_other(served: Served, visit: Visit) -> None:
    for number in range(55):
        register(served, f"pager-{number:03}", department="Pagers")
    page = await visit("/users?department=Pagers")
    await expect(rows(page)).to_have_count(50)
    async with page.expect_navigation():
        await page.get_by_role("link", name="Next").click()
    await expect(rows(page).locator(".title")).to_have_text([f"pager-{number:03}" for number in range(50, 55)])
    await page.get_by_role("link", name="First").click()
    await expect(rows(page)).to_have_count(50)


async def test_a_request_appears_and_is_approved_by_two(served: Served, visit: Visit) -> None:
    page, elsewhere = await visit("/enrollments"), await visit("/tasks")
    other = await visit("/enrollments", token=served.operator("bea", "approver"))
    for one in (page, other, elsewhere):
        await one.evaluate("window.stayed = true")
    user = register(served, "connie", full_name="Connie Tractor", role="contractor")
    row, theirs = inbox_row(page, "Connie Tractor"), inbox_row(other, "Connie Tractor")
    await expect(row).to_contain_text("background check")
    await expect(row).to_contain_text("asked for by admin")
    await expect(elsewhere.locator(".rooms .badge")).to_have_text(re.compile(r"^[1-9]\d*\+?$"))
    waiting = await elsewhere.locator(".rooms .badge").inner_text()

    await row.get_by_role("button", name="Approve").click()
    await page.get_by_label("Reason (optional)").fill("passport seen")
    await page.locator(".sheet").get_by_role("button", name="Approve").click()
    await expect(page.get_by_text("it goes on to the next stage")).to_be_visible()
    await expect(row).to_contain_text("approved by admin")
    await expect(row.get_by_role("button", name="Approve")).to_be_disabled()

    await expect(theirs).to_contain_text("approved by admin")
    await theirs.get_by_role("button", name="Approve").click()
    await expect(other.locator(".sheet")).to_contain_text("read_basic")
    await other.locator(".sheet").get_by_role("button", name="Approve").click()
    await expect(theirs).to_have_count(0)
    await expect(card(page, "Decided").locator("li", has_text="Connie Tractor")).to_contain_text("decided by bea")
    await elsewhere.wait_for_function(
        "(before) => document.querySelector('.rooms .badge')?.textContent !== before", arg=waiting
    )
    assert await page.evaluate("window.stayed") and await elsewhere.evaluate("window.stayed")
    with served.api() as api:
        assert api.get(f"/api/v1/users/{user['id']}").json()["permissions"] == ["read_basic"]


async def test_an_open_question_decides_on_the_stage_that_it_showed(served: Served, visit: Visit) -> None:
    register(served, "stella", full_name="Stella Stages", role="contractor")
    page = await visit("/enrollments", token=served.operator("cay", "approver"))
    await inbox_row(page, "Stella Stages").get_by_role("button", name="Approve").click()
    await expect(page.locator(".sheet")).to_contain_text("background check")
    with served.api() as api:
        found = api.get("/api/v1/enrollments", params={"status": "pending_manual_review"}).json()["items"]
        enrollment = next(one["id"] for one in found if one["username"] == "stella")
        api.post(f"/api/v1/enrollments/{enrollment}/approve").raise_for_status()
    await page.locator(".sheet").get_by_role("button", name="Approve").click()
    await expect(page.get_by_text("another stage of this enrolment waits by now")).to_be_visible()
    with served.api() as api:
        assert api.get(f"/api/v1/enrollments/{enrollment}").json()["stage"] == 1


async def test_duties_that_would_meet_are_told_before_the_decision(served: Served, visit: Visit) -> None:
    with served.api() as api:
        path = "/api/v1/segregation-of-duties"
        before = api.get(path).raise_for_status().json()["pairs"]
        api.put(path, json={"pairs": [*before, ["buy", "pay"]]}).raise_for_status()
    set_rule(served, "buyer", auto_approve=True, permissions=["buy"])
    set_rule(served, "payer", stages=[{"name": "treasurer"}], permissions=["pay"])
    user = register(served, "dora", full_name="Dora Duties", role="buyer")
    with served.api() as api:
        body = {"kind": "permission", "name": "buy"}
        api.post(f"/api/v1/users/{user['id']}/grants", json=body).raise_for_status()
    page = await visit(f"/users/{user['id']}")
    await page.get_by_role("button", name="Change role").click()
    await page.locator(".sheet select").select_option("payer")
    await expect(page.locator(".sheet")).to_contain_text("buy and pay must not meet")
    with served.api() as api:
        api.put(f"/api/v1/users/{user['id']}", json={"role": "payer"}).raise_for_status()
    await page.goto(f"{served.url}/enrollments")
    row = inbox_row(page, "Dora Duties")
    await expect(row).to_contain_text("buy and pay would meet in this user")
    await row.get_by_role("button", name="Approve").click()
    await page.locator(".sheet").get_by_role("button", name="Approve").click()
    await expect(page.locator(".notice")).to_contain_text("must not")
    await row.get_by_role("button", name="Reject").click()
    await page.locator(".sheet").get_by_role("button", name="Reject").click()
    await expect(row).to_have_count(0)
    with served.api() as api:
        api.put(path, json={"pairs": before}).raise_for_status()


async def test_an_end_is_set_and_taken_away(served: Served, visit: Visit) -> None:
    user = register(served, "temp", full_name="Tem Porary")
    page = await visit(f"/users/{user['id']}")
    for option, shown in (("month", True), ("", False)):
        await page.wait_for_timeout(_DOUBLE_TAP)
        await page.get_by_role("button", name="Set an end").click()
        await page.get_by_label("From now on").select_option(option)
        await page.get_by_label("Reason (optional)").fill(f"because {option or 'she stays'}")
        await page.locator(".sheet").get_by_role("button", name="Set it").click()
        await expect(card(page, "What happened")).to_contain_text(f"because {option or 'she stays'}")
        await expect(page.locator(".card.head time")).to_have_count(2 if shown else 1)
        with served.api() as api:
            assert (api.get(f"/api/v1/users/{user['id']}").json()["expires_at"] is not None) == shown


async def test_rejected_and_overdue_requests(served: Served, visit: Visit) -> None:
    set_rule(served, "inspector", stages=[{"name": "line manager", "escalate_after": 0.5}])
    register(served, "ivo", full_name="Ivo Inspector", role="inspector")
    page = await visit("/enrollments")
    row = inbox_row(page, "Ivo Inspector")
    await expect(row.locator(".chip", has_text="overdue")).to_be_visible(timeout=45_000)
    await expect(page.locator("h1")).to_contain_text("overdue")
    await row.get_by_role("button", name="Reject").click()
    await page.get_by_label("Reason (optional)").fill("no contract on file")
    await page.locator(".sheet").get_by_role("button", name="Reject").click()
    await expect(row).to_have_count(0)
    await card(page, "Decided").get_by_label("Decision").select_option("rejected")
    await page.wait_for_url("**/enrollments?decided=rejected")
    decided = card(page, "Decided").locator("li", has_text="Ivo Inspector")
    await expect(decided).to_contain_text("no contract on file")
    await page.get_by_label("Enrolled as").select_option("contractor")
    await expect(decided).to_have_count(0)
    await decided.page.goto(f"{served.url}/enrollments?decided=nonsense")
    await expect(page.locator(".apology")).to_be_visible()


async def test_a_change_of_role_does_what_it_showed(served: Served, visit: Visit) -> None:
    user = register(served, "mover", full_name="Mo Ver")
    page = await visit(f"/users/{user['id']}")
    await page.get_by_role("button", name="Change role").click()
    sheet = page.locator(".sheet")
    await sheet.locator("select").select_option("contractor")
    await expect(sheet).to_contain_text("Waits for approval: background check, review")
    await expect(sheet.locator(".tone-bad")).to_contain_text(["write_basic"])
    await sheet.locator("select").select_option("premium_user")
    await expect(sheet.locator(".word.tone-good")).to_contain_text(["read_premium", "write_premium", "analytics"])
    await expect(sheet.locator(".word.tone-bad")).to_have_count(0)
    # meanwhile the rule gives something else: nothing is done that was not shown
    set_rule(served, "premium_user", auto_approve=True, permissions=["read_basic", "read_gold"], systems=["main_app"])
    try:
        await sheet.get_by_role("button", name="Change it").click()
        await expect(page.get_by_text("has changed since it was shown")).to_be_visible()
    finally:
        with served.api() as api:
            api.put("/api/v1/enrollment-rules", json={"rules": {"premium_user": None}}).raise_for_status()
    await page.wait_for_timeout(_DOUBLE_TAP)
    await page.get_by_role("button", name="Change role").click()
    await sheet.locator("select").select_option("premium_user")
    await expect(sheet.locator(".word.tone-good").first).to_be_visible()
    await page.get_by_label("Reason (optional)").fill("promoted")
    await sheet.get_by_role("button", name="Change it").click()
    await expect(page.locator(".card.head")).to_contain_text("premium_user")
    await expect(card(page, "Access")).to_contain_text("write_premium")
    story = card(page, "What happened")
    await expect(story).to_contain_text("promoted")
    await expect(story.locator("del", has_text="standard_user")).to_be_visible()
    await expect(story.locator(".word.tone-good", has_text="read_premium")).to_be_visible()


async def test_lifecycle_with_reasons_and_grants_with_an_end(served: Served, visit: Visit) -> None:
    boss = register(served, "the.boss", full_name="Beate Boss")
    user = register(served, "leaver", full_name="Lea Ver", manager_id=boss["id"])
    page = await visit(f"/users/{user['id']}")
    sheet = page.locator(".sheet")
    await page.get_by_role("button", name="Grant…").click()
    await sheet.get_by_label("Its name").fill("read_ledger")
    await sheet.get_by_label("How long").select_option("week")
    await sheet.get_by_label("Reason (optional)").fill("year end")
    await sheet.get_by_role("button", name="Grant it").click()
    access = card(page, "Access")
    await expect(access.locator("li", has_text="read_ledger")).to_contain_text("ends 20")
    await expect(access.locator(".word", has_text="read_ledger")).to_be_visible()
    await access.get_by_role("button", name="Revoke").click()
    await sheet.get_by_role("button", name="Revoke it").click()
    await expect(access.locator(".word", has_text="read_ledger")).to_have_count(0)

    for words, state in (
        ("Suspend", "suspended"),
        ("Activate", "active"),
        ("Deactivate", "inactive"),
        ("Archive", "archived"),
    ):
        await page.get_by_role("button", name=words, exact=True).click()
        await sheet.get_by_label("Reason (optional)").fill(f"because of {state}")
        await sheet.get_by_role("button", name=words, exact=True).click()
        await expect(page.locator(".card.head .chip", has_text=state)).to_be_visible()
        await expect(card(page, "What happened")).to_contain_text(f"because of {state}")
    await expect(access).to_contain_text("No access: the user is archived.")
    await expect(page.get_by_role("button", name="Grant…")).to_have_count(0)
    await card(page, "Manager and reports").get_by_role("link", name="Beate Boss").click()
    await page.wait_for_url(f"**/users/{boss['id']}")
    await expect(card(page, "Manager and reports").get_by_role("link", name="Lea Ver")).to_be_visible()


async def test_who_may_only_read_has_no_buttons(served: Served, visit: Visit) -> None:
    user = register(served, "looked.at", role="contractor")
    viewer = served.operator("vito", "viewer")
    page = await visit(f"/users/{user['id']}", token=viewer)
    await expect(page.get_by_text("You may read this. To act on it you need the role")).to_be_visible()
    assert await page.locator(".content .button").count() == 0
    await page.goto(f"{served.url}/enrollments")
    await expect(inbox_row(page, "looked.at")).to_be_visible()
    await expect(page.get_by_text("You may look at these, not decide them")).to_be_visible()
    assert await page.locator(".content .button").count() == 0


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_hostile_names_are_shown_and_do_nothing(served: Served, visit: Visit, size: tuple[int, int]) -> None:
    mark = f"h{uuid4().hex[:6]}"
    users = []
    for number, name in enumerate(NAMES):
        username = (f"{mark}{number}" + name)[:255]
        more = {"department": name[:200], "tags": [name[:200]], "profile_data": {name: name}, "external_id": username}
        role = "contractor" if number % 2 else "standard_user"
        users.append(register(served, username, full_name=name, role=role, **more))
        with served.api() as api:
            api.put(f"/api/v1/users/{users[-1]['id']}", json={"full_name": f"{name} II", "reason": name})
    page = await visit(f"/users?search={mark}", size=size)
    await expect(rows(page).locator(".title")).to_have_text([f"{name} II" for name in NAMES])
    await assert_inert(page)
    for typed in NAMES[:3]:
        await page.get_by_label(SEARCH).fill(typed)
        await expect(rows(page).locator(".title", has_text=typed).first).to_be_visible()
        await assert_inert(page)
    for name, user in zip(NAMES, users, strict=True):
        await page.goto(f"{served.url}/users/{user['id']}")
        await expect(page.locator("h1")).to_have_text(f"{name} II")
        await expect(card(page, "What happened").locator("ins")).to_have_text(f"{name} II")
        await page.get_by_role("button", name="Change role").click()
        await expect(page.locator(".sheet h2")).to_contain_text(name)
        await assert_inert(page)
    await page.goto(f"{served.url}/enrollments")
    for name in NAMES[1::2]:
        await expect(inbox_row(page, f"{name} II").first).to_be_visible()
    await assert_inert(page)
    with served.api() as api:  # nobody else has to find them in the inbox
        for user in users:
            api.delete(f"/api/v1/users/{user['id']}").raise_for_status()


async def test_every_naughty_string_is_only_text(served: Served, visit: Visit) -> None:
    """As full name and department of users in the list, and of those who wait in the inbox."""
    with served.api() as api:
        made = api.post("/api/v1/tenants", json={"name": f"naughty-{uuid4().hex[:8]}", "operator": "ada"})
        token = made.raise_for_status().json()["token"]
    texts = [text for text in NAUGHTY if not any(one == "\0" or "\ud800" <= one <= "\udfff" for one in text)]
    lines = [
        {"username": f"n{n:04}", "email": f"n{n:04}@example.com", "full_name": text, "department": text[:200],
         "role": "contractor"}
        for n, text in enumerate(texts)
    ]  # fmt: skip
    shown: dict[str, str] = {}
    with served.api(token) as api:
        body = "\n".join(json.dumps(line) for line in lines).encode()
        kind = {"Content-Type": "application/x-ndjson"}
        job = api.post("/api/v1/users/bulk-import", content=body, headers=kind).raise_for_status().json()
        until = time.monotonic() + 60
        while not api.get(f"/api/v1/users/imports/{job['job_id']}").json()["ended_at"]:
            assert time.monotonic() < until
            await asyncio.sleep(0.05)
        after: str | None = ""
        while after is not None:
            found = api.get("/api/v1/users", params={"limit": 200} | ({"after": after} if after else {})).json()
            shown |= {one["username"]: one["full_name"] for one in found["items"]}
            after = found["next"]
    assert len(shown) > 500
    names = list(shown.values())
    page = await visit("/users", token=token)
    for begin in range(0, len(names), 50):
        if begin:
            await page.goto(f"{served.url}/users?after={list(shown)[begin - 1]}")
        await expect(rows(page)).to_have_count(len(names[begin : begin + 50]))
        assert await rows(page).locator(".title").all_text_contents() == names[begin : begin + 50]
        await assert_inert(page)
    await page.goto(f"{served.url}/enrollments")
    waiting = card(page, "Waiting for a decision")
    told = ""
    while True:
        await expect(waiting.locator("li").first).to_be_visible()
        told += "\n".join(await waiting.locator("li").all_text_contents())
        await assert_inert(page)
        further = waiting.locator("a[href*='after=']")
        if not await further.count():
            break
        await page.goto(f"{served.url}{await further.first.get_attribute('href')}")
    assert [name for name in names if name not in told] == []


async def assert_inert(page: Page) -> None:
    assert await page.evaluate("window.pwned") is None
    assert await page.locator(".content img, .content script, .content b, .content strong").count() == 0
    assert await page.locator(".content a[href^='javascript']").count() == 0
    assert await overflow(page) == 0


async def overflow(page: Page) -> int:
    return int(await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("size", [DESK, PHONE, (820, 900), (1024, 768)], ids=lambda size: f"{size[0]}")
async def test_people_pages_fit(served: Served, visit: Visit, size: tuple[int, int]) -> None:
    name = f"{size[0]}{'x' * 200}"
    user = register(served, f"fits-{size[0]}", full_name=name, role="contractor", department="y" * 200)
    page = await visit("/users/import", size=size)
    for path in ("/users/import", "/access-reviews", "/users", f"/users/{user['id']}", "/enrollments"):
        if not page.url.endswith(path):  # one browser: what it has loaded once it need not load again
            await page.goto(served.url + path)
        await expect(page.locator("h1").first).to_be_visible()
        await expect(page.locator(".rooms .badge")).to_be_visible()
        assert await overflow(page) == 0, path
        heights = await page.evaluate(
            "[...document.querySelectorAll('.button, .rooms a, .field select, .search .q-field__control')]"
            ".filter(b => b.offsetParent).map(b => b.offsetHeight)"
        )
        assert heights and min(heights) >= 44
    await inbox_row(page, name).get_by_role("button", name="Approve").click()
    await expect(page.locator(".sheet").get_by_role("button", name="Approve")).to_be_in_viewport()
    assert await overflow(page) == 0


async def test_another_tenants_people_are_not_there(served: Served, visit: Visit) -> None:
    user = register(served, "ours.alone", role="contractor")
    with served.api() as api:
        stranger = api.post("/api/v1/tenants", json={"name": "people-next-door", "operator": "nora"}).json()["token"]
    page = await visit("/users", token=stranger)
    await expect(page.get_by_role("heading", name="Nobody is registered yet")).to_be_visible()
    await expect(page.get_by_text("opsteward users import FILE")).to_be_visible()
    await expect(page.locator(".rooms .badge")).to_have_count(0)
    await page.goto(f"{served.url}/enrollments")
    await expect(page.get_by_role("heading", name="Nobody waits to be let in")).to_be_visible()
    await page.goto(f"{served.url}/users/{user['id']}")
    await expect(page.get_by_role("heading", name="Not found")).to_be_visible()


@pytest.mark.parametrize(
    "path",
    ["/users", "/users/import", "/enrollments", "/users/0192f0c1-2345-7abc-8def-0123456789ab", "/access-reviews"],
)
def test_people_pages_ask_for_a_session(served: Served, path: str) -> None:
    answer = httpx.get(served.url + path, timeout=15)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
