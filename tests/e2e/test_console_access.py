"""Who gets in: signing in and out, the gate before every address of the console, and the wall between tenants."""

from __future__ import annotations

import asyncio

import httpx
import pytest
import websockets
from playwright.async_api import expect

from .conftest import Served, Visit

SOCKET = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"


def _socket_url(served: Served) -> str:
    return served.url.replace("http", "ws", 1) + SOCKET


async def _knock(served: Served, *, cookie: str | None, origin: str | None) -> int:
    """The status with which a socket is answered; 101 is open."""
    headers = {"Cookie": f"opsteward_session={cookie}"} if cookie else {}
    try:
        async with websockets.connect(_socket_url(served), additional_headers=headers, origin=origin):
            return 101
    except websockets.InvalidStatus as refused:
        return refused.response.status_code


def test_while_the_console_loads_a_page_says_so_and_comes_back(served: Served) -> None:
    for status, text in served.answers_while_loading:
        assert status == 503
        assert "console is starting" in text
        assert 'http-equiv="refresh"' in text


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


@pytest.mark.parametrize(
    "path", ["/", "/incidents/0192f0c1-2345-7abc-8def-0123456789ab", "/_nicegui/x/static/nicegui.js", SOCKET]
)
def test_without_a_session_every_address_leads_to_sign_in(served: Served, path: str) -> None:
    for cookies in ({}, {"opsteward_session": "ops_made_up"}, {"opsteward_session": served.token}):
        answer = httpx.get(served.url + path, cookies=cookies, timeout=15)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")


def test_addresses_that_are_not_the_consoles_stay_the_apis(served: Served) -> None:
    signed = {"Authorization": f"Bearer {served.token}"}
    answer = httpx.get(f"{served.url}/api/v1/nothing", headers=signed, timeout=15)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_pages_can_neither_be_framed_nor_kept(served: Served) -> None:
    answer = httpx.get(f"{served.url}/", cookies={"opsteward_session": served.session()}, timeout=15)
    assert answer.status_code == 200
    assert answer.headers["x-frame-options"] == "DENY"
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "no-store" in answer.headers["cache-control"]


async def test_sockets_open_only_for_a_session_from_our_own_pages(served: Served) -> None:
    cookie = served.session()
    assert await _knock(served, cookie=cookie, origin=served.url) == 101
    assert await _knock(served, cookie=None, origin=served.url) == 403
    assert await _knock(served, cookie=cookie, origin="https://evil.example") == 403
    assert await _knock(served, cookie=cookie, origin="null") == 403
    assert await _knock(served, cookie=cookie, origin=None) == 403


def test_a_foreign_page_gets_nothing_over_http_either(served: Served) -> None:
    cookies, foreign = {"opsteward_session": served.session()}, {"Origin": "https://evil.example"}
    assert httpx.get(f"{served.url}/", cookies=cookies, headers=foreign, timeout=15).status_code == 403
    polling = f"{served.url}{SOCKET.replace('websocket', 'polling')}"
    assert httpx.get(polling, cookies=cookies, headers=foreign, timeout=15).status_code == 403
    assert httpx.post(polling, cookies=cookies, content=b"40", timeout=15).status_code == 403


async def test_signing_out_closes_what_is_open(served: Served, visit: Visit) -> None:
    cookie = served.session()
    one = await visit("/", cookie=cookie)
    other = await one.context.new_page()
    await other.goto(served.url)
    await expect(other.locator(".headline h1")).to_be_visible()
    headers = {"Cookie": f"opsteward_session={cookie}"}
    async with websockets.connect(_socket_url(served), additional_headers=headers, origin=served.url) as socket:
        await one.get_by_role("button", name="Sign out").click()
        await one.wait_for_url("**/sign-in")
        await other.wait_for_url("**/sign-in")
        with pytest.raises(websockets.ConnectionClosed) as closed:
            async with asyncio.timeout(10):
                while True:
                    await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401
    assert await _knock(served, cookie=cookie, origin=served.url) == 403


async def test_another_tenant_sees_nothing(served: Served, visit: Visit) -> None:
    taken = served.send(message="connection to the ledger lost", source="ledger", error_type="ConnectionError")
    with served.api() as api:
        stranger = api.post("/api/v1/tenants", json={"name": "stranger", "operator": "eve"}).json()["token"]
    page = await visit(f"/incidents/{taken['incident_id']}", token=stranger)
    await expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    await expect(page.get_by_text("no incident of this id")).to_be_visible()
    await page.goto(served.url)
    await expect(page.locator(".tenant")).to_have_text("stranger")
    await expect(page.get_by_role("heading", name="Ready for your first system")).to_be_visible()
    assert await page.get_by_text("ledger").count() == 0


async def test_without_the_right_to_read_a_page_says_so(served: Served, visit: Visit) -> None:
    page = await visit("/", token=served.operator("pia", "platform"))
    await expect(page.get_by_text("this needs the permission systems.read")).to_be_visible()
