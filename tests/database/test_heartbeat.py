"""A process with much to compute is alive; one whose event loop never comes back is not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest

from opsteward.core.durable import Engine
from opsteward.core.ids import uuid7
from opsteward.core.process_heartbeat import ZOMBIE_EXIT
from opsteward.core.process_takeover import Membership
from support.homes import temporary_home
from support.instance import Instance

_STUCK = """
import asyncio, sys, time
from pathlib import Path
from opsteward.app.services import build_services
from opsteward.core.durable import Engine
from opsteward.core.ids import uuid7
from opsteward.core.process_takeover import Membership
from opsteward.app.settings import load_settings

async def main():
    services, executor_id = build_services(load_settings(home=Path(sys.argv[1]))), uuid7()
    engine = Engine(services.urls.app, executor_id=executor_id, concurrency=1)
    beaten = asyncio.Event()
    membership = Membership(services.app, engine, executor_id=executor_id, kind="test", lost_after=2.0,
                            stuck_after=2.0, on_beat=lambda ok: beaten.set())
    await membership.join()
    beating = asyncio.create_task(membership.beat())
    await beaten.wait()
    time.sleep(60)  # the event loop never comes back

asyncio.run(main())
"""


async def test_a_busy_event_loop_does_not_silence_the_heart(instance: Instance) -> None:
    executor_id = uuid7()
    engine = Engine(instance.services.urls.app, executor_id=executor_id, concurrency=1)
    beats: asyncio.Queue[bool] = asyncio.Queue()
    membership = Membership(
        instance.services.app,
        engine,
        executor_id=executor_id,
        kind="test",
        lost_after=5.0,
        on_beat=beats.put_nowait,
    )
    await membership.join()
    beating = asyncio.create_task(membership.beat())
    try:
        async with asyncio.timeout(20):
            assert await beats.get()
            time.sleep(4)
            silent = instance.sql(
                "select extract(epoch from clock_timestamp() - beat_at) from opsteward.processes where id = %s",
                executor_id,
            )[0][0]
            assert silent < 3, "it beat while the event loop stood still"
            assert await beats.get()
    finally:
        beating.cancel()
        await asyncio.wait({beating})
        await membership.leave()
        instance.sql("delete from opsteward.processes where id = %s", executor_id)


@pytest.mark.slow(reason="a stuck event loop is given its seconds before the process ends")
def test_a_process_whose_event_loop_is_stuck_ends_itself(tmp_path: Path) -> None:
    """Takes 8 s: it has to see for a while that the loop stays away."""
    program = tmp_path / "stuck.py"
    program.write_text(_STUCK)
    with temporary_home() as home:
        done = subprocess.run([sys.executable, str(program), str(home)], timeout=40, check=False)
    assert done.returncode == ZOMBIE_EXIT
