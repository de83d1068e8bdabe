"""What sent to PagerDuty (v1), Opsgenie or Splunk On-Call: raised, acknowledged and ended, and each one's refusals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from support.instance import Instance, Tenant

V1 = "/generic/2010-04-15/create_event.json"


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How an alert "disk db1" is raised, acknowledged and ended; `sign` puts the credential where its clients do."""

    name: str
    status: int
    raised: tuple[str, dict[str, Any]]
    acknowledged: tuple[str, dict[str, Any]]
    ended: tuple[str, dict[str, Any]]
    sign: Callable[[str, str, dict[str, Any]], httpx.Request]
    refused: tuple[int, str]


def _pagerduty(token: str, path: str, body: dict[str, Any]) -> httpx.Request:
    return httpx.Request("POST", f"http://test{path}", json=body | {"service_key": token})


def _opsgenie(token: str, path: str, body: dict[str, Any]) -> httpx.Request:
    return httpx.Request("POST", f"http://test{path}", json=body, headers={"Authorization": f"GenieKey {token}"})


def _victorops(token: str, path: str, body: dict[str, Any]) -> httpx.Request:
    return httpx.Request("POST", f"http://test{path.replace('KEY', token)}", json=body)


def _v1(action: str) -> tuple[str, dict[str, Any]]:
    raised = {"description": "Disk of db1 is full", "details": {"free": "0 %"}, "client": "monit"}
    contexts = [{"type": "link", "href": "https://runbooks.example/disk"}]
    return V1, {"event_type": action, "incident_key": "disk db1"} | raised | {"contexts": contexts}


def _on_call(kind: str) -> tuple[str, dict[str, Any]]:
    said = {"message_type": kind, "entity_id": "disk db1", "entity_display_name": "Disk of db1 is full"}
    return "/integrations/generic/20131114/alert/KEY/everyone", said


PROTOCOLS = [
    Protocol(
        name="pagerduty v1",
        status=200,
        raised=_v1("trigger"),
        acknowledged=_v1("acknowledge"),
        ended=_v1("resolve"),
        sign=_pagerduty,
        refused=(400, "service_key"),
    ),
    Protocol(
        name="opsgenie",
        status=202,
        raised=(
            "/v2/alerts",
            {"message": "Disk of db1 is full", "alias": "disk db1", "priority": "P1", "entity": "db1"},
        ),
        acknowledged=("/v2/alerts/disk%20db1/acknowledge?identifierType=alias", {"note": "on it"}),
        ended=("/v2/alerts/disk%20db1/close?identifierType=alias", {"source": "monit"}),
        sign=_opsgenie,
        refused=(401, "Could not authenticate"),
    ),
    Protocol(
        name="victorops",
        status=200,
        raised=_on_call("CRITICAL"),
        acknowledged=_on_call("ACKNOWLEDGEMENT"),
        ended=_on_call("RECOVERY"),
        sign=_victorops,
        refused=(401, "failure"),
    ),
]


@pytest.fixture(params=PROTOCOLS, ids=[protocol.name for protocol in PROTOCOLS])
def protocol(request: pytest.FixtureRequest) -> Protocol:
    found: Protocol = request.param
    return found


async def test_an_alert_is_raised_acknowledged_and_ended(
    instance: Instance, tenant: Tenant, protocol: Protocol
) -> None:
    anybody = instance.client()

    async def send(what: tuple[str, dict[str, Any]]) -> str:
        answer = await anybody.send(protocol.sign(tenant.owner.token, *what))
        assert answer.status_code == protocol.status, answer.text
        assert tenant.owner.token not in answer.text
        [incident] = (await tenant.http.get("/api/v1/incidents")).json()["items"]
        assert (incident["title"], incident["severity"]) == ("Disk of db1 is full", "high")
        return str(incident["status"])

    assert await send(protocol.raised) == "open"
    assert await send(protocol.raised) == "open"
    assert await send(protocol.acknowledged) == "acknowledged"
    assert await send(protocol.ended) == "resolved"
    assert await send(protocol.ended) == "resolved"
    stored = instance.sql("select message, context::text from opsteward.events where tenant_id = %s", tenant.id)
    assert tenant.owner.token not in str(stored), "a key is no part of an event"


async def test_a_wrong_key_is_refused_as_its_vendor_does(instance: Instance, protocol: Protocol) -> None:
    status, words = protocol.refused
    for token in ("ops_nobody", "0" * 32, ""):
        answer = await instance.client().send(protocol.sign(token, *protocol.raised))
        assert (answer.status_code, words in answer.text) == (status, True), answer.text


