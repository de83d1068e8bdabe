"""PagerDuty's Events API v2: its own Python client, and its refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pagerduty import EventsApiV2Client, HttpError

from support.instance import Instance, Tenant
from support.live import Live
from support.tls import TlsRelay, tls_relay


@pytest.fixture
def tls(live: Live) -> Iterator[TlsRelay]:
    """The client takes addresses with https alone."""
    with tls_relay(live.url) as relay:
        yield relay


TRIGGER = {
    "event_action": "trigger",
    "dedup_key": "disk db1",
    "payload": {"summary": "Disk of db1 is full", "source": "db1", "severity": "critical"},
}


def test_pagerdutys_client_triggers_acknowledges_and_resolves(live: Live, tls: TlsRelay) -> None:
    owner = live.tenant(f"pd-{uuid4().hex[:10]}").owner
    client = EventsApiV2Client(owner.token, base_url=tls.url, verify=tls.trusted)

    def incident() -> dict[str, Any]:
        [found] = owner.http.get("/api/v1/incidents").json()["items"]
        return dict(found)

    key = client.trigger("Disk of db1 is full", "db1", custom_details={"free": "0 %"})
    assert client.trigger("Disk of db1 is full", "db1", dedup_key=key) == key
    assert (incident()["title"], incident()["event_count"]) == ("Disk of db1 is full", 2)
    assert client.acknowledge(key) == key
    assert incident()["status"] == "acknowledged"
    assert client.resolve(key) == key
    assert incident()["status"] == "resolved"
    assert client.resolve(key) == key
    client.send_change_event(payload={"summary": "Deployed 1.4", "source": "ci"})
    with pytest.raises(HttpError, match="400"):
        EventsApiV2Client("0" * 32, base_url=tls.url, verify=tls.trusted).trigger("a", "b")


async def test_an_event_is_answered_as_pagerduty_does(instance: Instance, tenant: Tenant) -> None:
    anybody = instance.client()
    key = {"routing_key": tenant.owner.token}
    answer = await anybody.post("/v2/enqueue", json=TRIGGER | key)
    assert answer.status_code == 202
    assert answer.json() == {"status": "success", "message": "Event processed", "dedup_key": "disk db1"}
    unnamed = await anybody.post("/v2/enqueue/", json=TRIGGER | key | {"dedup_key": None})
    assert len(unnamed.json()["dedup_key"]) == 32
    rows = instance.sql("select context::text from opsteward.events where tenant_id = %s", tenant.id)
    assert len(rows) == 2
    assert tenant.owner.token not in str(rows), "a key is no part of an event"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"event_action": "explode"}, "event_action"),
        ({"event_action": None}, "event_action"),
        ({"payload": None}, "payload"),
        ({"payload": {"summary": "", "source": "a", "severity": "info"}}, "payload.summary"),
        ({"payload": {"summary": "a", "source": 1, "severity": "info"}}, "payload.source"),
        ({"payload": {"summary": "a", "source": "a", "severity": "grave"}}, "payload.severity"),
        ({"dedup_key": "x" * 256}, "dedup_key"),
        ({"dedup_key": None, "event_action": "resolve"}, "dedup_key"),
        ({"routing_key": "no such"}, "routing_key"),
        ({"routing_key": 7}, "routing_key"),
        ({"routing_key": "ops_\x00\ud800"}, "routing_key"),
    ],
)
async def test_what_is_no_event_is_told(instance: Instance, tenant: Tenant, change: Any, named: str) -> None:
    body = json.dumps({"routing_key": tenant.owner.token, **TRIGGER, **change})
    answer = await instance.client().post("/v2/enqueue", content=body)
    assert answer.status_code == 400, answer.text
    assert answer.json()["status"] == "invalid event"
    assert named in str(answer.json()["errors"])
    assert tenant.count("events") == 0


async def test_no_body_is_a_crash(instance: Instance, tenant: Tenant) -> None:
    anybody: httpx.AsyncClient = instance.client()
    for path in ("/v2/enqueue", "/v2/change/enqueue"):
        for body in (b"", b"[]", b"{", b'"a"', b"\xff", b"[" * 50_000, b'{"routing_key":"' + b"x" * 2_000 + b'"}'):
            assert (await anybody.post(path, content=body)).status_code == 400
            assert (await tenant.http.post(path, content=body)).status_code == 400
    assert (await anybody.post("/v2/enqueue", content=b" " * 1_100_000)).status_code == 413
