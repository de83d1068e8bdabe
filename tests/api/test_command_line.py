"""The command line against a running instance: names for ids, lists that say where they stop, files never replaced."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.live import Live, LiveOperator, LiveTenant, running_instance


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with running_instance() as instance:
        yield instance


@pytest.fixture(scope="module")
def tenant(live: Live) -> LiveTenant:
    """With sixty users, some tasks, a system, a schedule and an incident."""
    made = live.tenant("command-line")
    http = made.owner.http
    for number in range(60):
        user = {"username": f"user{number:02d}", "email": f"u{number}@example.com", "full_name": "A B"}
        http.post("/api/v1/users", json=user).raise_for_status()
    waiting = {"username": "con.tractor", "email": "con@example.com", "full_name": "C T", "role": "contractor"}
    http.post("/api/v1/users", json=waiting).raise_for_status()
    tasks = [{"task_type": "opsteward.echo", "name": f"job {number % 3}", "delay": 3600} for number in range(6)]
    http.post("/api/v1/tasks/bulk", json={"tasks": tasks}).raise_for_status()
    system = {"name": "shop", "type": "api", "endpoint": "http://127.0.0.1:9/"}
    http.post("/api/v1/systems", json=system).raise_for_status()
    schedule = {"name": "nightly", "cron": "0 0 1 1 *", "task": {"task_type": "opsteward.echo"}}
    http.post("/api/v1/schedules", json=schedule).raise_for_status()
    event = {"message": "connection refused", "source": "billing", "error_type": "X", "severity": "high"}
    http.post("/api/v1/events", json=event).raise_for_status()
    return made


@pytest.fixture
def owner(tenant: LiveTenant) -> LiveOperator:
    return tenant.owner


def said(owner: LiveOperator, *arguments: str, code: int = 0) -> str:
    """What stands on standard output, or on standard error of what fails."""
    done = owner.cli(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("users", "show", "user07"),
        ("users", "show", "U7@Example.com"),
        ("schedules", "pause", "nightly"),
        ("schedules", "resume", "nightly"),
        ("systems", "show", "SHOP"),
        ("incidents", "show", "1"),
        ("operators", "set", "ADA", "--status", "active"),
        ("enrollments", "list", "--user", "con.tractor"),
        ("tasks", "list", "--schedule", "nightly"),
        ("audit", "list", "--actor", "ada"),
    ],
)
def test_a_name_stands_for_an_id(owner: LiveOperator, arguments: tuple[str, ...]) -> None:
    assert said(owner, *arguments)


@pytest.mark.parametrize(
    ("listing", "shows", "key"),
    [
        ("users list", "users show", "id"),
        ("tasks list", "tasks show", "id"),
        ("systems list", "systems show", "id"),
        ("incidents list", "incidents show", "id"),
    ],
)
def test_ends_and_beginnings_of_ids_are_taken_back(owner: LiveOperator, listing: str, shows: str, key: str) -> None:
    whole = json.loads(said(owner, *listing.split(), "--json"))["items"][0][key]
    for part in (whole, whole[-8:], whole[-12:], whole[:23]):
        assert json.loads(said(owner, *shows.split(), part, "--json"))[key] == whole


def test_what_may_be_several_is_refused_with_all_of_them(owner: LiveOperator) -> None:
    for several in ("job 1", json.loads(said(owner, "tasks", "list", "--json"))["items"][0]["id"][:6]):
        error = said(owner, "tasks", "cancel", several, code=2)
        assert error.count("\n") == 1
        assert error.count("job 1, pending") == 2
    assert "there is none called 'nobody'; see" in said(owner, "users", "show", "nobody", code=2)


def test_another_tenants_things_have_no_names(live: Live, owner: LiveOperator) -> None:
    for kind, name in (("users", "user07"), ("systems", "shop")):
        assert "there is none" in said(live.admin, kind, "show", name, code=2)
    task = json.loads(said(owner, "tasks", "list", "--json"))["items"][0]["id"]
    assert "there is none" in said(live.admin, "tasks", "show", task[-8:], code=2)


def test_a_list_says_that_it_stops_and_goes_on_from_there(owner: LiveOperator) -> None:
    done = owner.cli("users", "list")
    assert done.stdout.count("\n") == 51
    assert "50 shown, there are more: --after user48, --limit N or --all" in done.stderr
    rest = owner.cli("users", "list", "--after", "user48")
    assert (rest.stdout.count("\n"), rest.stderr) == (12, "")
    assert owner.cli("users", "list", "--limit", "61").stderr == ""
    assert len(json.loads(said(owner, "users", "list", "--all", "--json"))["items"]) == 61
    page = json.loads(said(owner, "tasks", "list", "--limit", "4", "--json"))
    assert len(json.loads(said(owner, "tasks", "list", "--before", page["next"], "--json"))["items"]) == 2


def test_lists_are_filtered(owner: LiveOperator) -> None:
    def found(*arguments: str) -> list[str]:
        items = json.loads(said(owner, *arguments, "--json"))["items"]
        return [str(one.get("verb") or one.get("source") or one["name"]) for one in items]

    assert set(found("audit", "list", "--verb", "schedule", "--all")) <= {
        "schedule.created",
        "schedule.paused",
        "schedule.resumed",
    }
    assert set(found("audit", "list", "--verb", "user.registered", "--actor", "ada")) == {"user.registered"}
    assert found("audit", "list", "--until", "2001-01-01T00:00:00Z") == []
    assert found("systems", "list", "--criticality", "standard", "--type", "api")[-1] == "shop"
    assert found("systems", "list", "--criticality", "critical") == []
    assert found("operators", "list", "--role", "owner", "--status", "active") == ["ada"]
    assert found("incidents", "list", "--source", "billing", "--severity", "high") == ["billing"]
    assert found("incidents", "list", "--severity", "low") == []
    assert found("approvals", "list", "--status", "all", "--action", "none") == []


def test_an_export_never_replaces_a_file_unasked(owner: LiveOperator, tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("mine")
    error = said(owner, "users", "export", str(file), code=2)
    assert error == f"error: {file}: is there already; name another file, or replace it with --force\n"
    assert file.read_text() == "mine"
    said(owner, "users", "export", str(file), "--force")
    assert "user07" in file.read_text()
    assert list(tmp_path.iterdir()) == [file]


def test_all_mistakes_of_a_file_of_systems_are_said(owner: LiveOperator, tmp_path: Path) -> None:
    file = tmp_path / "systems.json"
    good = {"name": "good", "type": "api", "endpoint": "http://127.0.0.1:9/"}
    bad = {**good, "name": "bad", "criticality": "huge", "credentials": {"password": "hidden"}, "more": 1}
    file.write_text(json.dumps([{"name": 5, "type": "api"}, good, bad]))
    lines = said(owner, "systems", "register", str(file), code=1).splitlines()
    assert all(line.startswith(f"error: {file}: entry ") for line in lines)
    assert {line.partition("entry ")[2].partition(":")[0] for line in lines} == {"1", "3"}
    assert "hidden" not in "".join(lines)
    assert said(owner, "systems", "show", "good")


def test_the_instance_is_found_by_its_home_alone(live: Live, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "opsteward", "users", "list"],
        env={"PATH": os.environ["PATH"], "OPSTEWARD_HOME": str(live.home)},
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_link_of_open_signs_in_once(owner: LiveOperator) -> None:
    link = said(owner, "open").strip()
    with httpx.Client(timeout=30) as browser:
        assert browser.get(link).status_code == 303
        assert browser.get(link).status_code == 401
    scoped = json.loads(said(owner, "tokens", "create", "--expires-in", "1h", "--json"))["token"]
    limited = LiveOperator(url=owner.url, name=owner.name, token=scoped, http=owner.http)
    assert "a token that expires makes no sign-in link" in said(limited, "open", code=4)


def test_a_closed_pipe_and_an_interrupt_are_silent(owner: LiveOperator) -> None:
    environment = {"PATH": os.environ["PATH"], "OPSTEWARD_URL": owner.url, "OPSTEWARD_TOKEN": owner.token}
    command = f"{sys.executable} -m opsteward users list --all --json | head -1"
    done = subprocess.run(
        ["bash", "-c", command], env=environment, cwd="/", capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.stdout, done.stderr) == ("{\n", "")
    waiting = subprocess.Popen(
        [sys.executable, "-m", "opsteward", "tasks", "submit", "opsteward.echo", "--name", "waited for",
         "--delay", "99", "--wait"],
        env=environment, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not owner.http.get("/api/v1/tasks", params={"ref": "waited for"}).json()["items"]:
        assert waiting.poll() is None
    waiting.send_signal(signal.SIGINT)
    out, error = waiting.communicate(timeout=30)
    # Python ends by the signal itself where it came while a class was being made from text: a shell says 130 to both
    assert waiting.returncode in (130, -signal.SIGINT)
    assert out == ""
    assert "Traceback" not in error
    assert "Aborted" not in error


def test_a_change_is_told_to_programs_too(owner: LiveOperator) -> None:
    """What only says a sentence to people answers with a document, too."""

    def answered(*arguments: str) -> dict[str, Any]:
        return dict(json.loads(said(owner, *arguments, "--json")))

    assert answered("pause", "task-type", "opsteward.echo", "--reason", "a test")["target"] == "opsteward.echo"
    assert answered("resume", "task-type", "opsteward.echo") == {
        "scope": "task_type",
        "target": "opsteward.echo",
        "paused": False,
    }
    assert answered("schedules", "pause", "nightly")["paused"] is True
    assert answered("schedules", "resume", "nightly")["paused"] is False
    token = answered("tokens", "create", "--name", "short-lived")
    assert answered("tokens", "revoke", "short-lived") == {"id": token["id"], "revoked": True}
    assert answered("operators", "set", "ada", "--status", "active")["status"] == "active"
    made = answered("schedules", "create", "weekly", "0 0 * * 0", "opsteward.echo")
    assert answered("schedules", "remove", "weekly") == {"id": made["id"], "removed": True}
    assert answered("version") == {"version": said(owner, "version").strip()}
    assert answered("status")["tasks"]["pending"] >= 6
