"""What the API and the command line can begin, a person can begin in the console, with the same rules and words."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from html import unescape
from uuid import uuid4

import httpx
import pytest

from .conftest import Served
from .test_console_access import browser
from .test_console_pages import said, submit


@pytest.fixture
def admin(served: Served) -> Iterator[httpx.Client]:
    """The first operator's browser session, over plain HTTP."""
    with browser(served) as one:
        yield one


def test_a_group_is_explained_corrected_merged_and_split(served: Served, admin: httpx.Client) -> None:
    tag = uuid4().hex[:6]
    one, other = (
        served.send(message=f"{words} of {tag}", source=f"mill-{tag}", error_type=f"{words}{tag}", severity="high")
        for words in ("Belt", "Gear")
    )
    here, there = (f"/incidents/{each['incident_id']}" for each in (one, other))
    page = admin.get(here).text
    assert "Why these events are one incident" in page and f'<code class="word">mill-{tag}</code>' in page
    corrected = said(admin, submit(admin, f"{here}/correct", category="security_issue", reason="seen before"))
    assert "Its events are security issue" in corrected and "Undo" in corrected
    with served.api() as api:
        assert api.get(f"/api/v1{here}").json()["category"] == "security_issue"
        number = api.get(f"/api/v1{there}").json()["number"]
    assert submit(admin, f"{here}/correct", category="odd").status_code == 422
    assert submit(admin, f"{here}/merge", into="99999999").status_code == 404
    assert submit(admin, f"{here}/merge", into="x").status_code == 422
    merged = submit(admin, f"{here}/merge", into=f"#{number}", reason="one cause")
    assert merged.headers["location"] == there
    again = served.send(message=f"Belt of {tag}", source=f"mill-{tag}", error_type=f"Belt{tag}", severity="high")
    assert f"/incidents/{again['incident_id']}" == there
    groups = re.findall(r'name="fingerprint" value="([^"]+)"', admin.get(there).text)
    assert groups
    assert submit(admin, f"{there}/split", fingerprint="none").status_code == 422
    for key in groups:
        said(admin, submit(admin, f"{there}/split", fingerprint=key))
    apart = served.send(message=f"Belt of {tag}", source=f"mill-{tag}", error_type=f"Belt{tag}", severity="high")
    assert apart["incident_id"] != other["incident_id"]


def test_a_user_is_registered_and_a_task_submitted(admin: httpx.Client) -> None:
    name = f"eva{uuid4().hex[:6]}"
    form = {"username": name, "full_name": "Eva Form", "email": f"{name}@example.com"}
    assert f"{name} is registered" in said(admin, submit(admin, "/users", **form))
    assert submit(admin, "/users", **form).status_code == 409
    assert submit(admin, "/users", **form | {"email": "nonsense", "username": f"{name}2"}).status_code == 422
    waits = submit(
        admin, "/users", **form | {"username": f"{name}3", "email": f"{name}3@example.com", "role": "contractor"}
    )
    assert "waits to be let in" in said(admin, waits)

    task = {"task_type": "opsteward.echo", "parameters": '{"seconds": 0}', "delay": "3600", "priority": "low"}
    assert "It is submitted" in said(admin, submit(admin, "/tasks", **task))
    for wrong in (
        {"parameters": "[1]"},
        {"delay": "soon"},
        {"task_type": "no.such"},
        {"priority": "x"},
        {"parameters": "{"},
    ):
        assert submit(admin, "/tasks", **task | wrong).status_code in (404, 422), wrong


def test_an_inhibition_and_a_schedule_are_made(admin: httpx.Client) -> None:
    tag = uuid4().hex[:6]
    made = {
        "name": f"storage {tag}",
        "source": f'source="s-{tag}"',
        "target": 'severity="low"',
        "equal": "site, cluster",
    }
    page = said(admin, submit(admin, "/inhibitions", **made))
    assert f"storage {tag} keeps what follows quiet" in page and "with the same site, cluster" in unescape(page)
    assert submit(admin, "/inhibitions", **made | {"name": "x", "equal": ""}).status_code == 422
    assert submit(admin, "/inhibitions", **made | {"name": "x", "source": "nonsense"}).status_code == 422
    turns = {"name": f"ops-{tag}", "participants": "admin\n", "every": "2", "unit": "week", "timezone": "Europe/Vienna"}
    assert f"The schedule ops-{tag} is made" in said(admin, submit(admin, "/oncall", **turns))
    assert submit(admin, "/oncall", **turns).status_code == 409
    for wrong in ({"timezone": "Mars"}, {"participants": "nobody-knows"}, {"every": "0"}, {"handover": "9 o'clock"}):
        assert submit(admin, "/oncall", **turns | {"name": f"x-{tag}"} | wrong).status_code in (404, 422), wrong


