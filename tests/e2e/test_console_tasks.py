"""Tasks, agents and the emergency controls in the console: live, filtered, cancelled, run anew, paused, on a phone."""

from __future__ import annotations

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Locator, Page, expect

from .conftest import DESK, PHONE, Served, Visit
from .test_console_pages import HOSTILE

ECHO = "opsteward.echo"


def submit(served: Served, name: str, *, task_type: str = ECHO, **more: Any) -> str:
    """A task's id."""
    with served.api() as api:
        body = {"task_type": task_type, "name": name, **more}
        return str(api.post("/api/v1/tasks", json=body).raise_for_status().json()["id"])


def dead_letter(served: Served, name: str) -> str:
    """A task that used up its two tries."""
    return submit(
        served, name, parameters={"seconds": 30}, timeout=0.2, max_retries=1, backoff_factor=1, max_backoff=0.1
    )


def card(page: Page, title: str) -> Locator:
    """The card under this heading."""
    return page.locator("section.card").filter(has=page.get_by_role("heading", name=title, exact=True))


def row_of(page: Page, name: str) -> Locator:
    return card(page, "Tasks").locator("li", has_text=name).first


async def test_a_task_moves_and_ends_without_reloading(served: Served, visit: Visit) -> None:
    page, detail_of = await visit("/tasks"), await visit("/tasks")
    await page.evaluate("window.stayed = true")
    task_id = submit(served, "Count the stars", parameters={"message": "many", "seconds": 4}, description="All of them")
    await detail_of.goto(f"{served.url}/tasks/{task_id}")
    await detail_of.evaluate("window.stayed = true")
    row = row_of(page, "Count the stars")
    await expect(row).to_contain_text("running")
    await expect(row.get_by_role("progressbar")).to_be_visible()
    await expect(detail_of.locator(".card.head")).to_contain_text(re.compile(r"[1-9] of 10"))

    await expect(row).to_contain_text("completed")
    await expect(row.get_by_role("progressbar")).to_have_count(0)
    await expect(detail_of.locator(".timeline")).to_contain_text("completed")
    await expect(card(detail_of, "Result").locator("pre")).to_contain_text('"message": "many"')
    await expect(detail_of.locator(".graph")).to_have_count(0)  # it stands alone
    assert await page.evaluate("window.stayed") and await detail_of.evaluate("window.stayed")
    await row.get_by_role("link").click()
    await page.wait_for_url(f"**/tasks/{task_id}")


async def test_filters_stand_in_the_address(served: Served, visit: Visit) -> None:
    submit(served, "An urgent one", priority="critical", delay=3600)
    failed = submit(served, "Look at nothing", task_type="systems.check", parameters={"system_id": str(uuid4())})
    page = await visit("/tasks")
    await page.get_by_label("Priority").select_option("critical")
    await page.wait_for_url("**/tasks?priority=critical")
    await expect(row_of(page, "An urgent one")).to_be_visible()
    await expect(page.get_by_text("Look at nothing")).to_have_count(0)
    await page.get_by_label("Priority").select_option("")
    await page.wait_for_url("**/tasks")
    await page.get_by_label("Type").select_option("systems.check")
    await page.wait_for_url("**/tasks?type=systems.check")
    await page.get_by_label("Filter by status").get_by_role("link", name="failed").click()
    await page.wait_for_url("**/tasks?status=failed&type=systems.check")
    await expect(row_of(page, "Look at nothing")).to_contain_text("no system of this id")
    await page.goto(f"{served.url}/tasks/{failed}")
    await expect(page.locator(".timeline")).to_contain_text("trying again would not mend it")
    for wrong in ("status=none", "priority=9", "before=x", f"type={'x' * 101}"):
        await page.goto(f"{served.url}/tasks?{wrong}")
        await expect(page.locator(".apology")).to_be_visible()


