"""WCAG 2.2 AA on every page, as axe-core sees it: light and dark, at a desk and on a phone."""

from __future__ import annotations

from importlib import resources
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from opsteward.console.routes import ROUTES

from .conftest import DESK, PHONE, Served
from .populated import populate
from .test_console_pages import PAGES

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = """async (only) => {
    const found = await axe.run(document, {runOnly: only});
    return found.violations.map(one => [one.id, one.impact, one.nodes.map(node => node.target.join(" ")).slice(0, 3)]);
}"""


@pytest.fixture(scope="module")
def one_page_of_each(served: Served, standing_orders: None) -> list[str]:
    """Every page, and one of each thing that has a page of its own, with something on it."""
    pages = [*PAGES, *populate(served)]
    shown = [path.partition("?")[0] for path in pages]
    routes = [route for route in ROUTES if route.method == "GET"]
    assert [one.path for one in routes if not any(one.pattern.fullmatch(path) for path in shown)] == []
    return pages


@pytest.mark.slow(reason="axe-core looks at every page, four times")
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
async def test_axe_finds_nothing_on_any_page(
    served: Served, chromium: Browser, one_page_of_each: list[str], size: tuple[int, int]
) -> None:
    axe = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text()
    context = await chromium.new_context(
        viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce", bypass_csp=True
    )
    await context.add_cookies([{"name": "opsteward_session", "value": served.session(), "url": served.url}])
    page = await context.new_page()
    wrong: list[Any] = []
    for path in ("/sign-in", *one_page_of_each):
        await page.emulate_media(color_scheme="light")
        await page.goto(served.url + path)
        await expect(page.locator("h1").first).to_be_visible()
        await page.evaluate(axe)
        wrong += [(path, *one) for one in await page.evaluate(_RUN, {"type": "tag", "values": _RULES})]
        if size == PHONE:
            continue  # the colours are those of the desk
        await page.emulate_media(color_scheme="dark")
        dark = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
        wrong += [(path, "dark", *one) for one in await page.evaluate(_RUN, dark)]
    await context.close()
    assert wrong == []
