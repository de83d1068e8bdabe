"""The one door through the API of a live instance: what runs by itself, and what never becomes an action."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from support.live import Live, LiveTenant
from support.problems import problem_of
from support.target import Visitor, execute, terminate

NOTICES = {
    "log_only": 5,
    "log_and_monitor": 3,
    "return_validation_error": 4,
    "notify_admin": 2,
    "alert_security_team": 1,
    "escalate": 1,
}


@pytest.mark.parametrize("action", NOTICES)
def test_each_decision_can_be_executed(company: LiveTenant, action: str) -> None:
    answer = execute(company.owner, action, NOTICES[action], field="email")
    assert answer.status_code == 200, answer.text
    done = answer.json()
    assert (done["success"], done["action"]) == (True, action)
    assert done["execution_time"].endswith("+00:00")
    assert done["message"]
    details = done["details"]
    assert details["status"] == "succeeded"
    assert details["priority"] == NOTICES[action]
    assert details["proof"]["ok"] is True
    assert details["result"]["reference"] == details["action_id"]
    if action == "return_validation_error":
        assert details["result"]["errors"] == [{"field": "email", "problem": "Checkout hangs"}]
    run = company.owner.http.get(f"/api/v1/actions/{details['action_id']}").json()
    assert (run["action"], run["status"]) == (action, "succeeded")


def test_the_same_key_is_executed_once(company: LiveTenant) -> None:
    body = {
        "action": "log_only", "priority": 5, "event_type": "ignorable", "severity": "low", "message": "once",
    }  # fmt: skip
    answers = [
        company.owner.http.post("/agent/execute-action/", json=body, headers={"Idempotency-Key": "k1"})
        for _ in range(2)
    ]
    assert len({a.json()["details"]["action_id"] for a in answers}) == 1
    assert len(company.owner.http.get("/api/v1/actions").json()["items"]) == 1


def test_what_is_gone_needs_no_approval(live: Live, company: LiveTenant, visit: Callable[[], Visitor]) -> None:
    visitor = visit()
    visitor.connection.close()
    deadline = time.monotonic() + 10
    while live.sql("select 1 from pg_stat_activity where pid = %s", visitor.identity["pid"]):
        assert time.monotonic() < deadline, "the session does not end"
        time.sleep(0.02)
    answer = execute(company.owner, "postgresql.terminate_session", system="visited", params=terminate(visitor))
    assert answer.status_code == 200, answer.text
    assert (answer.json()["success"], answer.json()["details"]["status"]) == (True, "not_needed")


def test_bad_requests_never_become_actions(company: LiveTenant) -> None:
    owner = company.owner
    before = len(owner.http.get("/api/v1/actions").json()["items"])
    for answer, field in (
        (execute(owner, "postgresql.terminate_session", system="visited", params={}), "params.sessions"),
        (execute(owner, "postgresql.terminate_session", system="visited", params=[]), "context.params"),
        (execute(owner, "postgresql.terminate_session", system="nowhere", params={}), "context.system"),
        (execute(owner, "postgresql.terminate_session"), "context.system"),
        (execute(owner, "supervisor.restart_process", system="visited", params={"process": "x"}), "system_id"),
        (execute(owner, "rm -rf"), "action"),
    ):
        fields = [error["field"] for error in problem_of(answer, 422)["errors"]]
        assert field in fields
    assert len(owner.http.get("/api/v1/actions").json()["items"]) == before
