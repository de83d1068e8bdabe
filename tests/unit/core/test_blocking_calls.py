"""Threads for work of our own are kept apart from those that wait for others."""

from __future__ import annotations

import asyncio
import threading

from opsteward.core.blocking_calls import in_thread, in_waiting_thread


async def test_many_that_wait_for_others_keep_no_work_from_a_thread() -> None:
    answered = threading.Event()
    waiting = [asyncio.create_task(in_waiting_thread(answered.wait, 10)) for _ in range(60)]
    await asyncio.sleep(0)
    assert await asyncio.wait_for(in_thread(lambda: "done"), 2) == "done"
    answered.set()
    assert all(await asyncio.gather(*waiting))
