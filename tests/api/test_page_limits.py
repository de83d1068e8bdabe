"""Pages of the console: so many may be open, and so many be made at once; the rest are told to wait."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from opsteward.accounts.sessions import SESSION_COOKIE
from opsteward.console import gate
from opsteward.console.gate import Gate
from support.instance import ORIGIN, Tenant


class Pages:
    """An application that makes a page when it is let, and remembers whose are open."""

    def __init__(self) -> None:
        self.open: list[str] = []
        self.may_be_made = asyncio.Event()
        self.in_the_making = self.most = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.in_the_making += 1
        self.most = max(self.most, self.in_the_making)
        await self.may_be_made.wait()
        self.in_the_making -= 1
        self.open.append(str(gate.identity_of(scope).operator_id))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


async def ask(of: Gate, cookie: str, path: str = "/tasks") -> int:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = [(b"cookie", f"{SESSION_COOKIE}={cookie}".encode()), (b"host", ORIGIN.partition("//")[2].encode())]
    scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": headers, "scheme": "http"}
    await of(scope, receive, send)
    if sent[0]["status"] in (429, 503):
        assert any(name == b"retry-after" for name, _ in sent[0]["headers"])
    return int(sent[0]["status"])


async def test_pages_are_limited_for_each_operator_and_in_all(
    tenant: Tenant, other_tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "_PAGES_OF_OPERATOR_LIMIT", 3)
    monkeypatch.setattr(gate, "_PAGES_LIMIT", 5)
    pages = Pages()
    pages.may_be_made.set()
    of = Gate(tenant.instance.services.web, pages, live_pages=lambda: pages.open)
    mine, others = (await tenant.credential("session")).secret, (await other_tenant.credential("session")).secret
    assert [await ask(of, mine) for _ in range(4)] == [200, 200, 200, 429]
    assert await ask(of, mine, "/_nicegui/static/x.js") == 200, "what a page consists of is none"
    pages.open.pop()
    assert [await ask(of, others) for _ in range(3)] == [200, 200, 429]
    pages.open.clear()
    assert await ask(of, mine) == 200


async def test_one_operator_does_not_have_all_pages_made(tenant: Tenant, other_tenant: Tenant) -> None:
    pages = Pages()
    of = Gate(tenant.instance.services.web, pages, live_pages=lambda: pages.open)
    mine, others = (await tenant.credential("session")).secret, (await other_tenant.credential("session")).secret
    crowd = [asyncio.create_task(ask(of, mine)) for _ in range(30)]
    async with asyncio.timeout(20):
        while sum(one.done() for one in crowd) < 18:  # two are made, ten wait
            await asyncio.sleep(0.01)
    other = asyncio.create_task(ask(of, others))
    async with asyncio.timeout(20):
        while pages.in_the_making < 3:
            await asyncio.sleep(0.01)
    pages.may_be_made.set()
    answers = await asyncio.gather(*crowd)
    assert await other == 200
    assert (answers.count(200), answers.count(503)) == (12, 18)
    assert pages.most <= 4
