"""What one operator may have of the live feed: so many connections, and so many commands over all of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from support.live import Live, LiveOperator, running_instance


def follow(who: LiveOperator) -> connect:
    url = who.url.replace("http", "ws") + "/ws"
    return connect(url, additional_headers={"Authorization": f"Bearer {who.token}"})


async def answers(socket: ClientConnection, count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    async with asyncio.timeout(60):
        while len(found) < count:
            one = json.loads(await socket.recv())
            found += [one] if "ok" in one else []
    return found


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    with running_instance({"OPSTEWARD_WS_CONNECTIONS": "8"}) as instance:
        yield instance


async def test_who_has_all_their_connections_leaves_the_others_theirs(live: Live) -> None:
    greedy, other = live.tenant("greedy").owner, live.tenant("other").owner
    async with AsyncExitStack() as open_ones:
        for _ in range(5):
            await open_ones.enter_async_context(follow(greedy))
        with pytest.raises(InvalidStatus) as refused:
            await follow(greedy)
        assert refused.value.response.status_code == 429
        assert json.loads(refused.value.response.body)["code"] == "limit_exceeded"
        async with follow(other):
            pass
    async with asyncio.timeout(20):
        while True:
            try:
                await (await follow(greedy)).close()
            except InvalidStatus:
                continue  # the places of those that were closed come back in a moment
            break


async def test_commands_count_for_the_operator_whichever_connection_they_come_by(live: Live) -> None:
    who = live.tenant("talking").owner
    async with follow(who) as one, follow(who) as another:
        for _ in range(300):
            await one.send('{"action": "ping"}')
        await answers(one, 130)
        for _ in range(90):
            await another.send('{"action": "ping"}')
        told = await answers(another, 20)
    assert any(not each["ok"] and each["error"]["code"] == "limit_exceeded" for each in told)
