"""The intake of other products' bodies over HTTP: tokens where senders can put them, one incident."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any

import pytest

from support.instance import Instance, Tenant
from support.problems import problem_of

ALERT = {
    "status": "firing",
    "labels": {"alertname": "DiskFull", "instance": "db1", "severity": "critical"},
    "annotations": {"summary": "disk of db1 is full"},
    "startsAt": "2024-03-01T10:00:00Z",
}


async def sent(tenant: Tenant, source: str, body: Any, **options: Any) -> dict[str, Any]:
    content = body if isinstance(body, (str, bytes)) else json.dumps(body)
    answer = await tenant.http.post(f"/api/v1/intake/{source}", content=content, **options)
    assert answer.status_code == 202, answer.text
    return dict(answer.json())


async def test_firing_twice_then_resolved_is_one_closed_incident(tenant: Tenant) -> None:
    first = await sent(tenant, "alertmanager", {"alerts": [ALERT]})
    second = await sent(tenant, "prometheus", {"alerts": [ALERT]})
    assert first["mapped"]
    assert first["events"][0]["fingerprint"] == second["events"][0]["fingerprint"]
    await sent(tenant, "alertmanager", {"alerts": [ALERT | {"status": "resolved"}]})
    [incident] = (await tenant.http.get("/api/v1/incidents")).json()["items"]
    assert (incident["title"], incident["status"], incident["severity"]) == ("DiskFull", "resolved", "high")


async def test_prometheus_sends_to_the_address_of_an_alertmanager(tenant: Tenant) -> None:
    firing = {k: v for k, v in ALERT.items() if k != "status"} | {"endsAt": "2190-01-01T00:00:00Z"}
    for alert in (firing, firing | {"endsAt": "2024-03-01T10:05:00Z"}):
        answer = await tenant.http.post("/api/v2/alerts", json=[alert])
        assert (answer.status_code, answer.content) == (200, b"")
    [incident] = (await tenant.http.get("/api/v1/incidents")).json()["items"]
    assert incident["status"] == "resolved"
    problem_of(await tenant.http.post("/api/v2/alerts", json={"no": "array"}), 400)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"title": "Ab"}', "text/plain; charset=UTF-8"),
        ("payload=%7B%22title%22%3A%20%22Ab%22%7D", "application/x-www-form-urlencoded"),
        ("title=Ab&bad=%00", "application/x-www-form-urlencoded"),
        ("Ab", "text/plain"),
        ('{"title": "Ab"}\n{"title": "Ab"}', "application/x-ndjson"),
        ('{"title": "Ab"}\n{"title": "Ab"}\n', "application/json"),
        ('{"title": "Ab"}\0{"title": "Ab"}\0', "application/json"),
        ('{"title": "Ab", "b": "c=d&e"}', "application/x-www-form-urlencoded"),
    ],
)
async def test_a_body_is_read_whatever_its_content_type(tenant: Tenant, body: str, kind: str) -> None:
    taken = await sent(tenant, "generic", body, headers={"content-type": kind})
    assert taken["accepted"] in (1, 2)
    items = (await tenant.http.get("/api/v1/events")).json()["items"]
    assert all(item["message"].partition("\n")[0] == "Ab" for item in items), items


async def test_a_cloud_event_that_is_delivered_again_counts_once(tenant: Tenant, other_tenant: Tenant) -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/racks", "type": "hot", "data": {"title": "Rack is hot"}}
    structured = {"content-type": "application/cloudevents+json"}
    for accepted in (1, 0):
        assert (await sent(tenant, "cloudevents", event, headers=structured))["accepted"] == accepted
    binary = {f"ce-{name}": event[name] for name in ("specversion", "id", "source", "type")}
    assert (await sent(tenant, "cloudevents", event["data"], headers=binary))["accepted"] == 0
    batch = [event, event | {"id": "2"}, event | {"id": "3"}, event | {"id": "3"}]
    headers = {"content-type": "application/cloudevents-batch+json"}
    taken = await sent(tenant, "cloudevents", batch, headers=headers)
    assert (taken["accepted"], len(taken["events"])) == (2, 2)
    [incident] = (await tenant.http.get("/api/v1/incidents")).json()["items"]
    assert (incident["title"], incident["event_count"]) == ("Rack is hot", 3)
    assert (await sent(other_tenant, "cloudevents", event, headers=structured))["accepted"] == 1


async def test_gelf_over_http_is_one_message_or_several(tenant: Tenant) -> None:
    line = {"version": "1.1", "host": "web1", "short_message": "cart is broken", "level": 3, "_app": "shop"}
    assert (await sent(tenant, "gelf", line))["mapped"]
    both = "\n".join(json.dumps(line | {"host": host}) for host in ("web1", "web2"))
    assert (await sent(tenant, "gelf", both))["accepted"] == 2
    # as Python's libraries for it send: two encodings named, one of them applied
    named = {"content-encoding": "gzip,deflate"}
    for packed in (gzip.compress(both.encode()), zlib.compress(both.encode())):
        assert (await sent(tenant, "gelf", packed, headers=named))["accepted"] == 2
    [incident] = (await tenant.http.get("/api/v1/incidents")).json()["items"]
    assert (incident["title"], incident["event_count"]) == ("cart is broken", 7)


async def test_a_token_may_come_where_a_sender_can_put_it(instance: Instance, tenant: Tenant) -> None:
    token = tenant.http.headers["authorization"].removeprefix("Bearer ")
    anybody = instance.client()
    basic = base64.b64encode(f"any:{token}".encode()).decode()
    none: dict[str, str] = {}
    for headers, params, status in (
        ({"X-Opsteward-Token": token}, none, 202),
        ({"Authorization": f"Basic {basic}"}, none, 202),
        ({"Authorization": f"GenieKey {token}"}, none, 202),
        (none, {"token": token}, 202),
        (none, none, 401),
        (none, {"token": "no such"}, 401),
        ({"Authorization": "Basic x"}, none, 401),
    ):
        answer = await anybody.post("/api/v1/intake/generic", json={"title": "Ab"}, headers=headers, params=params)
        assert answer.status_code == status, (headers, params, answer.text)
    assert (await anybody.get("/api/v1/incidents", params={"token": token})).status_code == 401


async def test_a_mapping_is_tried_on_a_sample_without_effects(tenant: Tenant) -> None:
    sample = {"alarm": {"label": "Pump", "grade": "red", "id": 4}}
    shapes = [
        {"title": "alarm.label", "severity": "alarm.grade", "severity_map": {"red": "high"}, "identity": "[alarm.id]"}
    ]
    answer = await tenant.http.post("/api/v1/sources/preview", json={"body": sample, "shapes": shapes})
    [event] = answer.json()["events"]
    assert (event["message"].splitlines()[0], event["severity"]) == ("Pump", "high")
    refused = await tenant.http.post("/api/v1/sources/preview", json={"body": sample, "shapes": [{"title": "a["}]})
    assert "JMESPath" in problem_of(refused, 422)["errors"][0]["problem"]
    assert tenant.count("events") == 0


@pytest.mark.slow(reason="a process of its own uses up the processor time that it may")
async def test_an_expression_that_asks_for_more_than_there_is_ends_by_itself(tenant: Tenant) -> None:
    """Each part of it doubles the one before: 60 of them would be more than any machine holds."""
    shapes = [{"title": "|".join(["[@,@]"] * 60)}]
    answer = await tenant.http.post("/api/v1/sources/preview", json={"body": {"a": "b"}, "shapes": shapes})
    assert problem_of(answer, 422)["code"] == "too_expensive"
    assert (await tenant.http.get("/api/v1/sources")).status_code == 200


async def test_the_sources_are_listed_and_an_unknown_one_is_a_404(tenant: Tenant) -> None:
    items = (await tenant.http.get("/api/v1/sources")).json()["items"]
    assert {"alertmanager", "generic", "github"} <= {item["slug"] for item in items}
    problem_of(await tenant.http.post("/api/v1/intake/none", json={}), 404)
