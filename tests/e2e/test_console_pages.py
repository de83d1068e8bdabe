"""What the pages show and do: live without reloading, approvals by the right person, hostile text inert, on a phone."""

from __future__ import annotations

import ast
import re
import time
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

import opsteward.console

from .conftest import DESK, PHONE, Served, Visit

HOSTILE = (
    "<script>window.pwned=1</script> <img src=x onerror='window.pwned=2'> **bold** [a](javascript:pwned) "
    "{{7*7}} ${7*7} `tick` </textarea></pre></script> &lt;b&gt; \u202e drawkcab"
)


async def test_what_happens_appears_without_reloading(served: Served, visit: Visit) -> None:
    page = await visit("/")
    await expect(page.locator(".headline h1")).to_be_visible()
    await page.evaluate("window.stayed = true")
    taken = served.send(message="checkout queue is stuck", source="checkout", error_type="QueueStuck", severity="high")
    row = page.get_by_role("link", name="QueueStuck: checkout queue is stuck")
    await expect(row).to_contain_text("1 event")
    await expect(
        page.locator("section", has_text="What ran, and why").get_by_text("done and verified").first
    ).to_be_visible()

    await row.click()
    await page.wait_for_url(f"**/incidents/{taken['incident_id']}")
    await expect(page.locator(".timeline")).to_contain_text("Detected: QueueStuck")
    await page.evaluate("window.stayed = true")
    again = served.send(message="checkout queue is stuck", source="checkout", error_type="QueueStuck", severity="high")
    assert again["incident_id"] == taken["incident_id"]
    await expect(page.locator(".card.head")).to_contain_text("2 events")

    await page.get_by_role("button", name="Acknowledge").click()
    await expect(page.locator(".card.head")).to_contain_text("acknowledged")
    await expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    await page.get_by_role("button", name="Resolve").click()
    await page.get_by_label("Reason (optional)").fill("the queue was emptied by hand")
    await page.locator(".sheet").get_by_role("button", name="Resolve").click()
    await expect(page.locator(".card.head")).to_contain_text("the queue was emptied by hand")
    await expect(page.locator(".milestones li", has_text="Total")).not_to_contain_text("not yet")
    assert await page.evaluate("window.stayed")


async def test_evidence_stays_open_while_news_come_in(served: Served, visit: Visit) -> None:
    taken = served.send(message="cache is cold", source="cache", error_type="ColdCache", context={"ratio": 0.03})
    page = await visit(f"/incidents/{taken['incident_id']}")
    detected = page.locator(".timeline details").first
    await detected.locator("summary").click()
    await expect(detected.locator("pre")).to_contain_text('"source": "cache"')
    served.send(message="cache is cold", source="cache", error_type="ColdCache", context={"ratio": 0.01})
    await expect(page.locator(".card.head")).to_contain_text("2 events")
    await expect(detected.locator("pre")).to_be_visible()


async def test_a_viewer_has_no_buttons(served: Served, visit: Visit) -> None:
    taken = served.send(message="disk is full", source="archive", error_type="DiskFull", severity="high")
    page = await visit(f"/incidents/{taken['incident_id']}", token=served.operator("vera", "viewer"))
    await expect(page.get_by_text("You may read this. To act on it you need the role")).to_be_visible()
    assert await page.locator(".content .button").count() == 0


@pytest.mark.usefixtures("standing_orders")
async def test_approval_by_another_operator_for_exactly_the_plan_that_was_shown(served: Served, visit: Visit) -> None:
    approver = served.operator("bo", "approver")
    taken = served.send(message="invoices fail", source="billing", error_type="InvoiceError", severity="high")
    mine, theirs = await visit("/"), await visit("/", token=approver)
    card, sheet = theirs.locator("section.card", has_text="Waiting for approval"), theirs.locator(".sheet")

    await card.get_by_role("button", name="Approve").click()
    await expect(sheet).to_contain_text("invoices fail")
    with served.api() as api:
        approval = api.get("/api/v1/approvals").json()["items"][0]
        await expect(sheet).to_contain_text(approval["plan_hash"][:12])
        params = approval["params"] | {"title": "Somebody else's title"}
        api.put(f"/api/v1/actions/{approval['action_id']}/params", json={"params": params}).raise_for_status()
    # The card follows to the new plan; the open question still shows the old one, and can't be used for the new.
    await expect(card).to_contain_text("Somebody else's title")
    await sheet.get_by_role("button", name="Approve").click()
    await expect(theirs.get_by_text("it has changed")).to_be_visible()

    # Who changed it is its requester now, and can't approve it.
    await expect(mine.get_by_text("another operator must approve it")).to_be_visible()
    await expect(mine.get_by_role("button", name="Approve")).to_be_disabled()

    await expect(sheet).to_be_hidden()
    await card.get_by_role("button", name="Approve").click()
    await sheet.get_by_label("Reason (optional)").fill("page them")
    await sheet.get_by_role("button", name="Approve").click()
    await expect(theirs.get_by_text("Approved: it goes ahead")).to_be_in_viewport()
    ran = mine.locator("li", has_text="escalate").filter(has_text="by admin")
    await expect(ran.first).to_contain_text("done and verified")
    await expect(mine.get_by_role("button", name="Approve")).to_have_count(0)
    await mine.goto(f"{served.url}/incidents/{taken['incident_id']}")
    await expect(mine.locator(".timeline")).to_contain_text("Action escalate done and verified")


