"""`opsteward oncall`, `notifications`, `silences`, `inhibitions` and the verbs of incidents, on a live instance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from opsteward.cli.main import _run as run_command
from support.live import Live, LiveOperator, LiveTenant
from support.receivers import http_receiver

Said = Callable[..., str]
FILE = """
routes:
  grace-phone: {urls: ["json://127.0.0.1:9/"], operator: grace}
schedules:
  ops:
    timezone: Europe/Vienna
    rotations:
      - {name: primary, participants: [ada, grace], unit: day, starts_on: "2026-01-01", handover: "08:00"}
policies:
  default:
    steps: [{schedules: [ops], wait_minutes: 5}, {operators: [grace]}]
"""


@pytest.fixture(scope="module")
def tenant(live: Live) -> LiveTenant:
    made = live.tenant(f"o{uuid4().hex[:12]}")
    live.operator(made, "grace", "operator")
    return made


@pytest.fixture
def owner(tenant: LiveTenant) -> LiveOperator:
    return tenant.owner


@pytest.fixture
def said(owner: LiveOperator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """Runs a command in this process, which spares the start of one; gives what it writes to both of its outputs."""
    monkeypatch.setenv("OPSTEWARD_URL", owner.url)
    monkeypatch.setenv("OPSTEWARD_TOKEN", owner.token)

    def run(*arguments: str, code: int = 0) -> str:
        ended = run_command(list(arguments))
        written = capsys.readouterr()
        assert ended == code, written.out + written.err
        return written.out + written.err

    return run


def test_a_file_says_who_is_on_call_and_the_commands_show_it(said: Said, tmp_path: Path) -> None:
    file = tmp_path / "oncall.yaml"
    file.write_text(FILE)
    assert "Saved 3: grace-phone, ops, default" in said("oncall", "apply", str(file))
    assert "ops: ada can't be paged" in said("oncall", "now")
    assert "grace is on call in ops" in said("oncall", "override", "ops", "grace", "--for", "2h")
    assert "grace" in said("oncall", "now")
    assert "ops (5 min); then grace (10 min)" in said("oncall", "policies")


def test_a_file_that_is_none_is_refused_by_name(said: Said, tmp_path: Path) -> None:
    file = tmp_path / "oncall.yaml"
    file.write_text("rotas: {}")
    assert "rotas is none of routes, schedules, policies" in said("oncall", "apply", str(file), code=2)
    file.write_text("policies: {p: {steps: [{operators: [nobody]}]}}")
    assert "steps.0.operators.0" in said("oncall", "apply", str(file), code=1)


def test_a_test_of_a_route_says_whether_it_was_taken(said: Said) -> None:
    with http_receiver() as receiver:
        said("notifications", "save", "chat", receiver.url("x"), "--match", "severity=high", "--begins", "opened")
        assert "Taken by" in said("notifications", "test", "chat")
        receiver.status = 500
        assert "It is failed: None of the 1 service(s)" in said("notifications", "test", "chat", code=1)
    assert "chat" in said("notifications", "routes")
    assert "Removed" in said("notifications", "remove", "chat")


def test_incidents_are_handled_several_at_once(said: Said, owner: LiveOperator) -> None:
    for number in ("one", "two"):
        said("events", "send", f"pump {number} leaks", "--severity", "high", "--error-type", f"Pump{number}")
    numbers = [
        str(one["number"]) for one in owner.http.get("/api/v1/incidents").json()["items"] if "pump" in one["title"]
    ]
    assert f"Incident {numbers[0]} is acknowledged" in said("incidents", "acknowledge", *numbers)
    assert f"Incident {numbers[1]} is assigned" in said("incidents", "assign", *numbers, "--to", "grace")
    said("incidents", "comment", numbers[0], "the seal is in shed 4")
    assert "is resolved" in said("incidents", "resolve", numbers[0], "--reason", "new seal")
    assert "resolved already" in said("incidents", "resolve", *numbers, code=1)
    assert f"Incident {numbers[0]} is reopened" in said("incidents", "reopen", numbers[0])


def test_silences_are_previewed_made_and_ended(said: Said, owner: LiveOperator) -> None:
    said("events", "send", "disk full", "--source", "quiet-mill", "--severity", "high")
    assert "1 of" in said("silences", "preview", "source=quiet-mill")
    made = said("silences", "add", "source=quiet-mill", "--reason", "planned", "--for", "1h")
    assert "1 open incidents are kept quiet" in made
    ident = owner.http.get("/api/v1/silences").json()["items"][0]["id"]
    assert "planned" in said("silences", "list")
    assert "Ended" in said("silences", "end", ident[-8:])
    rule = ("--source", "severity=high", "--target", "severity=low", "--dependents")
    said("inhibitions", "add", "cascade", *rule)
    assert "cascade" in said("inhibitions", "list")
    assert "Removed" in said("inhibitions", "remove", "cascade")
