"""Approvals through the API of a live instance: what waits, who may let it go ahead, and for exactly what."""

from __future__ import annotations

import time
from collections.abc import Callable

import psycopg
import pytest

from support.live import Live, LiveOperator, LiveTenant, running_instance
from support.problems import problem_of
from support.target import (
    Visitor,
    approve,
    ask_to_terminate,
    execute,
    identity_of,
    register_target,
    settled,
    terminate,
    visited_database,
)  # fmt: skip


def actor_of(operator: LiveOperator) -> str:
    return f"operator:{operator.http.get('/api/v1/me').json()['operator_id']}"


def second_person_trail(company: LiveTenant, action_id: str) -> list[str]:
    """The verbs of an action in the audit log, oldest first."""
    entries = company.owner.http.get("/api/v1/audit", params={"object_id": action_id}).json()["items"]
    return [entry["verb"] for entry in reversed(entries)]


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
    assert visitor.is_alive()
    decided = approve(second, waiting[0])
    assert decided.status_code == 200, decided.text
    assert (decided.json()["status"], decided.json()["decided_by"]) == ("approved", actor_of(second))
    run = settled(company.owner, asked["details"]["action_id"], "succeeded")
    assert run["proof"]["ok"] is True
    assert not visitor.is_alive()
    assert bystander.is_alive()
    problem_of(approve(second, waiting[0]), 409)
    audited = second_person_trail(company, run["id"])
    assert audited == ["action.requested", "action.planned.awaiting_approval", "action.approval.approved",
                       "action.executing", "action.succeeded"]  # fmt: skip


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
        assert refused.returncode in (1, 4)
        assert why in refused.stderr
        assert "Traceback" not in refused.stderr
    assert visitor.is_alive()
    done = second.cli("approvals", "approve", approval["id"], "--plan-hash", approval["plan_hash"], "--reason", "yes")
    assert done.returncode == 0, done.stderr
    settled(company.owner, approval["action_id"], "succeeded")
    assert not visitor.is_alive()
    assert "approved" in second.cli("approvals", "list", "--status", "all").stdout


def test_another_hash_is_no_approval(company: LiveTenant, second: LiveOperator, visit: Callable[[], Visitor]) -> None:
    visitor = visit()
    approval = ask_to_terminate(company.owner, visitor)
    problem_of(approve(second, approval, "0" * 64), 409)
    problem_of(approve(second, approval, approval["plan_hash"].upper()), 422)
    assert settled(company.owner, approval["action_id"], "awaiting_approval")
    assert visitor.is_alive()


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
    assert visitor.is_alive()
    assert other.is_alive()
    fresh = second.http.get(f"/api/v1/approvals/{approval['id']}").json()
    assert fresh["plan_hash"] != approval["plan_hash"]
    assert str(other.identity["pid"]) in fresh["plan"]["objects"][0]
    assert approve(second, fresh).status_code == 200
    settled(company.owner, approval["action_id"], "succeeded")
    assert visitor.is_alive()
    assert not other.is_alive()


def test_who_changed_it_cannot_approve_it(live: Live, company: LiveTenant, visit: Callable[[], Visitor]) -> None:
    third = live.operator(company, "edsger", "admin")
    visitor = visit()
    approval = ask_to_terminate(company.owner, visitor)
    path = f"/api/v1/actions/{approval['action_id']}/params"
    assert third.http.put(path, json={"params": terminate(visitor, why="my words")}).status_code == 200
    settled(company.owner, approval["action_id"], "awaiting_approval")
    fresh = third.http.get(f"/api/v1/approvals/{approval['id']}").json()
    problem_of(approve(third, fresh), 403)
    assert visitor.is_alive()


