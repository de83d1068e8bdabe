"""Waiting for an event with a time limit."""

from __future__ import annotations

import asyncio


async def pause(seconds: float | None, *, until: asyncio.Event) -> bool:
    """Wait for the event, at most so many seconds (None: without limit); says whether it has come."""
    try:
        async with asyncio.timeout(seconds):
            await until.wait()
    except TimeoutError:
        return False
    return True
