"""Requests take turns: in order, never more at once than allowed, and a slow reader keeps nobody waiting."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from opsteward.api.concurrency_limit import ConcurrencyLimit
from opsteward.core.fair_share import FairShare


class Application:
    """Notes who is in it, and lets each out when told to."""

    def __init__(self) -> None:
        self.inside: list[str] = []
        self.most = 0
        self.order: list[str] = []
        self.doors: dict[str, asyncio.Event] = {}
        self.answers_first = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        name = scope["path"]
        self.order.append(name)
        self.inside.append(name)
        self.most = max(self.most, len(self.inside))
        if self.answers_first:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await self.doors.setdefault(name, asyncio.Event()).wait()
        self.inside.remove(name)

    def let_out(self, name: str) -> None:
        self.doors.setdefault(name, asyncio.Event()).set()


async def nothing(_: Any = None) -> None:
    pass


def ask(concurrency_limit: ConcurrencyLimit, path: str, send: Any = nothing, kind: str = "http") -> asyncio.Task[None]:
    return asyncio.create_task(concurrency_limit({"type": kind, "path": path}, nothing, send))


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_they_go_in_by_their_order_and_so_many_at_once() -> None:
    """Of four turns, one operator has at most two."""
    application = Application()
    concurrency_limit = ConcurrencyLimit(application, concurrency_limit=FairShare(4), patience=30)
    names = [f"/api/v1/{number}" for number in range(6)]
    asked = [ask(concurrency_limit, name) for name in names]
    await settled()
    assert application.inside == names[:2]
    for name in names:
        application.let_out(name)
        await settled()
    await asyncio.gather(*asked)
    assert application.order == names
    assert application.most == 2


async def test_what_needs_no_database_waits_for_nobody() -> None:
    application = Application()
    concurrency_limit = ConcurrencyLimit(application, concurrency_limit=FairShare(1), patience=30)
    asked = [ask(concurrency_limit, path) for path in ("/api/v1/tasks", "/livez", "/api/schema/", "/incidents/1")]
    asked.append(ask(concurrency_limit, "/api/v1/ws", kind="websocket"))
    await settled()
    assert len(application.inside) == 5
    for path in list(application.inside):
        application.let_out(path)
    await asyncio.gather(*asked)


async def test_whose_turn_does_not_come_is_told_to_come_back() -> None:
    application = Application()
    concurrency_limit = ConcurrencyLimit(application, concurrency_limit=FairShare(1), patience=0.01)
    first = ask(concurrency_limit, "/api/v1/a")
    await settled()
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await ask(concurrency_limit, "/api/v1/b", send)
    assert sent[0]["status"] == 429
    assert any(name == b"retry-after" for name, _ in sent[0]["headers"])
    assert json.loads(sent[1]["body"])["code"] == "busy"
    application.let_out("/api/v1/a")
    await first
    application.let_out("/api/v1/c")
    await ask(concurrency_limit, "/api/v1/c")  # the turn that was given up in vain is free again


async def test_an_answer_that_is_read_slowly_has_given_its_turn_on() -> None:
    application = Application()
    application.answers_first = True
    concurrency_limit = ConcurrencyLimit(application, concurrency_limit=FairShare(1), patience=30)
    asked = [ask(concurrency_limit, f"/api/v1/{number}") for number in range(3)]
    await settled()
    assert len(application.inside) == 3
    for number in range(3):
        application.let_out(f"/api/v1/{number}")
    await asyncio.gather(*asked)
    assert concurrency_limit._concurrency_limit._used == 0


@pytest.mark.parametrize("times", [1, 3])
async def test_a_caller_that_goes_away_leaves_no_turn_behind(times: int) -> None:
    application = Application()
    concurrency_limit = ConcurrencyLimit(application, concurrency_limit=FairShare(1), patience=30)
    for _ in range(times):
        inside, waiting = ask(concurrency_limit, "/api/v1/x"), ask(concurrency_limit, "/api/v1/y")
        await settled()
        inside.cancel()
        waiting.cancel()
        await asyncio.gather(inside, waiting, return_exceptions=True)
    assert concurrency_limit._concurrency_limit._used == 0
