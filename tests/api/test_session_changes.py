"""What was changed just before stands beside the causes of a session: systems, orders, deployments that were told."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

from support.live import Live


def test_a_session_tells_what_was_changed_before_it(live: Live) -> None:
    company = live.tenant(f"changed-{uuid4().hex[:8]}")
    http = company.owner.http
    registered = http.post("/api/v1/systems", json={"name": "shop", "type": "api", "endpoint": "http://127.0.0.1:9/"})
    system = registered.raise_for_status().json()
    http.patch(f"/api/v1/systems/{system['id']}", json={"criticality": "backup"}).raise_for_status()
    told = {"source": "ci", "message": "Deployed shop 2.1 to production", "severity": "low"}
    http.post("/api/v1/events", json=told).raise_for_status()
    http.post("/api/v1/events", json=told | {"message": "Somebody was deployable"}).raise_for_status()
    begun = http.post("/api/v1/troubleshooting/sessions", json={"system": "shop"}).raise_for_status().json()
    deadline = time.monotonic() + 30
    found: dict[str, Any] = {}
    while not found.get("issues") and time.monotonic() < deadline:
        time.sleep(0.1)
        found = http.get(f"/api/v1/troubleshooting/sessions/{begun['id']}").json()
    changes = {(change["what"], change["object"]) for change in found["changes"]}
    assert ("the system was registered", "shop") in changes
    assert ("changed: criticality", "shop") in changes
    assert ("Deployed shop 2.1 to production", "told by an event") in changes
    assert not any("deployable" in what for what, _ in changes)
    causes = {cause["type"]: cause for cause in found["causes"]}
    assert causes["http_unreachable"]["follows_from"] == causes["tcp_refused"]["issue"]
    assert {each["status"] for each in found["hypotheses"]} >= {"supported", "refuted"}