async def test_older_pages_follow_each_other(served: Served, visit: Visit) -> None:
    with served.api() as api:
        tasks = [{"task_type": ECHO, "name": f"page-{n:03}", "priority": "background"} for n in range(120)]
        api.post("/api/v1/tasks/bulk", json={"tasks": tasks}, headers={"Idempotency-Key": "pages"}).raise_for_status()
    page = await visit("/tasks?priority=background")
    seen: list[str] = []
    for number in range(3):
        await expect(page.get_by_role("link", name="Newest")).to_have_count(1 if number else 0)
        seen += [text.strip() for text in await page.locator("section.card .row-link .title").all_inner_texts()]
        if number < 2:
            async with page.expect_navigation():
                await page.get_by_role("link", name="Older").click()
    assert seen == [f"page-{n:03}" for n in reversed(range(120))]


async def test_cancelling_takes_along_what_waits_for_it(served: Served, visit: Visit) -> None:
    first = submit(served, "Dig", delay=3600)
    after = submit(served, "Plant", dependencies=[first])
    page, other = await visit(f"/tasks/{first}"), await visit(f"/tasks/{after}")
    graph = other.locator(".graph")
    await expect(graph.get_by_role("link", name="Dig")).to_be_visible()
    await expect(graph.locator("path")).to_have_count(1)
    await page.get_by_role("button", name="Cancel").click()
    await page.get_by_label("Reason (optional)").fill("the ground is frozen")
    await page.get_by_role("button", name="Cancel the task").click()
    await expect(page.locator(".timeline")).to_contain_text("cancelled by admin: the ground is frozen")
    await expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    await expect(other.locator(".card.head")).to_contain_text("cancelled")
    await expect(other.locator(".timeline")).to_contain_text("a task that it depends on was cancelled")


async def test_dead_letters_are_run_anew_one_and_all(served: Served, visit: Visit) -> None:
    ids = [dead_letter(served, f"Hopeless {n}") for n in range(3)]
    page = await visit(f"/tasks/{ids[0]}")
    await expect(page.locator(".timeline")).to_contain_text("try 2 failed")
    await expect(page.locator(".timeline")).to_contain_text("all its tries are used up")
    await page.get_by_role("button", name="Run it anew").click()
    await expect(page.locator(".timeline")).to_contain_text("try 4 failed")

    await page.goto(f"{served.url}/tasks?status=dead_letter&type={ECHO}")
    await expect(page.locator(".row-link", has_text="Hopeless")).to_have_count(3)
    await page.get_by_role("button", name="Run them all anew").click()
    await page.locator(".sheet").get_by_role("button", name="Run them anew").click()
    await expect(page.get_by_text("They are run anew")).to_be_visible()
    await page.goto(f"{served.url}/tasks/{ids[2]}")
    await expect(page.locator(".timeline")).to_contain_text("try 4 failed")


async def test_a_pause_stands_on_every_page_and_ends_from_any(served: Served, visit: Visit) -> None:
    mine, other = await visit("/tasks"), await visit("/")
    viewer = await visit("/agents", token=served.operator("vic", "viewer"))
    await expect(viewer.get_by_role("button", name="Pause")).to_have_count(0)
    await mine.get_by_role("button", name="Pause…").click()
    await mine.get_by_label("What to pause").select_option(label=f"Task type {ECHO}")
    await mine.get_by_label("Reason (optional)").fill(f"a drill {HOSTILE}")
    await mine.get_by_role("button", name="Pause it").click()
    for page in (mine, other, viewer):
        banner = page.locator(".paused").get_by_role("alert")
        await expect(banner).to_contain_text(f"Task type {ECHO} is paused")
        await expect(banner).to_contain_text("by admin")
        await expect(banner).to_contain_text(f"a drill {HOSTILE}"[:60])
        assert await page.evaluate("window.pwned") is None
    await expect(viewer.get_by_role("button", name="Resume")).to_have_count(0)

    submit(served, "Held back by the drill")
    await expect(row_of(mine, "Held back by the drill")).to_contain_text("paused")
    await other.get_by_role("button", name="Resume").click()
    for page in (mine, other, viewer):
        await expect(page.locator(".paused")).to_be_hidden()
    await expect(row_of(mine, "Held back by the drill")).to_contain_text("completed")


