"""Who gets in: signing in and out, the gate before every page, forged forms, and the wall between tenants."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import expect

from opsteward.console.routes import ROUTES

from .conftest import Served, Visit


@pytest.fixture
def admin(served: Served) -> Iterator[httpx.Client]:
    """The first operator's browser session, over plain HTTP."""
    with browser(served) as one:
        yield one


def browser(served: Served, token: str | None = None) -> httpx.Client:
    """A client that sends what a browser's form sends."""
    cookies = {"opsteward_session": served.session(token)}
    headers = {"Accept": "text/html", "Origin": served.url}
    return httpx.Client(base_url=served.url, cookies=cookies, headers=headers, timeout=15)


def csrf_of(one: httpx.Client) -> str:
    """The token of this session's forms."""
    found = re.search(r'name="csrf" value="([0-9a-f]{64})"', one.get("/standing-orders").text)
    assert found is not None
    return found[1]


async def test_one_time_link_signs_in_once(served: Served, visit: Visit) -> None:
    page = await visit(served.link, signed_in=False)
    await expect(page.locator(".headline h1")).to_be_visible()
    await expect(page.locator(".tenant")).to_have_text("default")
    await expect(page.locator(".operator")).to_have_text("admin")
    assert page.url == f"{served.url}/"
    again = await visit(served.link, signed_in=False)
    await expect(again.get_by_role("alert")).to_contain_text("was used already")


async def test_token_form_signs_in(served: Served, visit: Visit) -> None:
    page = await visit("/", signed_in=False)
    assert page.url == f"{served.url}/sign-in"
    await page.get_by_text("With an API token").click()
    await page.get_by_label("API token").fill("ops_wrong")
    await page.get_by_role("button", name="Sign in with the token").click()
    await expect(page.get_by_role("alert")).to_contain_text("unknown")
    await page.get_by_label("API token").fill(served.token)
    await page.get_by_role("button", name="Sign in with the token").click()
    await expect(page.locator(".headline h1")).to_be_visible()


@pytest.mark.parametrize("path", ["/", "/incidents/0192f0c1-2345-7abc-8def-0123456789ab", "/audit", "/console/stream"])
def test_without_a_session_every_page_leads_to_sign_in(served: Served, path: str) -> None:
    for cookies in ({}, {"opsteward_session": "ops_made_up"}, {"opsteward_session": served.token}):
        answer = httpx.get(served.url + path, cookies=cookies, timeout=15)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_addresses_that_are_not_the_consoles_stay_the_apis(served: Served) -> None:
    signed = {"Authorization": f"Bearer {served.token}"}
    answer = httpx.get(f"{served.url}/api/v1/nothing", headers=signed, timeout=15)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_pages_can_neither_be_framed_nor_kept_nor_run_strange_script(admin: httpx.Client) -> None:
    for path in ("/", "/incidents", "/nothing-here", "/incidents/no-id"):
        answer = admin.get(path)
        policy = answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY"
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "no-store" in answer.headers["cache-control"]


def test_a_foreign_page_gets_nothing(served: Served) -> None:
    cookies = {"opsteward_session": served.session()}
    for origin in ("https://evil.example", "null"):
        for path in ("/", "/console/stream?about=incident"):
            answer = httpx.get(f"{served.url}{path}", cookies=cookies, headers={"Origin": origin}, timeout=15)
            assert answer.status_code == 403


def test_a_form_of_another_origin_or_session_does_nothing(served: Served, admin: httpx.Client) -> None:
    form = {"csrf": csrf_of(admin), "name": "forged", "role_viewer": "1"}
    for origin in ("https://evil.example", "null"):
        assert admin.post("/operators", data=form, headers={"Origin": origin}).status_code == 403
    with browser(served) as other:  # the same operator in another session
        assert other.post("/operators", data=form).status_code == 403
    for csrf in ("", "x", "0" * 64):
        assert admin.post("/operators", data={**form, "csrf": csrf}).status_code == 403
    with served.api() as api:
        assert "forged" not in [one["name"] for one in api.get("/api/v1/operators").json()["items"]]


