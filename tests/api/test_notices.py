"""Notices that really go out: through Apprise to servers of ours, by a worker; what fails goes the next way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from email import message_from_string
from typing import Any
from uuid import uuid4

import pytest

from support.live import Live, LiveTenant
from support.receivers import HttpReceiver, Mailbox, http_receiver, smtp_server

WITHIN = 30.0


@pytest.fixture(scope="module")
def http() -> Iterator[HttpReceiver]:
    with http_receiver() as one:
        yield one


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with smtp_server() as one:
        yield one


@pytest.fixture
def tenant(live: Live, http: HttpReceiver) -> LiveTenant:
    http.status = 200
    http.free.set()
    return live.tenant(f"n{uuid4().hex[:12]}")


def route(tenant: LiveTenant, name: str, *urls: str, **more: Any) -> dict[str, Any]:
    body = {"urls": list(urls), "group_seconds": 0} | more
    answer = tenant.owner.http.put(f"/api/v1/notifications/routes/{name}", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def attack(tenant: LiveTenant, what: str = "brute force") -> str:
    event = {"message": f"unauthorized access: {what}", "source": "vpn", "error_type": "AuthError", "severity": "high"}
    taken = tenant.owner.http.post("/api/v1/events", json=event).raise_for_status().json()
    return str(taken["events"][0]["incident_id"])


def notices(tenant: LiveTenant) -> list[dict[str, Any]]:
    return list(tenant.owner.http.get("/api/v1/notifications/notices").raise_for_status().json()["items"])


def when(reached: Callable[[], Any]) -> Any:
    """What it gives once that is something; the worker goes on meanwhile."""
    deadline = time.monotonic() + WITHIN
    while not (found := reached()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)
    return found


def ended(tenant: LiveTenant, number: int = 1) -> list[dict[str, Any]]:
    """All notices once so many have ended."""

    def reached() -> list[dict[str, Any]]:
        found = notices(tenant)
        return found if len([one for one in found if one["ended_at"]]) >= number else []

    return list(when(reached))


def test_a_test_of_a_route_arrives_and_its_notice_says_so(
    tenant: LiveTenant, http: HttpReceiver, mailbox: Mailbox
) -> None:
    path = uuid4().hex
    made = route(tenant, "both", http.url(path), mailbox.url("ops@example.org"))
    assert made["services"] == ["json", "mailto"]
    begun = tenant.owner.http.post(f"/api/v1/notifications/routes/{made['id']}/test").raise_for_status().json()
    (one,) = ended(tenant)
    assert (one["id"], one["status"], len(one["channels"])) == (begun["id"], "sent", 2)
    assert [body["title"] for body in http.sent_to(path)] == ["Opsteward: a test"]
    receivers, text = mailbox.mails[-1]
    assert receivers == ["ops@example.org"]
    said = message_from_string(text).get_payload(decode=True)
    assert b"ada tries the notification route both" in bytes(said)


@pytest.mark.parametrize("ends_while_it_goes_out", [False, True])
def test_a_page_goes_out_with_what_is_wrong_and_its_end_is_told_to_the_same(
    tenant: LiveTenant, http: HttpReceiver, ends_while_it_goes_out: bool
) -> None:
    path = uuid4().hex
    route(tenant, "ada-phone", http.url(path), operator="ada")
    policy = {"steps": [{"operators": ["ada"], "wait_minutes": 600}], "repeats": 0}
    tenant.owner.http.put("/api/v1/oncall/policies/p", json=policy).raise_for_status()
    if ends_while_it_goes_out:
        http.free.clear()
    incident = attack(tenant)
    when(lambda: http.sent_to(path))
    if not ends_while_it_goes_out:
        ended(tenant)
    tenant.owner.http.post(f"/api/v1/incidents/{incident}/resolve", json={"reason": "a drill"}).raise_for_status()
    http.free.set()
    titles = [body["title"] for body in when(lambda: http.sent_to(path) if len(http.sent_to(path)) > 1 else [])]
    what = "Incident 1: AuthError: unauthorized access: brute force"
    assert titles == [f"You are needed: {what}", f"Resolved: {what}"]
    assert len(ended(tenant, 2)) == 2
    lines = tenant.owner.http.get(f"/api/v1/incidents/{incident}").json()["timeline"]
    notified = next(line["title"] for line in lines if line["kind"] == "notified")
    assert notified.startswith("ada told by ada-phone (")


def test_what_nobody_takes_goes_the_next_way_and_is_an_incident_until_the_route_works_again(
    tenant: LiveTenant, http: HttpReceiver
) -> None:
    broken, works = uuid4().hex, uuid4().hex
    with http_receiver() as other:
        other.status = 503
        route(tenant, "second", http.url(works))
        first = route(
            tenant, "first", other.url(broken), next_route="second", matchers=["source=vpn"], begins="escalated"
        )
        attack(tenant)
        found = ended(tenant, 2)
        assert [(one["route"], one["status"]) for one in reversed(found)] == [("first", "failed"), ("second", "sent")]
        assert len(http.sent_to(works)) == 1

        def trouble() -> dict[str, Any]:
            listed = tenant.owner.http.get("/api/v1/incidents", params={"source": "notifications"}).json()["items"]
            return dict(listed[0]) if listed else {}

        assert "The notification route first took no notice" in when(trouble)["title"]
        assert "127.0.0.1" not in trouble()["title"], "no URL is shown"
        other.status = 200
        tenant.owner.http.post(f"/api/v1/notifications/routes/{first['id']}/test").raise_for_status()
        when(lambda: trouble()["status"] == "resolved")


def test_the_next_step_is_paged_when_nobody_acknowledges_in_time(tenant: LiveTenant, http: HttpReceiver) -> None:
    first, second = uuid4().hex, uuid4().hex
    route(tenant, "first", http.url(first))
    route(tenant, "second", http.url(second))
    steps = [{"routes": ["first"], "wait_minutes": 0.02}, {"routes": ["second"], "wait_minutes": 600}]
    tenant.owner.http.put("/api/v1/oncall/policies/p", json={"steps": steps, "repeats": 0}).raise_for_status()
    attack(tenant)
    when(lambda: http.sent_to(second))
    assert len(http.sent_to(first)) == 1


def test_an_address_of_the_clouds_own_credentials_is_never_asked(tenant: LiveTenant) -> None:
    made = route(tenant, "sly", "json://169.254.169.254/latest/meta-data")
    tenant.owner.http.post(f"/api/v1/notifications/routes/{made['id']}/test").raise_for_status()
    (one,) = [found for found in ended(tenant) if found["kind"] == "test"]
    assert (one["status"], one["error"]) == ("failed", "Its URLs lead to addresses that are refused here")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("ntfy://127.0.0.1:{port}/alerts", "/"),
        ("gotify://127.0.0.1:{port}/a-token", "/message"),
        ("mmost://127.0.0.1:{port}/abcdefghijklmnopqrstuvwx", "/hooks/abcdefghijklmnopqrstuvwx"),
    ],
)
def test_a_service_that_nothing_here_knows_of_takes_a_notice(tenant: LiveTenant, url: str, path: str) -> None:
    with http_receiver() as service:
        made = route(tenant, "vendor", url.format(port=service.port))
        tenant.owner.http.post(f"/api/v1/notifications/routes/{made['id']}/test").raise_for_status()
        (one,) = ended(tenant)
        assert (one["status"], [where for where, _ in service.requests]) == ("sent", [path])
        assert "a test" in str(service.requests[0][1])
