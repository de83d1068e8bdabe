"""Every page in one browser: it keeps the policy, fails no script, fits every width, and axe-core finds nothing.

The pages are the application's own routes, so that a new one is walked through by itself. They are those of an instance
in use, in which every field that takes words also holds hostile ones.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from .conftest import DESK, PHONE, Served
from .populated import every_page

#: Pixels of CSS: a desk, a tablet, a desk at 200 %, a phone, and that of reflow (WCAG 1.4.10: 1280 at 400 %).
_WIDTHS = (1440, 768, 720, 390, 320)
_APOLOGIES = ("/nothing-here", "/incidents/no-id", "/incidents?status=odd")
_WATCH = """
window.broken = [];
document.addEventListener("securitypolicyviolation", (e) =>
    broken.push(`${e.effectiveDirective} ${e.blockedURI} ${e.sample}`));
"""
_WIDER = """() => document.documentElement.scrollWidth <= document.documentElement.clientWidth ? [] :
  [...document.querySelectorAll("body *")].filter((one) => {
    const box = one.getBoundingClientRect();
    const wider = box.width && box.right > document.documentElement.clientWidth + 1;
    return wider && one.checkVisibility() && !one.closest(".tabs, thead, pre");
  }).map((one) => `${one.tagName}.${one.className}: ${one.textContent.trim().slice(0, 40)}`).slice(0, 3)"""
_LIVE = """() => [...document.querySelectorAll("main img, main script, main iframe, [style], [onerror], [onload]")]
  .map((one) => one.outerHTML.slice(0, 80)).concat(
    [...document.querySelectorAll("[href], [action], [formaction], [src]")]
      .flatMap((one) => ["href", "action", "formaction", "src"].map((name) => one.getAttribute(name)))
      .filter((to) => to && !/^(\\/(?!\\/)|#|\\?|https?:\\/\\/)/.test(to)),
    window.pwned ? [`script ${window.pwned} ran`] : [])"""
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_AXE = """async (only) => {
    const found = await axe.run(document, {runOnly: only, resultTypes: ["violations"]});
    return found.violations.map(one => [one.id, one.impact, one.nodes.map(node => node.target.join(" ")).slice(0, 3)]);
}"""


@pytest.fixture(scope="module")
def pages(served: Served, standing_orders: None) -> list[str]:
    """Every page, with something on it."""
    return every_page(served)


@asynccontextmanager
async def _walker(served: Served, chromium: Browser, language: str, size: tuple[int, int]) -> AsyncIterator[Page]:
    context = await chromium.new_context(
        viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce", locale=language
    )
    await context.add_init_script(_WATCH)
    await context.add_cookies([{"name": "opsteward_session", "value": served.session(), "url": served.url}])
    yield await context.new_page()
    await context.close()


@pytest.mark.slow(reason="some eighty pages, each at five widths")
@pytest.mark.parametrize("language", ["en", "de"])
async def test_every_page_keeps_the_policy_and_fits_every_width(
    served: Served, chromium: Browser, pages: list[str], language: str
) -> None:
    wrong: list[Any] = []
    async with _walker(served, chromium, language, DESK) as page:
        page.on("pageerror", lambda error: wrong.append((page.url, f"script error: {error}")))
        page.on("dialog", lambda dialog: wrong.append((page.url, f"dialog: {dialog.message}")))
        page.on("console", lambda said: wrong.append((page.url, said.text)) if _is_wrong(said.type, page.url) else None)
        for path in ("/status", *_APOLOGIES, *pages):
            await page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
            await page.goto(served.url + path)
            assert await page.locator("html").get_attribute("lang") == language, path
            for width in _WIDTHS:
                await page.set_viewport_size({"width": width, "height": DESK[1]})
                wrong += [(path, f"wider than {width} px", one) for one in await page.evaluate(_WIDER)]
            wrong += [(path, "live", one) for one in await page.evaluate(_LIVE)]
            wrong += [(path, "against the policy", one) for one in await page.evaluate("broken")]
        assert wrong == []
        await page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'), {text: 'pwned = 1'}))"
        )
        await page.wait_for_function("broken.length")  # so it would have been seen
        assert await page.evaluate("window.pwned") is None


def _is_wrong(kind: str, address: str) -> bool:
    """A browser says itself that a page was answered with an error, which an apology is."""
    return kind in ("error", "warning") and not address.endswith(_APOLOGIES)


@pytest.mark.slow(reason="axe-core looks at every page, and twice where colours may differ")
@pytest.mark.parametrize(("language", "size"), [("en", DESK), ("de", PHONE)], ids=["desk", "phone in German"])
async def test_axe_finds_nothing_on_any_page(
    served: Served, chromium: Browser, pages: list[str], language: str, size: tuple[int, int]
) -> None:
    axe = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text()
    wrong: list[Any] = []
    async with _walker(served, chromium, language, size) as page:
        for path in ("/sign-in", *_APOLOGIES, *pages):
            await page.emulate_media(color_scheme="light")
            await page.goto(served.url + path)
            await expect(page.locator("h1").first).to_be_visible()
            await page.evaluate(axe)
            wrong += [(path, *one) for one in await page.evaluate(_AXE, {"type": "tag", "values": _RULES})]
            if size == PHONE:
                continue  # the colours are those of the desk
            await page.emulate_media(color_scheme="dark")
            dark = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
            wrong += [(path, "dark", *one) for one in await page.evaluate(_AXE, dark)]
    assert wrong == []
