"""Runbooks over a real instance with its worker: run, tried without effects, stopped, and a person asked."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from support.live import Live, LiveTenant

BOOK = """
version: 1
name: look-and-tell
steps:
  - check: itself
  - action: notify_admin
    params: {title: all is well, body: looked, severity: low}
    otherwise: go on
  - wait: 1s
  - ask: Shall we go on?
  - check: gone
    expect: down
"""


@pytest.fixture(scope="module")
def company(live: Live) -> LiveTenant:
    made = live.tenant(f"books-{uuid4().hex[:8]}")
    itself = {"name": "itself", "type": "api", "endpoint": live.url, "health_check_url": f"{live.url}/livez"}
    gone = {"name": "gone", "type": "api", "endpoint": "http://127.0.0.1:9/", "criticality": "backup"}
    for system in (itself, gone):
        made.owner.http.post("/api/v1/systems", json=system).raise_for_status()
    return made


def actions_of(company: LiveTenant) -> list[Any]:
    asked = company.owner.http.get("/api/v1/actions", params={"include_routine": True}).raise_for_status()
    return [one for one in asked.json()["items"] if "runbook" in one["reason"]]


def test_a_dry_run_makes_the_checks_and_does_nothing(company: LiveTenant, tmp_path: Path) -> None:
    book = tmp_path / "look-and-tell.yaml"
    book.write_text(BOOK)
    told = company.owner.cli("runbooks", "run", str(book), "--dry-run")
    assert told.returncode == 0, told.stderr
    assert "would ask for notify_admin (risk low, without approval)" in told.stdout
    assert "would ask a person: Shall we go on?" in told.stdout
    assert "gone is down" in told.stdout and "look-and-tell: tried" in told.stdout
    assert actions_of(company) == []


@pytest.mark.parametrize(("decision", "outcome", "steps"), [("approve", "done", 5), ("refuse", "stopped", 4)])
def test_a_runbook_runs_step_by_step_and_another_person_is_asked(
    live: Live, company: LiveTenant, decision: str, outcome: str, steps: int
) -> None:
    before = {one["id"] for one in actions_of(company)}
    # who was made by somebody is no second person for them: so the one who was made runs it
    http = live.operator(company, f"runs-{decision}", "operator", "approver").http
    body = {"task_type": "troubleshooting.runbook", "parameters": {"runbook": BOOK}}
    task = http.post("/api/v1/tasks", json=body).raise_for_status().json()
    approval = _until(lambda: http.get("/api/v1/approvals", params={"status": "pending"}).json()["items"])[0]
    assert approval["action"] == "ask_person"
    answer = {"plan_hash": approval["plan_hash"], "reason": "seen"}
    address = f"/api/v1/approvals/{approval['id']}/{decision}"
    if decision == "approve":
        assert http.post(address, json=answer).status_code == 403  # who runs it does not answer it
    company.owner.http.post(address, json=answer).raise_for_status()
    ended = _until(lambda: _ended(http.get(f"/api/v1/tasks/{task['id']}").json()))
    assert ended["status"] == "completed", ended
    assert ended["result_data"]["outcome"] == outcome
    assert len(ended["result_data"]["steps"]) == steps
    asked = [one["action"] for one in actions_of(company) if one["id"] not in before]
    assert sorted(asked) == ["ask_person", "notify_admin"]


def test_a_step_that_finds_something_else_stops_it_and_what_is_not_there_is_named(
    company: LiveTenant, tmp_path: Path
) -> None:
    book = tmp_path / "stop.yaml"
    book.write_text(
        "version: 1\nname: stop\nsteps:\n  - check: gone\n"
        "  - action: notify_admin\n    params: {title: x, body: x, severity: low}\n"
    )
    told = company.owner.cli("runbooks", "run", str(book), "--json")
    assert told.returncode == 1
    result = json.loads(told.stdout)["result_data"]
    assert (result["outcome"], len(result["steps"])) == ("stopped", 1)
    assert "gone is down, not healthy" in result["steps"][0]["told"]
    book.write_text("version: 1\nname: stop\nsteps:\n  - wait: 1s\n  - fix: process_down\n    system: nowhere\n")
    told = company.owner.cli("runbooks", "run", str(book))
    assert told.returncode == 1 and "'nowhere' is no registered system" in told.stdout


def _ended(task: Any) -> Any:
    return task if task["status"] in ("completed", "failed", "dead_letter", "cancelled") else None


def _until(look: Any, within: float = 20.0) -> Any:
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found
