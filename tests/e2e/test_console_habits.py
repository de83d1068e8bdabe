"""What people count on in the console: what was done can be undone, many are decided at once as they were shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import expect

from .conftest import Served, Visit
from .test_console_access import browser
from .test_console_pages import said, submit, waiting_for


@pytest.fixture
def admin(served: Served) -> Iterator[httpx.Client]:
    """The first operator's browser session, over plain HTTP."""
    with browser(served) as one:
        yield one


def undo(one: httpx.Client, page: str) -> str:
    """Press the button beside what was said; gives the page that follows."""
    told = page[page.index('id="said"') :]
    form = re.search(r'<form method="post" action="([^"]+)">(.*?)</form>', told, re.S)
    assert form is not None
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form[2]))
    fields.pop("csrf")
    return said(one, submit(one, unescape(form[1]), **fields))


def test_what_was_done_is_undone_where_it_was_said(served: Served, admin: httpx.Client) -> None:
    taken = served.send(message="lamp is out", source="hall", error_type=f"Lamp{uuid4().hex[:6]}", severity="low")
    here = f"/incidents/{taken['incident_id']}"
    assert "Reopened" in undo(admin, said(admin, submit(admin, f"{here}/resolve", reason="changed")))
    name = f"aide{uuid4().hex[:6]}"
    served.operator(name, "operator")
    said(admin, submit(admin, f"{here}/assign", to="admin"))
    again = undo(admin, said(admin, submit(admin, f"{here}/assign", to=name)))
    assert "Assigned to admin" in again
    quiet = submit(admin, "/silences", matchers='source="none-at-all"', hours="1", reason="a test")
    assert "Ended" in undo(admin, said(admin, quiet))
    paused = submit(admin, "/console/pause", what="task_type:opsteward.echo", reason="a test")
    assert "goes on" in undo(admin, said(admin, paused))
    assert "admin" in said(admin, submit(admin, f"{here}/assign", to="admin"))
    assert 'id="said"' not in admin.get(here).text, "it is said once"


def test_nobody_elses_words_or_buttons_are_shown(served: Served, admin: httpx.Client) -> None:
    answer = submit(admin, "/console/pause", what="task_type:opsteward.echo", reason="a test")
    genuine = answer.cookies["opsteward_said"]
    assert "is paused" in said(admin, answer)
    said(admin, submit(admin, "/console/resume", what="task_type:opsteward.echo"))
    with browser(served) as other:
        for forged in (genuine, genuine[:-4] + "AAAA", "", "x", "AA==", "e30="):
            other.cookies.set("opsteward_said", forged)
            assert 'id="said"' not in other.get("/").text


@pytest.mark.usefixtures("standing_orders")
def test_several_approvals_are_decided_at_once_each_for_the_plan_that_was_shown(
    served: Served, admin: httpx.Client
) -> None:
    names = [f"Bulk{uuid4().hex[:6]}" for _ in range(3)]
    for name in names:
        served.send(message=f"{name} fails", source="billing", error_type=name, severity="high")
    with served.api() as api, browser(served, served.operator(f"b{uuid4().hex[:8]}", "approver")) as approver:
        waiting = [waiting_for(api, name) for name in names]
        page = approver.get("/approvals").text
        picked = {f"pick-{one['id']}": one["plan_hash"] for one in waiting}
        assert all(f'name="{name}" value="{plan}"' in page for name, plan in picked.items())
        changed = waiting[0]["params"] | {"title": "Another title"}
        api.put(f"/api/v1/actions/{waiting[0]['action_id']}/params", json={"params": changed}).raise_for_status()
        waiting_for(api, "Another title")
        told = said(approver, submit(approver, "/approvals/decide", verdict="approve", reason="as drilled", **picked))
        assert "2 approved, 1 not" in told and "said warns" in told
        left = approver.get("/approvals").text
        assert f"pick-{waiting[0]['id']}" in left or f"/approvals/{waiting[0]['id']}" in left
        assert f"/approvals/{waiting[1]['id']}" not in left
        for wrong in ({}, {"pick-x": "0" * 64}, {f"pick-{uuid4()}": "short"}):
            answer = submit(approver, "/approvals/decide", verdict="approve", **wrong)
            assert answer.status_code in (404, 422)
        assert submit(approver, "/approvals/decide", verdict="perhaps", **picked).status_code == 422
        new = waiting_for(api, "Another title")
        last = said(
            approver, submit(approver, "/approvals/decide", verdict="refuse", **{f"pick-{new['id']}": new["plan_hash"]})
        )
        assert "1 refused" in last


def test_a_route_is_set_up_tried_and_removed_and_its_addresses_are_never_shown(admin: httpx.Client) -> None:
    name = f"mail-{uuid4().hex[:6]}"
    assert submit(admin, "/notifications", name=name, urls="nonsense").status_code == 422
    page = said(admin, submit(admin, "/notifications", name=name, urls="json://127.0.0.1:9/s3cret-word"))
    assert name in page and "s3cret-word" not in page
    assert "A test by" in undo(admin, page)
    row = admin.get("/oncall").text
    found = re.findall(rf'action="(/notifications/[0-9a-f-]{{36}}/remove)">(?:(?!<form).)*?Remove {name}<', row, re.S)
    assert "Nobody is told by it" in said(admin, submit(admin, found[0]))
    assert f"Remove {name}" not in admin.get("/oncall").text


async def test_what_was_said_stays_with_its_button_while_the_page_is_brought_up_to_date(
    served: Served, visit: Visit
) -> None:
    taken = served.send(message="hinge is loose", source="door", error_type=f"Hinge{uuid4().hex[:6]}", severity="low")
    page = await visit(f"/incidents/{taken['incident_id']}")
    await page.get_by_text("Resolve…").click()
    await page.locator("#resolve").get_by_role("button", name="Resolve").click()
    await expect(page.locator("#said")).to_contain_text("Resolved")
    with served.api() as api:
        text = {"text": "seen by another, meanwhile"}
        api.post(f"/api/v1/incidents/{taken['incident_id']}/comments", json=text).raise_for_status()
    await expect(page.locator(".timeline")).to_contain_text("seen by another")
    await page.locator("#said").get_by_role("button", name="Undo").click()
    await expect(page.locator("#said")).to_contain_text("Reopened")


async def test_a_mapping_is_tried_while_it_is_typed(visit: Visit) -> None:
    page = await visit("/sources/generic/mapping")
    await page.get_by_label("A body").fill('{"alarm": {"label": "Pump 3 is hot"}}')
    await expect(page.locator("#tried")).to_contain_text("No form fits")
    await page.get_by_label("Your own forms").fill("shapes:\n  - title: alarm.label\n")
    await expect(page.locator("#tried")).to_contain_text("Read by form 1")
    await expect(page.locator("#tried .title")).to_have_text("Pump 3 is hot")