def test_an_approver_of_the_requesters_making_is_refused_for_a_day_and_marked_from_then_on(
    live: Live, company: LiveTenant, visit: Callable[[], Visitor]
) -> None:
    visitor = visit()
    approval = ask_to_terminate(company.owner, visitor)
    sock = live.operator(company, "sock", "approver")
    problem = problem_of(approve(sock, approval), 403)
    assert "of the requester's making: sock was " in problem["detail"]
    assert "wait until" in problem["remedy"]
    shown = sock.cli("approvals", "show", approval["id"]).stdout
    assert "refused you are of the requester's making: sock was " in " ".join(shown.split())
    assert visitor.is_alive()
    a_day_ago = "= now() - interval '25 hours' where tenant_id = %s"
    live.sql(f"update opsteward.operators set created_at {a_day_ago}", company.id)
    live.sql(f"update opsteward.tokens set made_at {a_day_ago}", company.id)
    assert approve(sock, approval).json()["making"]["refused"] is False
    settled(company.owner, approval["action_id"], "succeeded")
    entries = company.owner.http.get("/api/v1/audit", params={"object_id": approval["action_id"]}).json()["items"]
    approved = next(entry for entry in entries if entry["verb"] == "action.approval.approved")
    assert approved["detail"]["decided_by_an_operator_of_the_requesters_making"] is True
    assert "sock was " in company.owner.cli("approvals", "show", approval["id"]).stdout


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
    assert visitor.is_alive()


@pytest.mark.slow(reason="an approval runs out in real time")
def test_an_approval_that_nobody_gives_expires() -> None:
    with running_instance({"OPSTEWARD_APPROVAL_TTL": "1", "OPSTEWARD_QUEUE_POLL_INTERVAL": "0.1"}) as live:
        tenant = live.tenant("short")
        register_target(tenant)
        second = live.operator(tenant, "grace", "approver")
        with psycopg.connect(visited_database()) as connection:
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
            assert visitor.is_alive()


def test_several_are_decided_by_command_line(
    company: LiveTenant, second: LiveOperator, visit: Callable[[], Visitor]
) -> None:
    visitors = [visit(), visit(), visit()]
    waiting = [ask_to_terminate(company.owner, visitor) for visitor in visitors]
    ends = [one["id"][-8:] for one in waiting]
    unasked = second.cli("approvals", "approve", *ends)
    assert (unasked.returncode, "give --yes" in unasked.stderr) == (2, True), unasked.stderr
    assert all(visitor.is_alive() for visitor in visitors)
    one = second.cli("approvals", "refuse", ends[0], "--reason", "not this one")
    assert (one.returncode, "refused" in one.stdout) == (0, True), one.stderr
    mixed = second.cli("approvals", "approve", *ends, "--yes", "--reason", "they are idle")
    assert mixed.returncode == 1, mixed.stderr
    assert mixed.stdout.count("asked by") == 3  # each card was shown
    assert "already_decided" in mixed.stdout
    assert "2 decided, 1 not" in mixed.stdout
    for approval in waiting[1:]:
        settled(company.owner, approval["action_id"], "succeeded")
    assert [visitor.is_alive() for visitor in visitors] == [True, False, False]
    listed = second.cli("approvals", "list", "--status", "all", "--system", "visited", "--requester", "ada")
    assert listed.stdout.count("grace") == 3, listed.stdout
    assert "they are idle" in listed.stdout
    assert second.cli("approvals", "list", "--search", "nothing like it").stdout == "No approval is like that.\n"
    counted = second.cli("approvals", "count")
    assert "approved  2" in counted.stdout, counted.stdout


def test_the_past_of_a_watched_system_by_command_line(company: LiveTenant) -> None:
    deadline = time.monotonic() + 30
    while True:
        told = company.owner.cli("systems", "history", "visited", "--over", "1h")
        assert told.returncode == 0, told.stderr
        if "% available in" in told.stdout:
            break
        assert time.monotonic() < deadline, told.stdout
        time.sleep(0.3)
    assert "availability percent" in told.stdout
    assert "100.0" in told.stdout