def test_no_form_leads_to_another_site(served: Served, admin: httpx.Client) -> None:
    with browser(served, served.operator("rex", "approver")) as approver:
        csrf = csrf_of(approver)
        for back in ("https://evil.example", "//evil.example", "/\\evil.example", "/incidents//evil.example"):
            form = {"csrf": csrf, "back": back}
            answer = approver.post("/approvals/0192f0c1-2345-7abc-8def-0123456789ab/refuse", data=form)
            assert answer.status_code == 404
            assert "evil" not in answer.text


async def test_signing_out_closes_what_is_open(served: Served, visit: Visit) -> None:
    cookie = served.session()
    one = await visit("/", cookie=cookie)
    await one.get_by_role("button", name="Sign out").click()
    await one.wait_for_url("**/sign-in")
    answer = httpx.get(f"{served.url}/", cookies={"opsteward_session": cookie}, timeout=15)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_a_stream_ends_with_its_session(served: Served) -> None:
    cookie = served.session()
    with (
        httpx.Client(base_url=served.url, cookies={"opsteward_session": cookie}, timeout=15) as one,
        one.stream("GET", "/console/stream?about=incident") as stream,
    ):
        told = stream.iter_text()
        assert next(told).startswith("retry:")
        httpx.post(f"{served.url}/sign-out", cookies={"opsteward_session": cookie}, headers={"Origin": served.url})
        assert "event: signed-out" in "".join(told)  # and the stream is over


def test_what_changes_between_a_pages_reading_and_its_stream_is_told(served: Served, admin: httpx.Client) -> None:
    for path in (route.path for route in ROUTES if route.method == "GET" and "{" not in route.path):
        main = re.search(r"<main [^>]*>", admin.get(path).text)
        assert main is not None
        if "data-about" in main[0]:
            assert re.search(r'data-since="[0-9a-f]{8}\.\d+"', main[0]), path
    taken = served.send(message="belt is stuck", source="belt", error_type="BeltStuck", severity="high")
    here = f"/incidents/{taken['incident_id']}"
    page = admin.get(here).text
    about, since = (re.findall(rf'data-{name}="([^"]*)"', page)[0] for name in ("about", "since"))
    served.send(message="belt is stuck", source="belt", error_type="BeltStuck", severity="high")
    for _ in range(1000):  # until this process has heard of it, while nobody listens yet
        if re.findall(r'data-since="([^"]*)"', admin.get(here).text) != [since]:
            break
    with admin.stream("GET", "/console/stream", params={"about": about, "since": since}) as stream:
        told = stream.iter_text()
        assert next(told).startswith("retry:")
        assert "event: change" in next(one for one in told if "event" in one)


def test_a_page_that_is_up_to_date_is_not_read_again(served: Served) -> None:
    cookie = served.session()
    with httpx.Client(base_url=served.url, cookies={"opsteward_session": cookie}, timeout=15) as one:
        since = re.findall(r'data-since="([^"]*)"', one.get("/").text)[0]
        params = {"about": f"incident:{uuid4()}", "since": since}
        with one.stream("GET", "/console/stream", params=params) as stream:
            told = stream.iter_text()
            assert next(told).startswith("retry:")
            httpx.post(f"{served.url}/sign-out", cookies={"opsteward_session": cookie}, headers={"Origin": served.url})
            assert "event: signed-out" in next(one for one in told if "event" in one)  # and nothing before it


def test_another_tenant_sees_nothing(served: Served) -> None:
    taken = served.send(message="connection to the ledger lost", source="ledger", error_type="ConnectionError")
    with served.api() as api:
        stranger = api.post("/api/v1/tenants", json={"name": "stranger", "operator": "eve"}).json()["token"]
    with browser(served, stranger) as eve:
        page = eve.get(f"/incidents/{taken['incident_id']}")
        assert page.status_code == 404
        assert "no incident of this id" in page.text
        resolve = f"/incidents/{taken['incident_id']}/resolve"
        assert eve.post(resolve, data={"csrf": csrf_of(eve)}).status_code == 404
        overview = eve.get("/").text
        assert "Ready for your first system" in overview
        assert "ledger" not in overview


def test_without_the_right_to_read_a_page_says_so(served: Served) -> None:
    with browser(served, served.operator("pia", "platform")) as pia:
        page = pia.get("/")
        assert page.status_code == 403
        assert "this needs the permission systems.read" in page.text
        assert pia.get("/settings").status_code == 200