async def test_a_pause_of_everything_reaches_the_pages_of_other_tenants(served: Served, visit: Visit) -> None:
    with served.api() as api:
        stranger = api.post("/api/v1/tenants", json={"name": "neighbour", "operator": "nele"}).json()["token"]
    page = await visit("/tasks", token=stranger)
    await expect(page.locator(".tenant")).to_have_text("neighbour")
    with served.api() as api:
        api.post("/api/v1/controls/everything/pause", json={"reason": "the hall is on fire"}).raise_for_status()
        try:
            banner = page.locator(".paused").get_by_role("alert")
            await expect(banner).to_contain_text("Everything is paused")
            await expect(banner).to_contain_text("by a platform operator")
            await expect(banner).to_contain_text("the hall is on fire")
            await expect(banner.get_by_role("button")).to_have_count(0)
        finally:
            api.post("/api/v1/controls/everything/resume").raise_for_status()
    await expect(page.locator(".paused")).to_be_hidden()


async def test_hostile_tasks_are_shown_and_do_nothing(served: Served, visit: Visit) -> None:
    name = HOSTILE[:200]
    task_id = submit(
        served,
        name,
        description=HOSTILE,
        parameters={"message": HOSTILE},
        metadata={HOSTILE: HOSTILE},
        dedup_key=HOSTILE[:100],
    )
    with served.api() as api:
        body = {"name": name, "cron": "0 0 1 1 *", "task": {"task_type": ECHO}}
        schedule = api.post("/api/v1/schedules", json=body).raise_for_status().json()["id"]
    page = await visit("/tasks")
    await expect(page.locator(".row-link .title", has_text="{{7*7}}").first).to_have_text(name)
    await expect(card(page, "Schedules").locator(".title", has_text="{{7*7}}")).to_have_text(name)
    await _assert_inert(page)
    await page.goto(f"{served.url}/tasks/{task_id}")
    await expect(page.locator("h1")).to_have_text(name)
    await expect(card(page, "Result").locator("pre")).to_contain_text("{{7*7}}")
    await _assert_inert(page)
    with served.api() as api:
        api.delete(f"/api/v1/schedules/{schedule}").raise_for_status()


async def _assert_inert(page: Page) -> None:
    assert await page.evaluate("window.pwned") is None
    assert await page.locator(".content img, .content script, .content b, .content strong").count() == 0
    assert await page.locator(".content a[href^='javascript']").count() == 0


async def test_a_schedule_shows_its_next_time_and_is_paused(served: Served, visit: Visit) -> None:
    page = await visit("/tasks")
    with served.api() as api:
        body = {"name": "New year", "cron": "0 0 1 1 *", "task": {"task_type": ECHO}}
        api.post("/api/v1/schedules", json=body).raise_for_status()
    row = card(page, "Schedules").locator("li", has_text="New year")
    await expect(row).to_contain_text("-01-01 00:00 UTC")
    await row.get_by_role("button", name="Pause").click()
    await expect(row.locator(".chip")).to_contain_text("paused")
    await row.get_by_role("button", name="Resume").click()
    await expect(row.locator(".chip")).to_have_count(0)


