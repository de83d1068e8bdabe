"""Waiting between tries grows, has a limit, and is spread; waiting for an event ends with the event or the time."""

from __future__ import annotations

import asyncio
from itertools import islice

import pytest

from opsteward.core.backoff import backoff, growing_pauses, with_jitter
from opsteward.core.pause import pause


def test_backoff_grows_by_its_factor_up_to_the_limit() -> None:
    assert [backoff(failures, factor=2, limit=10) for failures in range(6)] == [1, 2, 4, 8, 10, 10]


@pytest.mark.parametrize("failures", [10_000, 1_000_000])
def test_backoff_after_many_failures_is_the_limit(failures: int) -> None:
    assert backoff(failures, factor=2.5, limit=300) == 300
    assert backoff(failures, factor=2, limit=300.0) == 300


def test_jitter_takes_up_to_half_and_differs() -> None:
    spread = {with_jitter(10.0) for _ in range(100)}
    assert len(spread) > 50
    assert 5 <= min(spread) < max(spread) <= 10


def test_pauses_grow_up_to_the_limit_and_never_end() -> None:
    assert list(islice(growing_pauses(0.5, limit=3), 5)) == [0.5, 1, 2, 3, 3]
    assert list(islice(growing_pauses(1, limit=2, factor=1.5), 3)) == [1, 1.5, 2]


async def test_a_pause_ends_with_its_event_or_its_time() -> None:
    event = asyncio.Event()
    assert not await pause(0.01, until=event)
    asyncio.get_running_loop().call_soon(event.set)
    assert await pause(None, until=event)
    assert await pause(0, until=event), "what has come already needs no time"


async def test_a_cancelled_pause_is_cancelled() -> None:
    waiting = asyncio.create_task(pause(None, until=asyncio.Event()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
