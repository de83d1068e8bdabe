"""What the browser itself reports of every page: nothing against the policy, nothing lost at 200 % and 400 % zoom, a
focus that is seen, targets that are large enough, and the decision always in reach."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from .conftest import DESK, PHONE, Served, Visit
from .test_console_pages import PAGES, waiting_for

TABLET = (768, 1024)
#: A desk of 1440 px at 200 % zoom, and one of 1280 px at 400 %, as WCAG 1.4.10 asks.
ZOOMED = (720, 320)
_TABS = 30
_LISTEN = "addEventListener('securitypolicyviolation', (e) => { (window.broken ||= []).push(e.violatedDirective); })"
#: Where the focus is: what has it, whether it is drawn, and whether something else lies over it.
_FOCUS = """() => {
  const it = document.activeElement, box = it.getBoundingClientRect(), style = getComputedStyle(it);
  if (it === document.body) return null;
  const over = document.elementFromPoint(box.left + box.width / 2, box.top + Math.min(box.height / 2, 12));
  return {
    what: it.outerHTML.slice(0, 120),
    drawn: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    seen: !over || it === over || it.contains(over) || over.contains(it),
  };
}"""
#: WCAG 2.5.8: at least 24 px, unless it stands in a sentence.
_SMALL = """() => [...document.querySelectorAll('a, button, summary, select, textarea, input:not([type=hidden])')]
  .filter((one) => one.checkVisibility() && !one.closest('p, li, label') && !one.matches('.skip'))
  .map((one) => [one.outerHTML.slice(0, 100), one.getBoundingClientRect()])
  .filter(([, box]) => box.width && box.height && (box.width < 24 || box.height < 24))
  .map(([what, box]) => `${what} ${Math.round(box.width)}x${Math.round(box.height)}`)"""


#: Whether the focus is on what has these words (a button no others), or on the field of this name.
_IS_IT = """([words, tag]) => {
  const it = document.activeElement, own = it.textContent.trim();
  if (tag && it.tagName !== tag) return false;
  if (tag === 'INPUT') return it.name === words;
  return tag === 'BUTTON' ? own === words : (own + (it.closest('article') || it).textContent).includes(words);
}"""


@pytest.fixture(scope="module")
async def pages_in_use(served: Served, standing_orders: None) -> list[str]:
    """Every page with an address of its own, and those of an incident, an approval and a user."""
    taken = served.send(message="refunds fail again", source="billing", error_type="RefundLost", severity="high")
    with served.api() as api:
        waits = waiting_for(api, "RefundLost")
        user = {"username": "in.use", "email": "in.use@example.com", "full_name": "Ida Use"}
        added = api.post("/api/v1/users", json=user).raise_for_status().json()
    return [*PAGES, f"/incidents/{taken['incident_id']}", f"/approvals/{waits['id']}", f"/users/{added['id']}"]


@pytest.fixture
async def context(served: Served, chromium: Browser) -> AsyncIterator[BrowserContext]:
    """Signed in, and noting what the policy forbids."""
    made = await chromium.new_context(viewport={"width": DESK[0], "height": DESK[1]}, reduced_motion="reduce")
    await made.add_cookies([{"name": "opsteward_session", "value": served.session(), "url": served.url}])
    await made.add_init_script(_LISTEN)
    yield made
    await made.close()


@pytest.mark.slow(reason="looks at every page at three sizes")
async def test_no_page_breaks_the_policy_or_loses_anything_when_zoomed(
    served: Served, context: BrowserContext, pages_in_use: list[str]
) -> None:
    page = await context.new_page()
    wrong: list[Any] = []
    await page.goto(served.url + "/sign-in")
    assert (
        await page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") == "416px"
    )  # it has its style
    for path in ("/sign-in", "/sign-in?code=x", "/sign-in/password?code=x", *pages_in_use):
        await page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
        await page.goto(served.url + path)
        await expect(page.locator("h1").first).to_be_visible()
        wrong += [(path, "small", one) for one in await page.evaluate(_SMALL)]
        for width in ZOOMED:
            await page.set_viewport_size({"width": width, "height": DESK[1] // 2})
            if await page.evaluate("document.documentElement.scrollWidth") > width:
                wrong.append((path, "wider than", width))
        wrong += [(path, "policy", one) for one in await page.evaluate("window.broken || []")]
    assert wrong == []


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_the_focus_is_always_seen(
    served: Served, context: BrowserContext, pages_in_use: list[str], size: tuple[int, int]
) -> None:
    page = await context.new_page()
    await page.set_viewport_size({"width": size[0], "height": size[1]})
    wrong: list[Any] = []
    for path in ("/", "/users", *pages_in_use[-3:]):
        await page.goto(served.url + path)
        wrong += [(path, where["what"]) for where in await _walk(page) if not (where["drawn"] and where["seen"])]
    assert wrong == []


async def _walk(page: Page) -> list[dict[str, Any]]:
    """The places that the Tab key leads to."""
    found = []
    for _ in range(_TABS):
        await page.keyboard.press("Tab")
        where = await page.evaluate(_FOCUS)
        if where is None:
            break
        found.append(where)
    assert found
    return found


async def test_a_decision_is_in_reach_wherever_it_is_shown(visit: Visit, pages_in_use: list[str]) -> None:
    incident, approval = pages_in_use[-3], pages_in_use[-2]
    for size in (DESK, TABLET, PHONE):
        page = await visit("/approvals", size=size)
        for path in ("/approvals", approval, incident):
            await page.goto(page.url.split("/approvals")[0].split("/incidents")[0] + path)
            card = page.locator(".approval").first
            await expect(card.get_by_role("button", name="Approve")).to_be_in_viewport(ratio=1)


async def test_the_keyboard_alone_signs_in_approves_and_resolves(
    served: Served, visit: Visit, standing_orders: None
) -> None:
    """Every press of a key is followed by a look at where the focus is, and whether it is seen."""
    taken = served.send(message="charges fail", source="billing", error_type="ChargeLost", severity="high")
    with served.api() as api:
        waiting_for(api, "ChargeLost")
    page = await visit("/sign-in", signed_in=False)
    keys = page.keyboard
    await _go_to(page, "With an API token")
    await keys.press("Enter")
    await _go_to(page, "token", tag="INPUT")
    await keys.type(served.token)
    await keys.press("Enter")
    await page.wait_for_url(f"{served.url}/")
    await keys.press("Control+k")
    await expect(page.locator("#palette input")).to_be_focused()
    await keys.type("Approvals")
    await expect(page.locator("#palette-found a.title").first).to_have_text("Approvals")
    await keys.press("Enter")
    await page.wait_for_url("**/approvals")
    await _go_to(page, "ChargeLost", tag="A")
    await keys.press("Enter")
    await page.wait_for_url("**/approvals/*")
    await _go_to(page, "Approve", tag="BUTTON")
    await keys.press("Enter")
    await expect(page.locator("#said")).to_contain_text("Approved")
    await keys.press("Control+k")
    await keys.type("charges fail")
    await expect(page.locator("#palette-found a.title").first).to_contain_text("charges fail")
    await keys.press("Enter")
    await page.wait_for_url(f"**/incidents/{taken['incident_id']}")
    await _go_to(page, "Resolve…")
    await keys.press("Enter")
    await _go_to(page, "Resolve", tag="BUTTON")
    await keys.press("Enter")
    await expect(page.locator("#said")).to_contain_text("Resolved")


async def _go_to(page: Page, words: str, *, tag: str = "") -> None:
    """By the Tab key, to what has these words or this name; the focus is drawn and seen on the way."""
    for _ in range(80):
        await page.keyboard.press("Tab")
        where = await page.evaluate(_FOCUS)
        if where is None:
            continue
        assert where["drawn"] and where["seen"], where
        if await page.evaluate(_IS_IT, [words, tag]):
            return
    pytest.fail(f"the Tab key never came to {words}")


def test_incidents_are_found_by_words_number_and_id(served: Served, pages_in_use: list[str]) -> None:
    incident = pages_in_use[-3]
    with httpx.Client(base_url=served.url, cookies={"opsteward_session": served.session()}, timeout=15) as one:
        for words, found in (("fail again", True), (incident[-12:], True), ("no such words", False)):
            assert (incident in one.get("/incidents", params={"ref": words}).text) == found, words


def test_pages_are_sent_compressed_to_who_takes_it(served: Served) -> None:
    with httpx.Client(base_url=served.url, cookies={"opsteward_session": served.session()}, timeout=15) as one:
        packed, plain = (one.get("/settings", headers={"Accept-Encoding": kind}) for kind in ("gzip", "identity"))
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 3
    assert "<h1>Settings</h1>" in packed.text
    assert "<h1>Settings</h1>" in plain.text