def changed(body: Any, value: Any) -> Iterator[Any]:
    """The body with each of its parts left out, and with each replaced by the value."""
    if isinstance(body, dict):
        for key, inner in body.items():
            yield {k: v for k, v in body.items() if k != key}
            yield body | {key: value}
            yield from (body | {key: other} for other in changed(inner, value))


async def test_no_change_of_a_body_is_an_error(instance: Instance, tenant: Tenant, protocol: Protocol) -> None:
    anybody = instance.client()
    for path, body in (protocol.raised, protocol.ended):
        for value in ("x" * 3000, "\u202e\x00'\";--", 10**30, {"a": []}):
            for other in changed(body, value):
                answer = await anybody.send(protocol.sign(tenant.owner.token, path, other))
                assert answer.status_code in (protocol.status, 400, 422), (other, answer.text)
    for content in (b"", b"[]", b"{", b'"a"', b"\xff", b"[" * 5000):
        request = protocol.sign(tenant.owner.token, protocol.raised[0], {})
        headers = {name: value for name, value in request.headers.items() if name != "content-length"}
        answer = await anybody.post(request.url.raw_path.decode(), content=content, headers=headers)
        assert answer.status_code in (400, 401, 422), (content, answer.text)
        assert "errors" in answer.text or "message" in answer.text


async def test_opsgenies_client_learns_what_became_of_its_request(tenant: Tenant) -> None:
    made = await tenant.http.post("/v2/alerts", json={"message": "No backup today"})
    assert made.json()["result"] == "Request will be processed"
    of_it = f"/v2/alerts/requests/{made.json()['requestId']}"
    told = (await tenant.http.get(of_it)).json()["data"]
    assert told["isSuccess"]
    closed = await tenant.http.post(f"/v2/alerts/{told['alertId']}/close", json={})
    assert closed.status_code == 202
    [incident] = (await tenant.http.get("/api/v1/incidents")).json()["items"]
    assert (incident["title"], incident["status"], incident["severity"]) == ("No backup today", "resolved", "medium")
    assert (await tenant.http.get(of_it)).status_code == 404


async def test_opsgenie_names_what_is_wrong(tenant: Tenant) -> None:
    answer = await tenant.http.post("/v2/alerts", json={"priority": "P9"})
    assert answer.status_code == 422
    assert set(answer.json()["errors"]) == {"message", "priority"}
    change = {"message": "Disk of db1 is nearly full"}
    assert (await tenant.http.put("/v2/alerts/nobody/message", content=json.dumps(change))).status_code == 202
    assert tenant.count("events") == 0, "a change of no alert opens none"


async def test_a_change_is_of_the_alert_in_its_address(tenant: Tenant) -> None:
    for alias in ("a", "b"):
        await tenant.http.post("/v2/alerts", json={"message": f"Disk {alias} is full", "alias": alias})
    other: dict[str, Any] = {"alias": "b", "action": "Close", "alert": {"alias": "b", "message": "x"}}
    for verb, path in (("PUT", "message"), ("PUT", "description"), ("POST", "acknowledge"), ("POST", "close")):
        answer = await tenant.http.request(
            verb, f"/v2/alerts/a/{path}", json=other | {"message": "Disk a is nearly full"}
        )
        assert answer.status_code == 202, answer.text
    incidents = {one["title"]: one for one in (await tenant.http.get("/api/v1/incidents")).json()["items"]}
    assert {title: one["status"] for title, one in incidents.items()} == {
        "Disk a is full": "resolved",
        "Disk b is full": "open",
    }
    assert incidents["Disk b is full"]["event_count"] == 1


@pytest.mark.parametrize("names", [("routing_key", "service_key"), ("service_key", "routing_key")])
@pytest.mark.parametrize("beside", ["", None, 7])
async def test_pagerdutys_key_may_stand_in_either_field_and_is_stored_from_none(
    instance: Instance, tenant: Tenant, names: tuple[str, str], beside: Any
) -> None:
    v2 = {"event_action": "trigger", "payload": {"summary": "Disk is full", "source": "db1", "severity": "error"}}
    keys = {names[0]: tenant.owner.token, names[1]: beside}
    for path, body in ((V1, _v1("trigger")[1]), ("/v2/enqueue", v2), ("/v2/change/enqueue", v2)):
        answer = await instance.client().post(path, json=keys | body)
        assert answer.status_code in (200, 202), answer.text
    stored = instance.sql("select message, context::text from opsteward.events where tenant_id = %s", tenant.id)
    assert len(stored) == 3 and tenant.owner.token not in str(stored)
