"""Messages to an operator's own browsers: of severe incidents and of what waits for an approval."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from opsteward.console import assets
from support.push_service import Browser, PushService, push_service, sender_of

from .conftest import Served, Visit
from .test_console_access import browser as browser_of
from .test_console_pages import said, submit

_WITHIN = 30.0  # seconds


@pytest.fixture(scope="module")
def service() -> Iterator[PushService]:
    with push_service() as one:
        yield one


@pytest.fixture
def approver(served: Served, service: PushService) -> Iterator[httpx.Client]:
    """A new operator who may decide."""
    service.status = 201
    with browser_of(served, served.operator(f"p{uuid4().hex[:8]}", "approver")) as one:
        yield one


def subscribe(one: httpx.Client, browser: Browser) -> str:
    return said(one, submit(one, "/me/browsers", **browser.form))


def until(reached: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + _WITHIN
    while not (found := reached()):
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)
    return found


def told(service: PushService, browser: Browser, words: str) -> dict[str, Any]:
    """The message with these words in its title, once it has come."""
    return dict(until(lambda: next((one for one in service.sent_to(browser) if words in one["title"]), None)))


def test_a_browser_is_told_of_a_severe_incident_and_of_what_waits_for_an_approval(
    served: Served, service: PushService, approver: httpx.Client, standing_orders: None
) -> None:
    device = service.browser(uuid4().hex)
    assert "You are told on this device" in subscribe(approver, device)
    assert "127.0.0.1" in approver.get("/me").text
    what = f"Push{uuid4().hex[:6]}"
    served.send(message=f"{what} quiet", source="push-test", error_type=f"{what}Low", severity="low")
    opened = served.send(
        message=f"{what}: connect to postgresql://app:hunter2@db/x failed",
        source="billing", error_type=what, severity="high",
    )  # fmt: skip
    message = told(service, device, what)
    assert message["path"] == f"/incidents/{opened['incident_id']}"
    assert "hunter2" not in str(message)
    assert told(service, device, "approval")["path"] == "/approvals"
    assert [one for one in service.sent_to(device) if f"{what} quiet" in str(one)] == []
    taken = next(one for one in service.taken if device.endpoint.endswith(one.path))
    key = approver.get("/me").text.partition('data-key="')[2].partition('"')[0]
    assert sender_of(taken)["k"] == key  # the key that the browser subscribed with
    subscribe(approver, device)  # again changes nothing
    assert approver.get("/me").text.count('<span class="word">127.0.0.1</span>') == 1
    other = service.browser(uuid4().hex)
    subscribe(approver, other)
    assert "on this device no more" in said(approver, submit(approver, "/me/browsers/remove", endpoint=device.endpoint))
    assert approver.get("/me").text.count('<span class="word">127.0.0.1</span>') == 1
    assert "None of your browsers" in said(approver, submit(approver, "/me/browsers/remove"))
    assert "127.0.0.1" not in approver.get("/me").text


def test_a_browser_that_is_gone_and_who_may_sign_in_no_more_are_told_no_more(
    served: Served, service: PushService, approver: httpx.Client
) -> None:
    gone, left, kept = (service.browser(uuid4().hex) for _ in range(3))
    service.gone.add(gone.endpoint)
    subscribe(approver, gone)
    name = f"q{uuid4().hex[:8]}"
    with browser_of(served, served.operator(name, "viewer")) as one:
        subscribe(one, left)
    with browser_of(served, served.operator(f"k{uuid4().hex[:8]}", "viewer")) as other, served.api() as api:
        subscribe(other, kept)
        found = api.get("/api/v1/operators", params={"ref": name}).json()["items"][0]["id"]
        api.delete(f"/api/v1/operators/{found}").raise_for_status()
        what = f"Gone{uuid4().hex[:6]}"
        served.send(message=what, source="push-test", error_type=what, severity="high")
        told(service, kept, what)
        assert service.sent_to(left) == []
        until(lambda: "127.0.0.1" not in approver.get("/me").text)

        def untaken() -> list[dict[str, Any]]:
            notices = api.get("/api/v1/notifications/notices").json()["items"]
            return [one for one in notices if what in one["title"] and one["status"] == "failed"]

        assert "do not want to be told any more" in until(untaken)[0]["error"]
        troubles = api.get("/api/v1/incidents", params={"source": "notifications"}).json()["items"]
        assert [one for one in troubles if "browsers of" in one["title"]] == []  # nobody is called for it
        submit(other, "/me/browsers/remove")


def test_what_no_browser_sends_is_answered_in_words(approver: httpx.Client, service: PushService) -> None:
    form = service.browser("x").form
    for endpoint in ("https://169.254.169.254/latest", "http://push.example.com/x", "javascript:alert(1)"):
        answer = submit(approver, "/me/browsers", **{**form, "endpoint": endpoint})
        assert answer.status_code == 422
        assert form["auth"] not in answer.text
    assert submit(approver, "/me/browsers", **{**form, "p256dh": "BAAA"}).status_code == 422
    for number in range(11):
        answer = submit(approver, "/me/browsers", **service.browser(f"{number}-{uuid4().hex}").form)
    assert answer.status_code == 409
    assert "10 of your browsers are told already" in answer.text
    submit(approver, "/me/browsers/remove")


async def test_the_worker_shows_what_it_is_told_and_leads_to_its_page(served: Served, visit: Visit) -> None:
    page = await visit("/me")
    await page.context.grant_permissions(["notifications"], origin=served.url)
    scope = await page.evaluate(
        """async () => {
            const worker = await navigator.serviceWorker.register("/console/worker.js");
            for (let tries = 0; !worker.active; tries++) await new Promise((go) => setTimeout(go, 20));
            return worker.scope;
        }"""
    )
    assert scope == f"{served.url}/console/"
    devtools = await page.context.new_cdp_session(page)
    versions: list[dict[str, Any]] = []
    devtools.on("ServiceWorker.workerRegistrationUpdated", lambda told: versions.extend(told["registrations"]))
    await devtools.send("ServiceWorker.enable")
    for _ in range(200):
        if found := [one for one in versions if one["scopeURL"] == scope]:
            break
        await page.wait_for_timeout(20)
    registration = found[0]
    message = {"title": "Incident 7: disk is full", "body": "<b>#7</b>", "path": "/incidents/7", "tag": "/incidents/7"}
    for data in (json.dumps(message), "no json"):
        await devtools.send(
            "ServiceWorker.deliverPushMessage",
            {"origin": served.url, "registrationId": registration["registrationId"], "data": data},
        )
    shown = """async () => (await (await navigator.serviceWorker.getRegistration("/console/")).getNotifications())
        .map((one) => [one.title, one.body, one.data.path])"""
    for _ in range(200):
        if len(found := await page.evaluate(shown)) == 2:
            break
        await page.wait_for_timeout(20)
    assert sorted(found) == [["Incident 7: disk is full", "<b>#7</b>", "/incidents/7"], ["Opsteward", "", "/"]]


def test_the_worker_lies_where_a_browser_looks_for_a_newer_one(served: Served) -> None:
    answer = httpx.get(served.url + assets.WORKER, timeout=15)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    assert answer.headers["content-type"].startswith("text/javascript")
    assert "{asset:" not in answer.text
    manifest = httpx.get(served.url + assets.address("opsteward.webmanifest"), timeout=15).json()
    for one in manifest["icons"]:
        picture = httpx.get(served.url + one["src"], timeout=15)
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
