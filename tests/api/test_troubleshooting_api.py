"""Troubleshooting on demand: by the API and by the command line, of what is well and of what is not."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from support.live import Live

PHASES = ["initialise", "assess", "diagnose", "prioritise", "report"]


def test_what_is_well_is_found_healthy_in_all_its_phases(live: Live) -> None:
    company = live.tenant(f"well-{uuid4().hex[:8]}")
    system = {"name": "itself", "type": "api", "endpoint": live.url, "health_check_url": f"{live.url}/livez"}
    company.owner.http.post("/api/v1/systems", json=system).raise_for_status()
    done = company.owner.cli("troubleshoot", "pages are slow", "--system", "itself", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["outcome"], found["success"], found["health_score"]) == ("healthy", True, 100)
    assert found["engine"] == "rules"
    assert [phase["name"] for phase in found["phases"]] == PHASES
    assert {report["bot_type"] for report in found["diagnostics"]} == {"web", "database", "network"}
    assert all(report["duration"] >= 0 for report in found["diagnostics"])


@pytest.mark.slow(reason="every look of a session is taken again")
def test_what_is_broken_without_a_known_cause_is_said_and_goes_to_people(live: Live) -> None:
    company = live.tenant(f"ill-{uuid4().hex[:8]}")
    system = {"name": "gone", "type": "api", "endpoint": "http://127.0.0.1:9/", "criticality": "critical"}
    company.owner.http.post("/api/v1/systems", json=system).raise_for_status()
    done = company.owner.cli("troubleshoot", "--system", "gone", "--json")
    found = json.loads(done.stdout)
    assert (found["outcome"], found["success"]) == ("escalated", False)
    assert {issue["type"] for issue in found["issues"]} >= {"http_unreachable", "tcp_refused"}
    assert all(issue["evidence"] for issue in found["issues"])
    assert found["health_score"] < 100
    assert "Tried: nothing" in found["summary"]


def test_an_unknown_system_is_named(live: Live) -> None:
    company = live.tenant(f"none-{uuid4().hex[:8]}")
    done = company.owner.cli("troubleshoot", "--system", "nowhere")
    assert done.returncode == 1
    assert "system: 'nowhere' is no registered system" in done.stderr


def test_doctor_and_show_name_a_faulty_standing_order(live: Live) -> None:
    company = live.tenant(f"faulty-{uuid4().hex[:8]}")
    text = "version: 1\norders:\n  - {name: narrow, match: {finding: process_down}, action: gone.action}\n"
    live.sql(
        "insert into opsteward.standing_order_versions (tenant_id, id, version, text, applied_by, applied_at)"
        " values (%s, gen_random_uuid(), 1, %s, 'operator:x', now())",
        company.id,
        text,
    )
    looked = company.owner.cli("doctor", "--json")
    assert looked.returncode == 1
    (finding,) = [each for each in json.loads(looked.stdout) if each["check"] == "standing orders"]
    assert finding["status"] == "failed"
    assert "line 3: orders.0.action: there is no action 'gone.action'" in finding["detail"]
    shown = company.owner.cli("standing-orders", "show").stdout
    assert "faulty: narrow: what it may have meant goes to a person" in shown
