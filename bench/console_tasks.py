"""What people come to the console for, done in Chromium by the shortest way that its pages show: clicks, keys, seconds.

- Approve a repair: from the overview to the words that say it is approved.
- Find who has access to something: from the overview to the list of people who have it.
- See why last night's incident closed: from the overview to its proof.

And the search among the users as it is typed, whose wait of 200 ms for the typing to rest is part of the time.
A click is a press of the mouse or of Enter; typing and looking are not counted. The seconds are the machine's alone.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from playwright.async_api import Browser, Page, expect
from rich.table import Table

from bench.console_population import Population
from bench.instance import Instance, quantile

SEARCHES = ("ada.silva", "grace novak", "user4711", "0.silva@example.com", "nobody at all", "zoë", "chen", "ER99")
#: Types into the search box, and gives the milliseconds until the list has been replaced.
_TYPE = """(typed) => new Promise((done) => {
  const box = document.querySelector('input[type=search]');
  const began = performance.now();
  const seen = new MutationObserver(() => {
    if (!document.getElementById('found') || document.querySelector('.htmx-request')) return;
    seen.disconnect();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
  });
  seen.observe(document.getElementById('main'), {childList: true});
  box.value = typed;
  box.dispatchEvent(new Event('input', {bubbles: true}));
})"""
Do = Callable[[Page], Awaitable[int]]


async def measure(browser: Browser, instance: Instance, cookie: str, population: Population) -> Table:
    """All of them; the approval last, since it can be given only once."""
    table = Table("what", "clicks", "seconds")
    url = instance.client.url
    context = await browser.new_context(viewport={"width": 1440, "height": 900})
    await context.add_cookies([{"name": "opsteward_session", "value": cookie, "url": url}])
    page = await context.new_page()
    tasks: dict[str, Do] = {
        "see why last night's incident closed": why_closed,
        "find who has access to main_app": who_has_access,
        "approve a repair": approve,
    }
    for what, do in tasks.items():
        await page.goto(f"{url}/")
        began = time.perf_counter()
        clicks = await do(page)
        table.add_row(what, str(clicks), f"{time.perf_counter() - began:.2f}")
    await page.goto(f"{url}/users")
    taken = [await page.evaluate(_TYPE, typed) / 1000 for typed in SEARCHES]
    table.add_row(
        "search for a user as it is typed, p50 and most", "0", f"{quantile(taken, 0.5):.2f}, {max(taken):.2f}"
    )
    await context.close()
    return table


async def why_closed(page: Page) -> int:
    """The incidents, a word of it, and the whole story."""
    await page.get_by_role("navigation").get_by_role("link", name="Incidents").last.click()
    await page.get_by_label("Find", exact=True).fill("PoolExhausted")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="PoolExhausted").first.click()
    await expect(page.locator(".head .plan")).to_contain_text("Proven healthy")
    await expect(page.locator("#actions")).to_contain_text("Proven: orders are taken again")
    return 3


async def who_has_access(page: Page) -> int:
    """The review lists who has what, and filters by the system."""
    await page.get_by_role("navigation").get_by_role("link", name="Reviews").first.click()
    await page.get_by_role("link", name="Autumn review").click()
    await page.get_by_label("Permission or system").select_option("main_app")
    await expect(page.locator("article.entry .word").first).to_have_text("main_app")
    return 4  # two links, and two presses for the choice


async def approve(page: Page) -> int:
    """It waits on the overview."""
    await page.locator("#approvals").get_by_role("button", name="Approve").first.click()
    await expect(page.locator("#said")).to_be_visible()
    return 1
