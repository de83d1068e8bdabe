"""A sync as an operator does it: by API and command line, approved by a second person, undone."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from support.live import Live, LiveOperator, LiveTenant, running_instance

_WITHIN = 30.0
COLUMNS = ["id", "login", "dept"]
DEFINITION = {
    "source_resource": "people",
    "target_resource": "accounts",
    "key": "login",
    "fields": [{"target": "login", "source": "login"}, {"target": "dept", "source": "dept"}],
    "missing": "delete",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lists")


@pytest.fixture(scope="module")
def live(folder: Path) -> Iterator[Live]:
    settings = {"OPSTEWARD_FILE_FOLDERS": json.dumps([str(folder)]), "OPSTEWARD_QUEUE_POLL_INTERVAL": "0.1"}
    settings["OPSTEWARD_APPROVAL_MAKING_SECONDS"] = "0"
    with running_instance(settings) as instance:
        yield instance


@pytest.fixture
def tenant(live: Live, folder: Path) -> LiveTenant:
    """A tenant with a list of people and one of accounts, and the mapping between them."""
    tenant = live.tenant(f"sync-{uuid4().hex[:12]}")
    write(folder / "people.csv", [f"u{number}" for number in range(40)])
    (folder / "accounts.csv").write_text("login,dept\nghost,none\n")
    for name, key in (("people", "id"), ("accounts", "login")):
        system = {"name": name, "type": "file_system", "endpoint": f"file://{folder}", "settings": {
            "resources": {name: {"file": f"{name}.csv", "key": key}}}}  # fmt: skip
        tenant.owner.http.post("/api/v1/systems", json=system).raise_for_status()
    mapping = {"name": "Accounts", "source": "people", "target": "accounts", "definition": DEFINITION}
    (folder / "mapping.json").write_text(json.dumps(mapping))
    said = tenant.owner.cli("sync", "apply", str(folder / "mapping.json"))
    assert said.returncode == 0, said.stderr
    return tenant


def write(path: Path, logins: list[str]) -> None:
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        writer.writerows([number, login, "sales"] for number, login in enumerate(logins))


def logins(path: Path) -> set[str]:
    with path.open(newline="") as stream:
        return {row["login"] for row in csv.DictReader(stream)}


def until(http: httpx.Client, sync: str, *statuses: str) -> dict[str, Any]:
    deadline = time.monotonic() + _WITHIN
    while True:
        found: dict[str, Any] = http.get(f"/api/v1/sync-operations/{sync}").raise_for_status().json()
        if found["status"] in statuses:
            return found
        assert time.monotonic() < deadline, (
            found["status"],
            found["error"],
            [
                (t["name"], t["status"], t["progress_message"], t["error"])
                for t in http.get("/api/v1/tasks").json()["items"]
            ],
        )
        time.sleep(0.05)


def approve(operator: LiveOperator, found: dict[str, Any], verb: str = "approve") -> None:
    """Of the action of this sync, by its hash."""
    deadline = time.monotonic() + _WITHIN
    while time.monotonic() < deadline:
        for one in operator.http.get("/api/v1/approvals").json()["items"]:
            if one["action_id"] == found["action_id"]:
                body = {"plan_hash": one["plan_hash"]}
                operator.http.post(f"/api/v1/approvals/{one['id']}/{verb}", json=body).raise_for_status()
                return
        time.sleep(0.05)
    raise AssertionError("no approval waits for this sync")


@pytest.mark.slow(reason="five commands, each a process, and two approved syncs")
def test_a_sync_is_planned_approved_written_listed_and_undone(live: Live, tenant: LiveTenant, folder: Path) -> None:
    http, second = tenant.owner.http, live.operator(tenant, "bea", "approver")
    dry = json.loads(tenant.owner.cli("sync", "plan", "Accounts", "--json").stdout)
    assert (dry["status"], dry["counts"]["create"], dry["counts"]["orphans"]) == ("planned", 40, 1)
    assert logins(folder / "accounts.csv") == {"ghost"}

    systems = {one["name"]: one["id"] for one in http.get("/api/v1/systems").json()["items"]}
    asked = http.post(f"/api/v1/systems/{systems['people']}/sync", json={"target_id": systems["accounts"]})
    assert asked.status_code == 202
    waiting = until(http, asked.json()["id"], "awaiting_approval")
    assert logins(folder / "accounts.csv") == {"ghost"}
    approve(second, waiting)
    action = http.get(f"/api/v1/actions/{waiting['action_id']}").json()
    assert action["plan"]["summary"] == "Bring two systems in step: create 40 in the target"
    done = until(http, waiting["id"], "succeeded", "incomplete", "failed")
    assert (done["status"], done["counts"]["outcome:done"]) == ("succeeded", 40)
    assert logins(folder / "accounts.csv") == {"ghost", *(f"u{number}" for number in range(40))}

    again = json.loads(tenant.owner.cli("sync", "run", "Accounts", "--full", "--json").stdout)
    assert (again["status"], again["plan_hash"] is not None) == ("succeeded", True)
    changes = http.get(f"/api/v1/sync-operations/{again['id']}/changes").json()["items"]
    assert changes == []
    said = tenant.owner.cli("accounts", "orphans", "Accounts")
    assert "ghost" in said.stdout, said.stderr

    undo = http.post(f"/api/v1/sync-operations/{done['id']}/undo").raise_for_status().json()
    approve(second, until(http, undo["id"], "awaiting_approval"))
    assert until(http, undo["id"], "succeeded", "incomplete", "failed")["status"] == "succeeded"
    assert logins(folder / "accounts.csv") == {"ghost"}
    said = tenant.owner.cli("sync", "status")
    assert said.stdout.count("succeeded") == 3, said.stdout


def test_a_plan_that_is_refused_or_that_nobody_asked_for_writes_nothing(
    live: Live, tenant: LiveTenant, folder: Path
) -> None:
    http, second = tenant.owner.http, live.operator(tenant, "cal", "approver")
    begun = json.loads(tenant.owner.cli("sync", "run", "Accounts", "--json").stdout)
    assert begun["status"] == "awaiting_approval"
    params = http.get(f"/api/v1/actions/{begun['action_id']}").json()["params"]
    forged = {"action": "sync.apply", "params": params | {"counts": {"create": 1}}, "reason": "looks harmless"}
    run = http.post("/api/v1/actions", json=forged).raise_for_status().json()
    deadline = time.monotonic() + _WITHIN
    while http.get(f"/api/v1/actions/{run['id']}").json()["status"] != "awaiting_approval":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    approve(second, {"action_id": run["id"]})
    while http.get(f"/api/v1/actions/{run['id']}").json()["status"] != "succeeded":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert until(http, begun["id"], "awaiting_approval")["ended_at"] is None
    approve(second, begun, "refuse")
    assert until(http, begun["id"], "cancelled")["error"]
    assert logins(folder / "accounts.csv") == {"ghost"}


def test_a_sync_that_needs_nobody_is_done_when_its_command_ends(tenant: LiveTenant, folder: Path) -> None:
    mapping = {"name": "Accounts", "source": "people", "target": "accounts"}
    mapping |= {"definition": DEFINITION | {"approval": "auto"}}
    (folder / "mapping.json").write_text(json.dumps(mapping))
    tenant.owner.cli("sync", "apply", str(folder / "mapping.json"))
    said = tenant.owner.cli("sync", "run", "Accounts", "--json")
    assert (said.returncode, json.loads(said.stdout)["status"]) == (0, "succeeded")
    assert len(logins(folder / "accounts.csv")) == 41


@pytest.mark.slow(reason="two rounds of a schedule pass, and each is a plan, an action and a task")
def test_joiners_movers_and_leavers_of_the_directory_reach_a_system_by_schedule(live: Live, folder: Path) -> None:
    tenant = live.tenant(f"joiners-{uuid4().hex[:12]}")
    http = tenant.owner.http
    rules = {"analyst": {"permissions": ["read"], "systems": ["crm"], "auto_approve": True}}
    rules["guest"] = {"permissions": ["read"], "systems": [], "auto_approve": True}
    http.put("/api/v1/enrollment-rules", json={"rules": rules}).raise_for_status()
    (folder / "crm.csv").write_text("login,name,dept,state\n")
    resources = {"accounts": {"file": "crm.csv", "key": "login", "active": "state"}}
    own = {"name": "people-of-crm", "type": "service", "endpoint": "opsteward://directory", "sync_frequency": 1}
    crm = {"name": "crm", "type": "file_system", "endpoint": f"file://{folder}", "settings": {"resources": resources}}
    source = http.post("/api/v1/systems", json=own | {"settings": {"for_system": "crm"}}).raise_for_status().json()
    target = http.post("/api/v1/systems", json=crm).raise_for_status().json()
    definition = {
        "source_resource": "people",
        "target_resource": "accounts",
        "key": "login",
        "fields": [
            {"target": "login", "source": "username"},
            {"target": "name", "source": "full_name"},
            {"target": "dept", "source": "department"},
            {"target": "state", "transforms": [{"default": "true"}]},
        ],
        "approval": "auto",
        "guard": {"max_deletions": 5},
    }
    body = {"name": "crm", "source_id": source["id"], "target_id": target["id"], "definition": definition}
    http.post("/api/v1/sync-mappings", json=body).raise_for_status()
    users = {
        name: http.post(
            "/api/v1/users",
            json={"username": name, "email": f"{name}@example.com", "full_name": name.title(), "role": role},
        )
        .raise_for_status()
        .json()["id"]
        for name, role in (("ann", "analyst"), ("ben", "analyst"), ("cas", "guest"))
    }
    accounts_are(folder, {"ann": ("", True), "ben": ("", True)})
    http.put(f"/api/v1/users/{users['ann']}", json={"department": "sales"}).raise_for_status()
    http.put(f"/api/v1/users/{users['cas']}", json={"role": "analyst"}).raise_for_status()
    http.delete(f"/api/v1/users/{users['ben']}").raise_for_status()
    accounts_are(folder, {"ann": ("sales", True), "ben": ("", False), "cas": ("", True)})


def accounts_are(folder: Path, wanted: dict[str, tuple[str, bool]]) -> None:
    deadline = time.monotonic() + 2 * _WITHIN
    while True:
        with (folder / "crm.csv").open(newline="") as stream:
            found = {row["login"]: (row["dept"], row["state"] == "true") for row in csv.DictReader(stream)}
        if found == wanted:
            return
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
