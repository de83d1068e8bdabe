"""Who is silent is lost; but after an outage of the database everybody was silent, and nobody is lost for that."""

from __future__ import annotations

import asyncio
from uuid import UUID

from opsteward.core.durable import ENGINE_VERSION, Engine
from opsteward.core.ids import uuid7
from opsteward.core.process_takeover import Membership
from support.instance import Instance

LOST_AFTER = 2.5


def _is_lost(instance: Instance, process_id: UUID) -> bool:
    return bool(instance.sql("select lost_at is not null from opsteward.processes where id = %s", process_id)[0][0])


async def test_who_was_cut_off_judges_no_silence_at_first(instance: Instance) -> None:
    silent = uuid7()
    instance.sql(
        "insert into opsteward.processes (id, host, pid, pid_started, kind, version, started_at, beat_at)"
        " values (%s, 'another machine', 1, 0, 'test', %s, now(), now() - interval '1 hour')",
        silent,
        ENGINE_VERSION,
    )
    beats: asyncio.Queue[bool] = asyncio.Queue()
    executor_id = uuid7()
    engine = Engine(instance.services.urls.app, executor_id=executor_id, concurrency=1)
    membership = Membership(
        instance.services.app,
        engine,
        executor_id=executor_id,
        kind="test",
        lost_after=LOST_AFTER,
        on_beat=beats.put_nowait,
    )
    await membership.join()
    running = asyncio.create_task(membership.run(asyncio.Event().wait))  # type: ignore[arg-type]
    try:
        async with asyncio.timeout(20):
            await beats.get()
            await beats.get()  # it has looked at the others by now, and we were there for less than `LOST_AFTER`
            assert not _is_lost(instance, silent)
            while not _is_lost(instance, silent):
                await beats.get()
    finally:
        running.cancel()
        await asyncio.wait({running})
        await membership.leave()
        instance.sql("delete from opsteward.processes where id in (%s, %s)", silent, executor_id)
