"""WCAG 2.2 AA on every page, as axe-core sees it: light and dark, at a desk and on a phone."""

from __future__ import annotations

from importlib import resources
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from .conftest import DESK, PHONE, Served
from .test_console_pages import PAGES, waiting_for
from .test_console_syncs import Company

_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = """async (only) => {
    const found = await axe.run(document, {runOnly: only});
    return found.violations.map(one => [one.id, one.impact, one.nodes.map(node => node.target.join(" ")).slice(0, 3)]);
}"""


@pytest.fixture(scope="module")
def one_page_of_each(served: Served, standing_orders: None) -> list[str]:
    """Every page, and one of each thing that has a page of its own, with something on it."""
    taken = served.send(
        message="payments fail", source="payments", error_type="PaymentError", severity="high",
        stack_trace='Traceback (most recent call last):\n  File "app.py", line 3, in pay\nValueError: no money',
    )  # fmt: skip
    with served.api() as api:
        user = {"username": "axel.schmidt", "email": "axel@example.com", "full_name": "Axel Schmidt"}
        added = api.post("/api/v1/users", json=user).raise_for_status().json()
        waits = user | {"username": "cora.ext", "email": "cora@example.com", "role": "contractor"}
        api.post("/api/v1/users", json=waits).raise_for_status()
        system = {"name": "axe-shop", "type": "api", "endpoint": served.url + "/livez"}
        known = api.post("/api/v1/systems", json=system).raise_for_status().json()
        task = {"name": "axe", "task_type": "opsteward.echo"}
        ran = api.post("/api/v1/tasks", json=task).raise_for_status().json()
    served.send(message="refunds fail", source="billing", error_type="AxeError", severity="high")
    with served.api() as api:
        waits_too = waiting_for(api, "AxeError")
    ids = [("incidents", taken["incident_id"]), ("users", added["id"]), ("systems", known["id"]), ("tasks", ran["id"])]
    company = Company(served)
    with served.api() as api:
        begun = api.post(f"/api/v1/sync-mappings/{company.id}/run", json={"dry_run": True}).raise_for_status().json()
    planned = f"/syncs/operations/{begun['id']}"
    company.until(planned, "planned")
    return [*PAGES, company.page, planned, f"/approvals/{waits_too['id']}", *(f"/{kind}/{one}" for kind, one in ids)]


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
        await page.emulate_media(color_scheme="dark")
        dark = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
        wrong += [(path, "dark", *one) for one in await page.evaluate(_RUN, dark)]
    await context.close()
    assert wrong == []
