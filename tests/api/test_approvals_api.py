"""The one door through the API of a live instance: what runs by itself, what waits, who may let it go ahead.

The target is a real one: sessions that a test opens on the instance's own PostgreSQL server, as a visitor in a
database of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest

from support.live import Live, LiveOperator, LiveTenant, running_instance
from support.problems import problem_of
from support.target import Visitor, identity_of, register_target, terminate, visited_database

NOTICES = {
    "log_only": 5,
    "log_and_monitor": 3,
    "return_validation_error": 4,
    "notify_admin": 2,
    "alert_security_team": 1,
    "escalate": 1,
}


@pytest.fixture
def company(live: Live) -> LiveTenant:
    """A tenant whose system `visited` is the target."""
    tenant = live.tenant(f"c{uuid4().hex[:12]}")
    register_target(live, tenant)
    return tenant


@pytest.fixture
def second(live: Live, company: LiveTenant) -> LiveOperator:
    """Another operator, who may approve."""
    return live.operator(company, "grace", "approver")


@pytest.fixture
def visit(live: Live) -> Iterator[Callable[[], Visitor]]:
    """Opens sessions on the target, and sees to their end."""
    opened: list[psycopg.Connection[Any]] = []

    def open_one() -> Visitor:
        connection = psycopg.connect(visited_database(live), application_name="a-visitor")
        opened.append(connection)
        return Visitor(connection=connection, identity=identity_of(connection))

    yield open_one
    for connection in opened:
        connection.close()


def execute(operator: LiveOperator, action: str, priority: int = 1, **context: Any) -> httpx.Response:
    return operator.http.post(
        "/agent/execute-action/",
        json={
            "action": action,
            "priority": priority,
            "event_type": "system_error",
            "severity": "high",
            "message": "Checkout hangs",
            "context": context,
        },
    )


def ask_to_terminate(operator: LiveOperator, visitor: Visitor) -> dict[str, Any]:
    """Request the action; returns its approval, pending."""
    answer = execute(operator, "postgresql.terminate_session", system="visited", params=terminate(visitor))
    assert answer.status_code == 202, answer.text
    return dict(operator.http.get(f"/api/v1/approvals/{answer.json()['approval_id']}").raise_for_status().json())


def approve(operator: LiveOperator, approval: dict[str, Any], plan_hash: str | None = None) -> httpx.Response:
    return operator.http.post(
        f"/api/v1/approvals/{approval['id']}/approve", json={"plan_hash": plan_hash or approval["plan_hash"]}
    )


def settled(operator: LiveOperator, action_id: str, *statuses: str) -> dict[str, Any]:
    """The action once it has one of these statuses."""
    deadline = time.monotonic() + 20
    while True:
        run = dict(operator.http.get(f"/api/v1/actions/{action_id}").raise_for_status().json())
        if run["status"] in statuses:
            return run
        assert time.monotonic() < deadline, f"it is {run['status']}: {run['error']}"
        time.sleep(0.05)


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


def test_an_action_on_a_target_waits_for_a_second_person(
    company: LiveTenant, second: LiveOperator, visit: Callable[[], Visitor]
) -> None:
    visitor, bystander = visit(), visit()
    answer = execute(company.owner, "postgresql.terminate_session", system="visited", params=terminate(visitor))
    assert answer.status_code == 202, answer.text
    asked = answer.json()
    assert asked["success"] is False
    assert asked["details"]["status"] == "awaiting_approval"
    assert str(visitor.identity["pid"]) in asked["details"]["plan"]["objects"][0]
    waiting = second.http.get("/api/v1/approvals").json()["items"]
    assert [a["id"] for a in waiting] == [asked["approval_id"]]
    problem = problem_of(approve(company.owner, waiting[0]), 403)
    assert "requested" in problem["detail"]
    assert visitor.alive
    decided = approve(second, waiting[0])
    assert decided.status_code == 200, decided.text
    assert (decided.json()["status"], decided.json()["decided_by"]) == ("approved", actor_of(second))
    run = settled(company.owner, asked["details"]["action_id"], "succeeded")
    assert run["proof"]["ok"] is True
    assert not visitor.alive
    assert bystander.alive
    problem_of(approve(second, waiting[0]), 409)
    audited = second_person_trail(company, run["id"])
    assert audited == ["action.requested", "action.planned.awaiting_approval", "action.approval.approved",
                       "action.executing", "action.succeeded"]  # fmt: skip


def actor_of(operator: LiveOperator) -> str:
    return f"operator:{operator.http.get('/api/v1/me').json()['operator_id']}"


def second_person_trail(company: LiveTenant, action_id: str) -> list[str]:
    """The verbs of an action in the audit log, oldest first."""
    entries = company.owner.http.get("/api/v1/audit", params={"object_id": action_id}).json()["items"]
    return [entry["verb"] for entry in reversed(entries)]


def test_approving_by_command_line(company: LiveTenant, second: LiveOperator, visit: Callable[[], Visitor]) -> None:
    visitor = visit()
    approval = ask_to_terminate(company.owner, visitor)
    shown = second.cli("approvals", "show", approval["id"])
    assert shown.returncode == 0, shown.stderr
    assert approval["plan_hash"] in shown.stdout
    assert str(visitor.identity["pid"]) in shown.stdout
    for operator, plan_hash, why in (
        (company.owner, approval["plan_hash"], "can't approve"),
        (second, "0" * 64, "has changed"),
    ):
        refused = operator.cli("approvals", "approve", approval["id"], "--plan-hash", plan_hash)
        assert refused.returncode == 1
        assert why in refused.stderr
        assert "Traceback" not in refused.stderr
    assert visitor.alive
    done = second.cli("approvals", "approve", approval["id"], "--plan-hash", approval["plan_hash"], "--reason", "yes")
    assert done.returncode == 0, done.stderr
    settled(company.owner, approval["action_id"], "succeeded")
    assert not visitor.alive
    assert "approved" in second.cli("approvals", "list", "--status", "all").stdout


def test_another_hash_is_no_approval(company: LiveTenant, second: LiveOperator, visit: Callable[[], Visitor]) -> None:
    visitor = visit()
    approval = ask_to_terminate(company.owner, visitor)
    problem_of(approve(second, approval, "0" * 64), 409)
    problem_of(approve(second, approval, approval["plan_hash"].upper()), 422)
    assert settled(company.owner, approval["action_id"], "awaiting_approval")
    assert visitor.alive


def test_a_changed_plan_needs_a_new_approval(
    company: LiveTenant, second: LiveOperator, visit: Callable[[], Visitor]
) -> None:
    visitor, other = visit(), visit()
    approval = ask_to_terminate(company.owner, visitor)
    path = f"/api/v1/actions/{approval['action_id']}/params"
    problem_of(company.owner.http.put(path, json={"params": {"sessions": []}}), 422)
    amended = company.owner.http.put(path, json={"params": terminate(other)})
    assert amended.status_code == 200, amended.text
    problem_of(approve(second, approval), 409)  # while it is planned anew
    settled(company.owner, approval["action_id"], "awaiting_approval")
    problem_of(approve(second, approval), 409)  # the hash that was read before
    assert visitor.alive
    assert other.alive
    fresh = second.http.get(f"/api/v1/approvals/{approval['id']}").json()
    assert fresh["plan_hash"] != approval["plan_hash"]
    assert str(other.identity["pid"]) in fresh["plan"]["objects"][0]
    assert approve(second, fresh).status_code == 200
    settled(company.owner, approval["action_id"], "succeeded")
    assert visitor.alive
    assert not other.alive


def test_who_changed_it_cannot_approve_it(live: Live, company: LiveTenant, visit: Callable[[], Visitor]) -> None:
    third = live.operator(company, "edsger", "admin")
    visitor = visit()
    approval = ask_to_terminate(company.owner, visitor)
    path = f"/api/v1/actions/{approval['action_id']}/params"
    assert third.http.put(path, json={"params": terminate(visitor, why="my words")}).status_code == 200
    settled(company.owner, approval["action_id"], "awaiting_approval")
    fresh = third.http.get(f"/api/v1/approvals/{approval['id']}").json()
    problem_of(approve(third, fresh), 403)
    assert visitor.alive


def test_a_refusal_ends_it(company: LiveTenant, second: LiveOperator, visit: Callable[[], Visitor]) -> None:
    visitor = visit()
    approval = ask_to_terminate(company.owner, visitor)
    refused = second.http.post(f"/api/v1/approvals/{approval['id']}/refuse", json={"reason": "wait for the night"})
    assert refused.json()["status"] == "refused"
    assert refused.json()["decision_reason"] == "wait for the night"
    settled(company.owner, approval["action_id"], "refused")
    problem_of(approve(second, approval), 409)
    problem_of(second.http.post(f"/api/v1/approvals/{approval['id']}/refuse", json={}), 409)
    problem_of(
        company.owner.http.put(f"/api/v1/actions/{approval['action_id']}/params", json={"params": terminate(visitor)}),
        409,
    )
    assert visitor.alive


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


def test_an_approval_that_nobody_gives_expires() -> None:
    with running_instance({"OPSTEWARD_APPROVAL_TTL": "1", "OPSTEWARD_QUEUE_POLL_INTERVAL": "0.1"}) as live:
        tenant = live.tenant("short")
        register_target(live, tenant)
        second = live.operator(tenant, "grace", "approver")
        with psycopg.connect(visited_database(live)) as connection:
            visitor = Visitor(connection=connection, identity=identity_of(connection))
            [system] = tenant.owner.http.get("/api/v1/systems").json()["items"]
            request = {
                "action": "postgresql.terminate_session",
                "system_id": system["id"],
                "params": terminate(visitor),
                "reason": "Checkout hangs",
            }
            run = tenant.owner.http.post("/api/v1/actions", json=request).raise_for_status().json()
            assert settled(tenant.owner, run["id"], "expired")["ended_at"]
            [approval] = second.http.get("/api/v1/approvals", params={"status": "expired"}).json()["items"]
            assert approval["action_id"] == run["id"]
            problem_of(approve(second, approval), 409)
            assert visitor.alive
