"""Look-ups share statements, and nobody gets what was read before they asked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from opsteward.core.errors import Unavailable
from opsteward.core.shared_look_ups import SharedLookUps


class Table:
    """Answers once it is told to."""

    def __init__(self) -> None:
        self.rows: dict[bytes, str] = {}
        self.asked: list[list[bytes]] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def fetch(self, keys: Sequence[bytes]) -> Mapping[bytes, str]:
        self.asked.append(list(keys))
        read = {key: self.rows[key] for key in keys if key in self.rows}
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return read


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_asks_meanwhile_shares_the_next_statement() -> None:
    table = Table()
    table.rows = {b"a": "ada", b"b": "ben"}
    shared = SharedLookUps(table.fetch)
    first = asyncio.create_task(shared.find(b"a"))
    await settled()
    others = [asyncio.create_task(shared.find(key)) for key in (b"b", b"a", b"b", b"nobody")]
    await settled()
    table.go.set()
    assert await first == "ada"
    assert await asyncio.gather(*others) == ["ben", "ada", "ben", None]
    assert table.asked == [[b"a"], [b"b", b"a", b"nobody"]]


async def test_what_was_read_before_is_told_to_nobody_who_asks_now() -> None:
    """A token that is revoked while another request's look-up is under way."""
    table = Table()
    table.rows = {b"a": "ada"}
    shared = SharedLookUps(table.fetch)
    before = asyncio.create_task(shared.find(b"a"))
    await settled()
    del table.rows[b"a"]
    after = asyncio.create_task(shared.find(b"a"))
    await settled()
    table.go.set()
    assert await before == "ada"
    assert await after is None


async def test_an_error_is_told_to_those_of_its_statement_and_the_next_goes_on() -> None:
    table = Table()
    table.rows = {b"a": "ada"}
    table.error = Unavailable("the database is away")
    shared = SharedLookUps(table.fetch)
    failing = [asyncio.create_task(shared.find(b"a")) for _ in range(3)]
    await settled()
    table.go.set()
    for one in failing:
        with pytest.raises(Unavailable):
            await one
    table.error = None
    assert await shared.find(b"a") == "ada"


async def test_who_goes_away_keeps_nobody_from_the_answer() -> None:
    table = Table()
    table.rows = {b"a": "ada"}
    shared = SharedLookUps(table.fetch)
    gone, stays = asyncio.create_task(shared.find(b"a")), asyncio.create_task(shared.find(b"a"))
    await settled()
    gone.cancel()
    await settled()
    table.go.set()
    assert await stays == "ada"
    with pytest.raises(asyncio.CancelledError):
        await gone
