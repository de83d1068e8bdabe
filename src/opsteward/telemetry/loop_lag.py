"""How late the event loop is: what holds it up holds up everything in the process, the heartbeat included."""

from __future__ import annotations

import asyncio

from opsteward.telemetry.metrics import LOOP_LAG

_EVERY = 0.5  # seconds


async def watch_loop() -> None:
    """Measure until cancelled; costs two timers a second and no statement."""
    loop = asyncio.get_running_loop()
    while True:
        asked = loop.time() + _EVERY
        await asyncio.sleep(_EVERY)
        LOOP_LAG.observe(max(0.0, loop.time() - asked))