@pytest.mark.usefixtures("standing_orders")
async def test_refusal_on_a_phone(served: Served, visit: Visit) -> None:
    taken = served.send(message="refunds fail", source="billing", error_type="RefundError", severity="high")
    page = await visit(f"/incidents/{taken['incident_id']}", size=PHONE)
    await page.get_by_role("button", name="Refuse").click()
    await page.locator(".sheet").get_by_role("button", name="Refuse").click()
    await expect(page.get_by_text("Refused: it will not be done")).to_be_in_viewport()
    await expect(page.locator("section.card", has_text="Actions").locator(".chip").first).to_contain_text("refused")


async def test_hostile_text_is_shown_and_does_nothing(served: Served, visit: Visit) -> None:
    taken = served.send(
        message=f"timeout {HOSTILE}",
        source=f"evil {HOSTILE}",
        error_type="Boom",
        severity="high",
        stack_trace=f"at {HOSTILE}",
        context={HOSTILE: {"deep": HOSTILE}},
    )
    page = await visit("/")
    await expect(page.get_by_role("link", name="{{7*7}}").first).to_contain_text(f"Boom: timeout {HOSTILE}"[:150])
    await _assert_inert(page)
    await page.goto(f"{served.url}/incidents/{taken['incident_id']}")
    await expect(page.locator(".message").first).to_have_text(f"timeout {HOSTILE}")
    for summary in await page.locator("details.more > summary").all():
        await summary.click()
    await expect(page.locator("pre", has_text="at <script>")).to_have_text(f"at {HOSTILE}")
    await _assert_inert(page)
    # The same text by push, not with the page
    served.send(message=f"timeout {HOSTILE}", source=f"evil {HOSTILE}", error_type="Boom", severity="high")
    await expect(page.locator(".card.head")).to_contain_text("2 events")
    await _assert_inert(page)


async def _assert_inert(page: Page) -> None:
    assert await page.evaluate("window.pwned") is None
    assert await page.locator("#app img, #app script, #app iframe, #app b, #app strong").count() == 0
    assert await page.locator("a[href^='javascript']").count() == 0
    assert "Incident" in await page.title() or await page.title() == "Opsteward"


def test_the_pages_never_write_markup() -> None:
    """Of all ways to put markup or script into a page, only the frame's constant one is used."""
    ways = {"html", "markdown", "add_head_html", "add_body_html", "run_javascript", "add_slot", "restructured_text"}
    found = []
    for path in sorted(Path(opsteward.console.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ways:
                named_slot = node.func.attr == "add_slot" and len(node.args) == 1 and not node.keywords  # no template
                if not named_slot:
                    found.append((path.name, node.func.attr))
    assert found == [("frame.py", "add_head_html")]
    for path in Path(opsteward.console.__file__).parent.rglob("*.js"):
        assert not re.search(
            "v-html|innerHTML|outerHTML|document.write|insertAdjacent", path.read_text(encoding="utf-8")
        )


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.usefixtures("standing_orders")
async def test_fits_desk_and_phone(served: Served, visit: Visit, size: tuple[int, int]) -> None:
    long_word = "x" * 300
    taken = served.send(
        message=f"cannot reach {long_word}", source="billing", error_type=f"E{size[0]}", severity="high"
    )
    with served.api() as api:
        _system(api, name=f"a-system-with-a-rather-long-name-that-goes-on-{size[0]}", path=long_word)
    for path in ("/", f"/incidents/{taken['incident_id']}"):
        page = await visit(path, size=size)
        await expect(page.locator("h1").first).to_be_visible()
        await expect(page.get_by_role("button", name="Approve").first).to_be_visible()
        for summary in await page.locator("details > summary").all():
            await summary.click()
        assert await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
        heights = await page.evaluate(
            "[...document.querySelectorAll('.button')].filter(b => b.offsetParent).map(b => b.offsetHeight)"
        )
        assert heights
        assert min(heights) >= 44


def _system(api: Any, *, name: str, path: str) -> None:
    api.post(
        "/api/v1/systems", json={"name": name, "type": "service", "endpoint": f"http://127.0.0.1:9/{path}"}
    ).raise_for_status()


async def test_a_system_that_goes_down_shows_at_once(served: Served, visit: Visit) -> None:
    page = await visit("/")
    await expect(page.locator(".headline h1")).to_be_visible()
    with served.api() as api:
        _system(api, name="unreachable-shop", path="")
    row = page.locator("section.card", has_text="Systems").locator("li", has_text="unreachable-shop").first
    await expect(row).to_be_visible()
    await expect(row).to_contain_text("down", timeout=20_000)


async def test_a_burst_is_shown_and_the_page_stays_quick(served: Served, visit: Visit) -> None:
    page = await visit("/")
    await expect(page.locator(".headline h1")).to_be_visible()
    kinds = [f"Burst{letter}" for letter in "ABCDEFGHIJ"]
    burst = [{"message": "socket closed", "source": "edge", "error_type": kind} for kind in kinds * 50]
    started = time.monotonic()
    with served.api() as api:
        api.post("/api/v1/events", json=burst).raise_for_status()
    await expect(page.get_by_role("link", name="BurstJ")).to_contain_text("50 events")
    assert time.monotonic() - started < 10
