"""Applications with Sentry's own SDK report here by their DSN alone: what was sent stands in the incident."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from support.live import Live, LiveOperator

APPS = Path(__file__).parents[1] / "support" / "sentry_apps.py"


@pytest.fixture(scope="module")
def owner(live: Live) -> LiveOperator:
    return live.tenant(f"sentry-{uuid4().hex[:10]}").owner


def reported(owner: LiveOperator, app: str) -> list[dict[str, Any]]:
    """The events that an application sent, the first first."""
    name = f"shop-{app}"
    made = owner.http.post("/api/v1/sentry-projects", json={"name": name}).raise_for_status().json()
    ran = subprocess.run(
        [sys.executable, str(APPS), app, made["dsn"]], capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    events: list[dict[str, Any]] = []
    for incident in owner.http.get("/api/v1/incidents", params={"limit": 100}).json()["items"]:
        full = owner.http.get(f"/api/v1/incidents/{incident['id']}").json()
        events += [{**event, "incident": incident} for event in full["events"] if event["source"] == name]
    return sorted(events, key=lambda event: event["id"])


def test_a_fastapi_app(owner: LiveOperator) -> None:
    first, second = reported(owner, "fastapi")
    assert first["fingerprint"] == second["fingerprint"]
    assert first["incident"]["title"] == "OutOfStock: nothing left of lamp-1"
    context = first["context"]
    assert [one["type"] for one in context["exception"]["values"]] == ["KeyError", "OutOfStock"]
    assert (context["release"], context["environment"]) == ("shop@1.4.2", "staging")
    assert context["tags"]["channel"] == "web"
    assert context["request"]["url"].endswith("/buy/lamp-1")
    assert any("into the cart" in str(one) for one in context["breadcrumbs"]["values"])
    assert len(context["trace_id"]) == 32
    trace = first["stack_trace"]
    assert (
        trace.index("KeyError: 'lamp-1'")
        < trace.index("led to the following")
        < trace.index("OutOfStock: nothing left")
    )
    assert "in checkout\n    raise OutOfStock" in trace


def test_a_flask_app(owner: LiveOperator) -> None:
    [event] = reported(owner, "flask")
    assert event["error_type"] == "ZeroDivisionError"
    types = [one["type"] for one in event["context"]["exception"]["values"]]
    assert types == ["KeyError", "OutOfStock", "ZeroDivisionError"]
    assert event["stack_trace"].count("led to the following exception") == 2


def test_messages_log_lines_and_groups_of_errors(owner: LiveOperator) -> None:
    slow, *invoices, grouped = reported(owner, "plain")
    assert slow["message"] == "Payment provider is slow  ?"
    assert slow["context"]["user"] == {"id": "u-17", "username": "ada"}
    assert slow["context"]["attachments"] == [
        {"filename": "order.txt", "content_type": "text/plain", "bytes": 8, "text": "order 17"}
    ]
    assert len(invoices) == 2
    assert len({event["fingerprint"] for event in invoices}) == 1, "the message before its values tells the group"
    types = [one["type"] for one in grouped["context"]["exception"]["values"]]
    assert set(types) == {"ValueError", "OSError", "ExceptionGroup"}
    assert "No space left on device" in grouped["stack_trace"]
