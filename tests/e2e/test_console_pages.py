"""Every page and form over plain HTTP: they read without a script, hold what the API holds, and say what is wrong."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from opsteward.console.routes import ROUTES

from .conftest import Served
from .test_console_access import browser, csrf_of

HOSTILE = "<script>window.pwned=1</script> <img src=x onerror='window.pwned=2'> {{7*7}} </textarea></pre> \u202e"
PAGES = [route.path for route in ROUTES if route.method == "GET" and "{" not in route.path]


@pytest.fixture
def admin(served: Served) -> Iterator[httpx.Client]:
    """The first operator's browser session, over plain HTTP."""
    with browser(served) as one:
        yield one


def submit(one: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """Send a form as its page would."""
    return one.post(path, data={"csrf": csrf_of(one), **fields})


def said(one: httpx.Client, answer: httpx.Response) -> str:
    """The page that a form leads to."""
    assert answer.status_code == 303, re.sub(r"<[^>]+>", "", answer.text)[-400:]
    return unescape(one.get(answer.headers["location"]).text)


def waiting_for(api: httpx.Client, words: str) -> dict[str, Any]:
    """The approval whose plan has these words, once it waits: an action is planned behind the answer."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found: list[dict[str, Any]] = api.get("/api/v1/approvals", params={"limit": 200}).json()["items"]
        if one := next((a for a in found if words in str(a)), None):
            return one
        time.sleep(0.1)
    pytest.fail("no approval waits")


class _Names(HTMLParser):
    """The names of a page's attributes, and of its elements that have none. What stands within a value is no name."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.attributes: set[str] = set()
        self.bare: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes |= {name for name, _ in attrs}
        if not attrs:
            self.bare.add(tag)


@pytest.mark.parametrize("path", PAGES)
def test_each_page_reads_and_is_small(admin: httpx.Client, path: str) -> None:
    answer = admin.get(path)
    assert answer.status_code == 200
    assert "<h1" in answer.text
    names = _Names(answer.text)
    assert "script" not in names.bare
    assert not [name for name in names.attributes if name == "style" or name.startswith("on")]
    assert len(answer.content) < 120_000


@pytest.mark.parametrize("path", PAGES)
def test_a_viewer_gets_each_page_or_is_told_why_not(served: Served, path: str) -> None:
    with browser(served, served.operator(f"v{uuid4().hex[:8]}", "viewer")) as viewer:
        answer = viewer.get(path)
    assert answer.status_code in (200, 403)
    if answer.status_code == 403:
        assert "this needs the permission" in answer.text
    else:
        buttons = re.findall(r'<form[^>]*method="post" action="([^"]+)"', answer.text)
        own = {"/sign-out", "/operators/tokens/new", "/me/language", "/me/browsers", "/me/browsers/remove"}
        assert set(buttons) <= own | {"/standing-orders/check", "/help"}


def test_strange_addresses_are_answered_in_words(admin: httpx.Client) -> None:
    for path in ("/nothing", "/incidents/x", "/tasks/x", "/users/x", "/access-reviews/x", "/systems/x", "/approvals/x"):
        answer = admin.get(path)
        assert answer.status_code == 404, path
        assert "To the overview" in answer.text
    for path in (
        "/incidents?status=odd", "/incidents?before=x", "/audit?since=soon", "/tasks?priority=x", "/users?status=x",
        "/audit?before=x", "/access-reviews/x?show=y", "/incidents?ref=" + "x" * 500, "/incidents?before=" + "9" * 30,
    ):  # fmt: skip
        assert admin.get(path).status_code in (404, 422), path
    assert admin.post("/incidents", data={"csrf": csrf_of(admin)}).status_code == 405


def test_hostile_text_is_text_on_every_page(served: Served, admin: httpx.Client) -> None:
    taken = served.send(
        message=f"timeout {HOSTILE}", source=f"evil {HOSTILE}", error_type="Boom", severity="high",
        stack_trace=f"at {HOSTILE}", context={HOSTILE: {"deep": HOSTILE}},
    )  # fmt: skip
    said(admin, submit(admin, f"/incidents/{taken['incident_id']}/resolve", reason=HOSTILE))
    for path in (f"/incidents/{taken['incident_id']}", "/", "/incidents", f"/incidents?source={HOSTILE[:40]}"):
        text = admin.get(path).text
        assert "<script>window" not in text
        assert "<img" not in text
        assert "49" not in re.findall(r"evil[^<]*", text)
    assert HOSTILE in unescape(admin.get(f"/incidents/{taken['incident_id']}").text)


def test_an_incident_is_acknowledged_and_resolved_once(served: Served, admin: httpx.Client) -> None:
    taken = served.send(message="queue is stuck", source="queue", error_type="QueueStuck", severity="high")
    here = f"/incidents/{taken['incident_id']}"
    assert "Acknowledged" in said(admin, submit(admin, f"{here}/acknowledge"))
    assert "emptied by hand" in said(admin, submit(admin, f"{here}/resolve", reason="emptied by hand"))
    again = submit(admin, f"{here}/resolve")
    assert again.status_code == 409
    assert "resolved already" in again.text
    with served.api() as api:
        assert api.get(f"/api/v1/incidents/{taken['incident_id']}").json()["status"] == "resolved"


@pytest.mark.usefixtures("standing_orders")
def test_an_approval_is_for_the_plan_that_was_shown_and_by_another(served: Served, admin: httpx.Client) -> None:
    name = f"Invoice{uuid4().hex[:6]}"
    served.send(message="invoices fail", source="billing", error_type=name, severity="high")
    with served.api() as api, browser(served, served.operator(f"a{uuid4().hex[:8]}", "approver")) as approver:
        one = waiting_for(api, name)
        here, old = f"/approvals/{one['id']}", one["plan_hash"]
        assert old in approver.get(here).text
        params = one["params"] | {"title": f"Another title of {name}"}
        api.put(f"/api/v1/actions/{one['action_id']}/params", json={"params": params}).raise_for_status()
        new = waiting_for(api, f"Another title of {name}")["plan_hash"]
        changed = submit(approver, f"{here}/approve", plan_hash=old)
        assert changed.status_code == 409
        assert "it has changed" in changed.text
        assert "another operator must approve it" in admin.get(here).text  # who changed it is its requester now
        assert submit(admin, f"{here}/approve", plan_hash=new).status_code in (403, 409)
        assert "Approved: it goes ahead" in said(approver, submit(approver, f"{here}/approve", plan_hash=new))


def test_standing_orders_are_checked_before_they_are_in_force(admin: httpx.Client) -> None:
    broken = submit(admin, "/standing-orders/check", text="version: 1\norders: [")
    assert broken.status_code == 422
    assert "Line 3" in broken.text
    refused = submit(admin, "/standing-orders", text="version: 1\norders:\n  - name: x\n    action: no_such_action\n")
    assert refused.status_code == 422
    assert "no_such_action" in refused.text
    sound = submit(admin, "/standing-orders/check", text="version: 1\norders: []")
    assert "Sound" in sound.text


def test_operators_and_tokens(served: Served, admin: httpx.Client) -> None:
    name = f"Ann{uuid4().hex[:6]}"
    assert name in said(admin, submit(admin, "/operators", name=name, role_viewer="1"))
    assert submit(admin, "/operators", name=name, role_viewer="1").status_code == 409
    assert submit(admin, "/operators", name=f"{name}x").status_code == 422
    issued = submit(admin, "/operators/tokens/new", operator=name, name="laptop", days="3")
    found = re.search(r'id="secret">(ops_[^<]+)<', issued.text)
    assert found is not None
    with served.api(found[1]) as theirs:
        assert theirs.get("/api/v1/me").json()["operator"] == name
    assert found[1] not in admin.get("/operators").text


def test_a_pause_is_told_on_every_page_until_it_is_lifted(admin: httpx.Client) -> None:
    try:
        assert "This tenant is paused" in said(admin, submit(admin, "/console/pause", what="tenant:", reason="a test"))
        assert "This tenant is paused" in admin.get("/systems").text
    finally:
        after = said(admin, submit(admin, "/console/resume", what="tenant:"))
    assert "This tenant goes on" in after
    assert "is paused" not in after


def test_a_schedule_is_made_paused_and_removed(admin: httpx.Client) -> None:
    name = f"nightly {uuid4().hex[:6]}"
    form = {"name": name, "cron": "0 3 * * *", "timezone": "UTC", "task_type": "opsteward.echo"}
    assert submit(admin, "/schedules", **form, parameters="no json").status_code == 422
    page = said(admin, submit(admin, "/schedules", **form, parameters='{"seconds": 0}'))
    row = page[page.index(f">{name}<") :]
    found = re.search(r"/schedules/[0-9a-f-]{36}", row)
    assert found is not None
    assert f"{name} is paused" in said(admin, submit(admin, f"{found[0]}/pause"))
    assert "The schedule is gone" in said(admin, submit(admin, f"{found[0]}/remove"))
    assert submit(admin, f"{found[0]}/remove").status_code == 404


def test_a_system_is_registered_and_forgotten(admin: httpx.Client) -> None:
    name = f"shop-{uuid4().hex[:6]}"
    assert submit(admin, "/systems/new", name=name, type="api", endpoint="nowhere").status_code == 422
    answer = submit(admin, "/systems/new", name=name, type="api", endpoint="http://127.0.0.1:9/")
    assert f"{name} is watched" in said(admin, answer)
    assert name in admin.get(f"/systems?ref={name}").text
    page = answer.headers["location"]
    assert submit(admin, f"{page}/maintenance", what="new disks", minutes="soon").status_code == 422
    told = said(admin, submit(admin, f"{page}/maintenance", what="new <disks>", minutes="30"))
    assert "no alerts for 30 minutes" in told
    assert "new &lt;disks&gt;" in admin.get(page).text, "escaped"
    ending = re.search(rf"{page}/maintenance/[0-9a-f-]{{36}}/end", told)
    assert ending is not None
    assert "The maintenance has ended" in said(admin, submit(admin, ending[0]))
    assert "forgotten" in said(admin, submit(admin, f"{answer.headers['location']}/remove"))


def test_a_task_is_shown_and_cancelled(served: Served, admin: httpx.Client) -> None:
    with served.api() as api:
        body = {"task_type": "opsteward.echo", "delay": 3600}
        task = api.post("/api/v1/tasks", json=body).raise_for_status().json()
    here = f"/tasks/{task['id']}"
    assert here in admin.get("/tasks?status=pending").text
    assert "Cancelled" in said(admin, submit(admin, f"{here}/cancel", reason="not today"))
    assert submit(admin, f"{here}/cancel").status_code == 409
    assert "It is run anew" in said(admin, submit(admin, f"{here}/redrive"))


def test_a_user_is_granted_moved_and_reviewed(served: Served, admin: httpx.Client) -> None:
    name = f"ana{uuid4().hex[:6]}"
    with served.api() as api:
        new = {"username": name, "email": f"{name}@example.com", "full_name": f"Ana {name}"}
        user = api.post("/api/v1/users", json=new).raise_for_status().json()
    here = f"/users/{user['id']}"
    assert name in admin.get(f"/users?search={name}").text
    assert user["status"] == "active"
    page = said(admin, submit(admin, f"{here}/grants", kind="permission", name="crm.read", lasts="day", reason="q4"))
    found = re.search(rf"{here}/grants/[0-9a-f-]{{36}}/revoke", page)
    assert found is not None
    begun = submit(admin, "/access-reviews", name=f"Review {name}", time="week")
    review = begun.headers["location"]
    shown = admin.get(f"{review}?search={name}")
    item = re.search(r'name="items" value="([0-9a-f-]{36})"', shown.text)
    assert item is not None
    assert "1 item is kept" in said(admin, submit(admin, f"{review}/decide", items=item[1], decision="keep"))
    assert submit(admin, f"{review}/decide", items=item[1], decision="revoke").status_code == 409
    assert "The campaign is closed" in said(admin, submit(admin, f"{review}/close"))
    assert "It is revoked" in said(admin, submit(admin, found[0]))
    assert "is suspended" in said(admin, submit(admin, f"{here}/status", status="suspended", reason="away"))
    preview = admin.get(f"{here}/role?role=contractor")
    shown_hash = re.search(r'name="shown" value="(\w{64})"', preview.text)
    assert shown_hash is not None
    assert submit(admin, f"{here}/role", role="contractor", shown="0" * 64).status_code == 409
    assert "contractor now" in said(admin, submit(admin, f"{here}/role", role="contractor", shown=shown_hash[1]))


def test_four_hundred_pages_of_one_viewer_keep_nothing(served: Served, admin: httpx.Client) -> None:
    def resident() -> int:
        status = Path(f"/proc/{served.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    for _ in range(50):
        admin.get("/incidents")
    before = resident()
    assert {admin.get("/incidents").status_code for _ in range(400)} == {200}
    assert resident() - before < 30_000  # kB


def test_search_finds_what_is_called_so_and_only_what_may_be_read(served: Served, admin: httpx.Client) -> None:
    name = f"Zephyr{uuid4().hex[:6]}"
    taken = served.send(message="sails are torn", source="fleet", error_type=name, severity="high")
    with served.api() as api:
        user = {"username": name, "email": f"{name}@example.com", "full_name": f"{name} Sailor"}
        known = api.post("/api/v1/users", json=user).raise_for_status().json()
        number = api.get(f"/api/v1/incidents/{taken['incident_id']}").json()["number"]
    page = admin.get("/console/search", params={"q": name.lower()}).text
    assert f"/incidents/{taken['incident_id']}" in page
    assert f"/users/{known['id']}" in page
    assert f"/incidents/{taken['incident_id']}" in admin.get("/console/search", params={"q": f"#{number}"}).text
    assert 'href="/standing-orders"' in admin.get("/console/search", params={"q": "standing"}).text
    assert "Nothing is called so" in admin.get("/console/search", params={"q": "qqxyzzy"}).text
    assert "<script>window" not in admin.get("/console/search", params={"q": HOSTILE[:90]}).text
    assert admin.get("/console/search", params={"q": "x" * 101}).status_code == 422
    with browser(served, served.operator(f"p{uuid4().hex[:8]}", "approver")) as approver:
        seen = approver.get("/console/search", params={"q": name}).text
        may = approver.get("/users").status_code == 200
        assert (f"/users/{known['id']}" in seen) == may