async def test_agents_are_seen_and_ordered_about(served: Served, visit: Visit) -> None:
    with served.api() as api:
        kind = api.get("/api/v1/agents").json()["items"][0]["kind"]
        api.post("/api/v1/agents", json={"kind": kind, "name": "spare-watch"}).raise_for_status()
    page = await visit("/agents")
    processes = card(page, "Processes")
    await expect(processes.locator("li").first).to_contain_text("alive")
    await expect(processes.locator("li").first).to_contain_text("leader")
    await expect(page.locator(".charts svg polyline").first).to_be_attached(timeout=60_000)
    row = card(page, "Agents").locator("li", has_text="spare-watch")
    await expect(row.locator(".chip")).to_contain_text("running")
    await row.get_by_role("button", name="Pause").click()
    await expect(row.locator(".chip")).to_contain_text("paused")
    await row.get_by_role("button", name="Resume").click()
    await expect(row.locator(".chip")).to_contain_text("running")
    await row.get_by_role("button", name="Stop").click()
    await page.locator(".sheet").get_by_role("button", name="Stop").click()
    await expect(row.locator(".chip")).to_contain_text("stopped")
    await row.get_by_role("button", name="Start").click()
    await expect(row.locator(".chip")).to_contain_text("running")
    viewer = await visit("/agents", token=served.operator("ava", "viewer"))
    await expect(viewer.locator("li", has_text="spare-watch")).to_be_visible()
    assert await viewer.locator(".content .button").count() == 0


async def test_thousands_of_notices_are_few_readings(served: Served, visit: Visit) -> None:
    page = await visit("/tasks?priority=low")
    frames: list[int] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda data: frames.append(len(data))))
    await page.reload()
    with served.api() as api:
        tasks = [{"task_type": ECHO, "name": f"flood-{n}", "priority": "low"} for n in range(1000)]
        api.post("/api/v1/tasks/bulk", json={"tasks": tasks}).raise_for_status()
        await expect(row_of(page, "flood-999")).to_contain_text("completed", timeout=60_000)
    assert len(frames) < 400


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_task_pages_fit_desk_and_phone(served: Served, visit: Visit, size: tuple[int, int]) -> None:
    long_word = "x" * 200
    first = submit(served, long_word, parameters={"message": long_word}, metadata={long_word: long_word}, delay=3600)
    after = submit(served, f"after {long_word[:190]}", dependencies=[first])
    with served.api() as api:
        api.post("/api/v1/controls/pause", json={"scope": "action", "target": "log_only", "reason": long_word})
        try:
            page = await visit("/tasks", size=size)
            for path in ("/tasks", f"/tasks/{first}", f"/tasks/{after}", "/agents", "/"):
                if not page.url.endswith(path):  # one browser: what it has loaded once it need not load again
                    await page.goto(served.url + path)
                await expect(page.locator(".paused", has_text="log_only")).to_be_visible()
                await expect(page.locator("h1").first).to_be_visible()
                assert await _overflow(page) == 0, path
                heights = await page.evaluate(
                    "[...document.querySelectorAll('.button, .rooms a, .field select')]"
                    ".filter(b => b.offsetParent).map(b => b.offsetHeight)"
                )
                assert heights and min(heights) >= 44
        finally:
            api.post("/api/v1/controls/resume", json={"scope": "action", "target": "log_only"})
    await page.goto(served.url + "/tasks")
    await page.get_by_role("button", name="Pause…").click()
    await expect(page.locator(".sheet").get_by_role("button", name="Pause it")).to_be_in_viewport()
    assert await _overflow(page) == 0


async def _overflow(page: Page) -> int:
    return int(await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("path", ["/tasks", "/agents", "/tasks/0192f0c1-2345-7abc-8def-0123456789ab"])
def test_task_pages_ask_for_a_session(served: Served, path: str) -> None:
    answer = httpx.get(served.url + path, timeout=15)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


async def test_another_tenants_task_is_not_there(served: Served, visit: Visit) -> None:
    task_id = submit(served, "Ours alone", delay=3600)
    with served.api() as api:
        stranger = api.post("/api/v1/tenants", json={"name": "curious", "operator": "cora"}).json()["token"]
    page = await visit(f"/tasks/{task_id}", token=stranger)
    await expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    await page.goto(f"{served.url}/tasks")
    await expect(page.get_by_role("heading", name="No task runs or waits")).to_be_visible()