def test_the_stream_of_events_leads_to_their_incidents(served: Served, admin: httpx.Client) -> None:
    source = f"press-{uuid4().hex[:6]}"
    taken = served.send(message=f"timeout <b>{source}</b>", source=source, error_type="TimeoutError", severity="high")
    page = admin.get(f"/events?source={source}")
    assert f"/incidents/{taken['incident_id']}" in page.text and "<b>" not in page.text
    assert f"timeout &lt;b&gt;{source}" in page.text
    assert "None of the newest" in admin.get("/events?ref=no-such-words-at-all").text
    for wrong in ("before=x", f"before={uuid4()}", "severity=odd"):
        assert admin.get(f"/events?{wrong}").status_code == 422


def test_incidents_are_picked_and_changed_together(served: Served, admin: httpx.Client) -> None:
    tag = uuid4().hex[:6]
    source = f"gate-{tag}"
    some = [
        served.send(message=f"{words} failed", source=source, error_type=f"{words}{tag}", severity="high")
        for words in ("Latch", "Motor", "Lamp")
    ]
    page = admin.get(f"/incidents?source={source}").text
    picked = dict(re.findall(r'name="(pick-[0-9a-f-]{36})" value="(on)"', page))
    assert len(picked) == 3
    back = {"back": f"/incidents?source={source}"}
    assert "3 incidents acknowledged" in said(admin, submit(admin, "/incidents/bulk/acknowledge", **picked, **back))
    said(admin, submit(admin, f"/incidents/{some[0]['incident_id']}/resolve"))
    told = said(admin, submit(admin, "/incidents/bulk/resolve", reason="replaced", **picked, **back))
    assert "2 incidents resolved; 1 not" in told
    assert submit(admin, "/incidents/bulk/resolve").status_code == 422
    assert submit(admin, "/incidents/bulk/erase", **picked).status_code == 422
    evil = submit(admin, "/incidents/bulk/assign", **picked, back="https://evil.example")
    assert evil.headers["location"] == "/incidents"


def test_a_policy_is_put_in_force_and_an_agent_started(admin: httpx.Client) -> None:
    tag = uuid4().hex[:6]
    policy = {"name": f"p-{tag}", "step_0": "operator:admin", "wait_0": "5", "matchers": f'source="none-{tag}"'}
    page = said(admin, submit(admin, "/oncall/policies", **policy))
    assert f"The policy p-{tag} is in force" in page and "admin, then wait 5 min" in page
    assert submit(admin, "/oncall/policies", **policy).status_code == 409
    for wrong in (
        {"step_0": ""},
        {"step_0": "operator:nobody-knows"},
        {"wait_0": "nan"},
        {"repeats": "x"},
        {"matchers": "?"},
    ):
        assert submit(admin, "/oncall/policies", **policy | {"name": f"x-{tag}"} | wrong).status_code in (404, 422), (
            wrong
        )
    remove = re.findall(
        rf'action="(/oncall/policies/[0-9a-f-]{{36}}/remove)">(?:(?!<form).)*?Remove p-{tag}<', page, re.S
    )
    assert "for no further incident" in said(admin, submit(admin, remove[0]))

    kinds = re.findall(r'<option value="([a-z_.]+)">', admin.get("/agents").text)
    agent = {"kind": kinds[0], "name": f"second-{tag}", "interval": "600"}
    for wrong in ({"interval": "nan"}, {"interval": "0"}, {"kind": "odd"}, {"parameters": "["}, {"name": ""}):
        assert submit(admin, "/agents", **agent | wrong).status_code in (404, 422), wrong
    page = said(admin, submit(admin, "/agents", **agent))
    assert f"second-{tag} is started" in page
    remove = re.findall(rf'action="(/agents/[0-9a-f-]{{36}}/remove)">(?:(?!<form).)*?Remove second-{tag}<', page, re.S)
    assert "stopped and forgotten" in said(admin, submit(admin, remove[0]))


def test_work_of_the_crew_is_asked_for_by_its_form(admin: httpx.Client) -> None:
    assert "crm.lead_scoring" in admin.get("/crew/new").text
    assert 'name="p_lead_data"' in admin.get("/crew/new?type=crm.lead_scoring").text
    assert admin.get("/crew/new?type=none").status_code == 422
    rows = "lead_id,role,engagement_score\nA-1,CTO,90\nA-2,Student,10\n"
    form = {"type": "crm.lead_scoring", "p_lead_data": rows, "p_top": "5", "priority": "8", "description": "<b>why</b>"}
    planned = submit(admin, "/crew/new", **form, what="plan")
    assert planned.status_code == 200 and "It would be done by direct" in planned.text and "A-1,CTO" in planned.text
    wrong = submit(admin, "/crew/new", **form | {"p_lead_data": rows.replace("90", "900")})
    assert wrong.status_code == 422 and "engagement_score" in wrong.text and "A-1,CTO,900" in wrong.text
    assert "no JSON" in submit(admin, "/crew/new", **form | {"p_lead_data": "[{"}).text
    taken = submit(admin, "/crew/new", **form, what="run")
    deadline = time.monotonic() + 30
    while "figure-bars" not in (page := admin.get(taken.headers["location"]).text):
        assert time.monotonic() < deadline, page
        time.sleep(0.1)
    assert "A-1" in page and "&lt;b&gt;why" in page
