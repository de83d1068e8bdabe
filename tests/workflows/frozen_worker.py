"""A worker with one workflow of three steps; in the second it may freeze itself, as a paused machine would.

Run as a program: `frozen_worker.py HOME NAME [freeze]`. Each step appends `NAME step` to HOME/steps.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from functools import partial
from pathlib import Path

from opsteward.app.services import build_services
from opsteward.app.settings import load_settings
from opsteward.core import durable, log
from opsteward.core.process_takeover import Membership, new_executor_id

LOST_AFTER = 2.0


async def main(home: Path, name: str, freeze: bool) -> None:
    log.configure(level="WARNING")
    services = build_services(load_settings(home=home))
    done = asyncio.Event()

    async def do(step: str) -> None:
        with (home / "steps").open("a") as file:
            file.write(f"{name} {step}\n")
        if freeze and step == "second":
            os.kill(os.getpid(), signal.SIGSTOP)

    async def workflow(*, tenant_id: str) -> None:
        for step in ("first", "second", "third"):
            await durable.step(step, partial(do, step))
        done.set()

    workflows = durable.Workflows()
    workflows.register("three.steps", workflow)
    executor_id = new_executor_id()
    engine = durable.Engine(services.urls.app, executor_id=executor_id, concurrency=5, poll_idle=0.1)
    membership = Membership(services.app, engine, executor_id=executor_id, kind="test", lost_after=LOST_AFTER)
    await membership.join()
    await engine.launch(workflows)
    beating = asyncio.create_task(membership.run(asyncio.Event().wait))
    if freeze:  # it has all the time to find itself lost; what the others did may be read from the record before that
        await asyncio.Event().wait()
    await done.wait()
    beating.cancel()
    await membership.leave()
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:] == ["freeze"]))
