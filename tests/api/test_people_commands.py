"""People by the command line, on a running instance."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from support.live import Live, LiveOperator


def test_people_by_the_command_line(live: Live) -> None:
    tenant = live.tenant(f"commands{uuid4().hex[:12]}")
    owner, second = tenant.owner, live.operator(tenant, "grace", "admin")
    # who was given a token only now by who asks is no second person yet
    for table, column in (("tokens", "made_at"), ("operators", "created_at")):
        live.sql(
            f"update opsteward.{table} set {column} = {column} - interval '25 hours' where tenant_id = %s", tenant.id
        )
    assert "No user is like that" in owner.cli("users", "list").stdout

    joiner = ("users", "register", "ada", "ada@example.com", "Ada [bold]L.[/bold]", "--role", "contractor", "--json")
    ada = json.loads(owner.cli(*joiner).stdout)
    assert ada["status"] == "pending"
    taken = owner.cli("users", "register", "ADA", "other@example.com", "Somebody")
    assert taken.returncode == 1
    assert "username" in taken.stderr
    listed = owner.cli("users", "list", "--search", "DA")
    assert ada["id"] in listed.stdout

    (waiting,) = json.loads(owner.cli("enrollments", "list", "--json").stdout)["items"]
    assert "background check" in owner.cli("enrollments", "list").stdout
    assert "waits for review" in owner.cli("enrollments", "approve", waiting["id"], "--reason", "clean").stdout
    refused = owner.cli("enrollments", "approve", waiting["id"])
    assert "ask another one" in refused.stderr
    assert "approved" in second.cli("enrollments", "approve", waiting["id"]).stdout
    assert "Nobody waits" in owner.cli("enrollments", "list").stdout
    again = owner.cli("enrollments", "reject", waiting["id"])
    assert again.returncode == 1
    assert "Traceback" not in again.stderr

    shown = owner.cli("users", "show", ada["id"])
    assert "Ada [bold]L.[/bold]" in shown.stdout
    assert "read_basic" in shown.stdout
    assert "inactive" in owner.cli("users", "deactivate", ada["id"], "--reason", "left").stdout
    assert json.loads(owner.cli("users", "show", ada["id"], "--json").stdout)["history"][0]["reason"] == "left"
    assert owner.cli("users", "show", "nobody").returncode == 2
    assert owner.cli("users", "show", str(uuid4())).returncode == 1


def wait_as_wizard(owner: LiveOperator, name: str) -> None:
    body = {"username": name, "email": f"{name}@example.com", "full_name": name.title(), "role": "wizard"}
    owner.http.post("/api/v1/users", json=body).raise_for_status()


@pytest.mark.slow(reason="each command is a process of its own, and decides on what the one before left")
def test_several_enrolments_are_decided_by_one_command(live: Live) -> None:
    tenant = live.tenant(f"commands{uuid4().hex[:12]}")
    owner = tenant.owner
    for name in ("anna", "bert", "carl"):
        wait_as_wizard(owner, name)
    unasked = owner.cli("enrollments", "approve", "anna", "bert")
    assert (unasked.returncode, "give --yes" in unasked.stderr) == (2, True)
    assert "Anna (anna)" in unasked.stdout  # shown before it is decided
    old = json.loads(owner.cli("enrollments", "show", "carl", "--json").stdout)["grants_digest"]
    stale = owner.cli("enrollments", "approve", "carl", "--grants-digest", "0" * 64)
    assert "what would be granted has changed: look again" in stale.stderr
    assert "2 decided, 0 not" in owner.cli("enrollments", "approve", "anna", "bert", "--yes").stdout
    assert "is approved" in owner.cli("enrollments", "approve", "carl", "--grants-digest", old).stdout
    for name in ("dora", "emil"):
        wait_as_wizard(owner, name)
    refused = owner.cli("enrollments", "reject", "--type", "wizard", "--reason", "no", "--yes", "--json")
    assert {one["outcome"] for one in json.loads(refused.stdout)["items"]} == {"rejected"}
    nobody = owner.cli("enrollments", "reject", "--search", "nobody", "--yes")
    assert (nobody.returncode, "none that waits is like that" in nobody.stderr) == (2, True)
    assert owner.cli("enrollments", "reject", "dora", "--type", "wizard").returncode == 2
