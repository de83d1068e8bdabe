"""What only a browser shows: pages that stay true by themselves, no script but ours, and work with one thumb."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from playwright.async_api import Locator, Page, Route, expect

from .conftest import DESK, PHONE, Served, Visit
from .test_console_pages import HOSTILE, waiting_for


async def test_what_happens_appears_without_reloading(served: Served, visit: Visit) -> None:
    page = await visit("/")
    await page.evaluate("window.stayed = true")
    taken = served.send(message="checkout is stuck", source="checkout", error_type="QueueStuck", severity="high")
    row = page.get_by_role("link", name="QueueStuck: checkout is stuck")
    await expect(row).to_be_visible()
    await row.click()
    await page.wait_for_url(f"**/incidents/{taken['incident_id']}")
    detected = page.locator(".timeline details").first
    await detected.locator("summary").click()
    await page.evaluate("window.stayed = true")
    served.send(message="checkout is stuck", source="checkout", error_type="QueueStuck", severity="high")
    await expect(page.locator(".card.head")).to_contain_text("2 events")
    await expect(detected.locator("pre")).to_be_visible()  # what was opened stays open
    assert await page.evaluate("window.stayed")


async def test_what_happened_before_a_page_follows_the_news_appears(served: Served, visit: Visit) -> None:
    taken = served.send(message="oven is hot", source="oven", error_type="OvenHot", severity="high")
    page = await visit("/settings")
    held: asyncio.Queue[Route] = asyncio.Queue()
    await page.route("**/console/stream*", held.put)
    await page.goto(f"{served.url}/incidents/{taken['incident_id']}")
    stream = await held.get()  # it is read, and follows nothing yet
    served.send(message="oven is hot", source="oven", error_type="OvenHot", severity="high")
    await stream.continue_()
    await expect(page.locator(".card.head")).to_contain_text("2 events")


async def test_what_is_typed_is_not_lost_to_news(served: Served, visit: Visit) -> None:
    taken = served.send(message="cache is cold", source="cache", error_type="ColdCache", severity="high")
    page = await visit(f"/incidents/{taken['incident_id']}")
    await page.get_by_text("Resolve…").click()
    await page.get_by_role("textbox", name="Reason (optional)").fill("warmed by hand")
    other = await visit(f"/incidents/{taken['incident_id']}")
    served.send(message="cache is cold", source="cache", error_type="ColdCache", severity="high")
    await expect(other.locator(".card.head")).to_contain_text("2 events")  # so the first was told, too
    assert await page.get_by_role("textbox", name="Reason (optional)").input_value() == "warmed by hand"
    await page.get_by_role("button", name="Resolve", exact=True).click()
    await expect(page.locator("#said")).to_contain_text("Resolved")
    await expect(page.locator(".card.head")).to_contain_text("warmed by hand")


async def test_hostile_text_does_nothing_by_push_either(served: Served, visit: Visit) -> None:
    event = {"message": f"timeout {HOSTILE}", "source": f"evil {HOSTILE}", "error_type": "Bang", "severity": "high"}
    taken = served.send(**event)
    page = await visit(f"/incidents/{taken['incident_id']}")
    await expect(page.locator(".message").first).to_have_text(f"timeout {HOSTILE}")
    served.send(**event)
    await expect(page.locator(".card.head")).to_contain_text("2 events")
    assert await page.evaluate("window.pwned") is None
    assert await page.locator("main img, main script, main iframe").count() == 0


@pytest.mark.usefixtures("standing_orders")
async def test_an_approval_is_decided_with_one_thumb(served: Served, visit: Visit) -> None:
    served.send(message="refunds fail", source="billing", error_type="RefundError", severity="high")
    for size in (PHONE, DESK):
        page = await visit("/approvals", size=size)
        card = page.locator(".approval").first
        for name in ("Approve", "Refuse"):
            await expect(card.get_by_role("button", name=name)).to_be_in_viewport()
    await page.locator(".approval").first.get_by_role("button", name="Refuse").click()
    await expect(page.locator("#said")).to_contain_text("Refused: it will not be done")


async def test_a_file_of_users_is_tried_out_and_taken(visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("username,email,full_name\nmia,mia@example.com,Mia M\n,broken,\n")
    page = await visit("/users/import")
    for press, words in (("Try it out", "would be added"), ("Import", "added")):
        await _send(page, file, press)
        await expect(page.locator("#job .figures dt").nth(1)).to_have_text(words)  # not that of the trial still
        await expect(page.locator("#job")).to_contain_text("username is missing")
    await page.goto(page.url.split("/users")[0] + "/users?search=mia")
    await expect(page.get_by_role("link", name="Mia M")).to_be_visible()


async def _send(page: Page, file: Path, press: str) -> None:
    await page.locator("input[type=file]").set_input_files(file)
    await page.get_by_role("button", name=press, exact=True).click()
    await page.wait_for_url("**/users/import?job=*")


async def test_keys_alone_lead_from_anywhere_to_an_incident_and_through_a_list(served: Served, visit: Visit) -> None:
    taken = served.send(message="ledger is late", source="ledger", error_type="LateLedger", severity="high")
    page = await visit("/settings")
    await page.keyboard.press("Control+k")
    await expect(page.get_by_role("dialog", name="Search").get_by_role("link", name="Systems")).to_be_visible()
    await page.keyboard.type("LateLedger")
    await expect(page.get_by_role("dialog", name="Search").get_by_role("link", name="LateLedger")).to_be_visible()
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/incidents/{taken['incident_id']}")
    await page.goto(served.url + "/incidents")
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/incidents/*-*")


@pytest.mark.usefixtures("standing_orders")
async def test_keys_alone_sign_in_approve_and_resolve(served: Served, visit: Visit) -> None:
    name = f"Keyboard{uuid4().hex[:6]}"
    taken = served.send(message=f"{name} fails", source="billing", error_type=name, severity="high")
    with served.api() as api:
        waiting = waiting_for(api, name)
    page = await visit("/", signed_in=False)
    await _reach(page, page.get_by_text("With an API token"))
    await page.keyboard.press("Enter")
    await _reach(page, page.get_by_label("API token"))
    await page.keyboard.type(served.operator(f"k{uuid4().hex[:8]}", "admin"))
    await page.keyboard.press("Enter")
    await expect(page.locator(".headline h1")).to_be_visible()
    await page.wait_for_load_state()  # keys are heard once the script is there
    await page.keyboard.press("Control+k")
    await page.keyboard.type("Approvals")
    await page.keyboard.press("Enter")  # before what is typed was looked for
    await page.wait_for_url("**/approvals")
    card = page.locator(f"#approval-{waiting['id']}")
    await _reach(page, card.get_by_role("button", name="Approve"))
    await page.keyboard.press("Enter")
    await expect(page.locator("#said")).to_contain_text("Approved")
    await page.goto(f"{served.url}/incidents/{taken['incident_id']}")
    await _reach(page, page.get_by_text("Resolve…"))
    await page.keyboard.press("Enter")
    await _reach(page, page.locator("#resolve").get_by_label("Reason (optional)"))
    await page.keyboard.type("told by hand")
    await _reach(page, page.locator("#resolve").get_by_role("button", name="Resolve"))
    await page.keyboard.press("Enter")
    await expect(page.locator("#said")).to_contain_text("Resolved")


async def _reach(page: Page, wanted: Locator) -> None:
    """Press Tab until it has the focus, as who has no mouse does; where the focus is must be seen all the way."""
    for _ in range(150):
        await page.keyboard.press("Tab")
        seen = await page.evaluate(
            """() => {
              const one = document.activeElement, {width} = one.getBoundingClientRect();
              return one === document.body || (width > 0 && getComputedStyle(one).outlineStyle !== "none");
            }"""
        )
        assert seen, await page.evaluate("document.activeElement.outerHTML")
        if await wanted.evaluate("(one) => one === document.activeElement || one.contains(document.activeElement)"):
            return
    pytest.fail(f"{wanted} is not reached by Tab")
