"""What is relied on of the engine's private parts, tried in a process of its own.

Run as a program: `engine_internals_worker.py HOME SCENARIO`. Prints what happened as one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from dbos._sys_db import SystemDatabase
from sqlalchemy.exc import OperationalError

from opsteward.app.services import build_services
from opsteward.app.settings import load_settings
from opsteward.core import durable, engine_internals, log
from opsteward.core.process_takeover import new_executor_id

begun: list[str] = []
looks: list[str] = []
unrecorded = {"left"}  # the first record of these steps fails


def count_looks() -> None:
    look = SystemDatabase.check_operation_execution

    def counted(self: Any, workflow_id: str, function_id: int, function_name: str, **more: Any) -> Any:
        looks.append(function_name)
        return look(self, workflow_id, function_id, function_name, **more)

    SystemDatabase.check_operation_execution = counted  # type: ignore[method-assign]


def fail_to_record_once() -> None:
    record = SystemDatabase.record_operation_result

    def failing(self: Any, result: Any, **more: Any) -> None:
        if result["function_name"] in unrecorded:
            unrecorded.discard(result["function_name"])
            raise OperationalError("insert", {}, psycopg.OperationalError("connection is bad: no such file"))
        record(self, result, **more)

    SystemDatabase.record_operation_result = failing  # type: ignore[method-assign]


async def do(name: str) -> str:
    begun.append(name)
    return name


async def in_a_row(*, tenant_id: str) -> list[str]:
    return [await durable.step(f"step {n}", partial(do, f"step {n}")) for n in range(6)]


async def after_a_pause(*, tenant_id: str) -> list[str]:
    names = [await durable.step("before", partial(do, "before"))]
    await asyncio.sleep(2 * engine_internals._LOOK_HOLDS)
    return [*names, await durable.step("after", partial(do, "after"))]


async def side_by_side(*, tenant_id: str) -> list[str]:
    """At first the later step ends first, and the earlier one is not recorded; then the earlier one is the quicker."""
    slow, wait = (0.0, 0.1) if "left" in begun else (0.5, 0.05)

    async def left() -> str:
        await asyncio.sleep(slow)
        return await do("left")

    async def right() -> str:
        await asyncio.sleep(wait)
        return await durable.step("right", partial(do, "right"))

    return list(await asyncio.gather(durable.step("left", left), right()))


async def cancelled_in_a_step(*, tenant_id: str) -> list[str]:
    async def cancel() -> str:
        begun.append("cancel")
        await durable.cancel_workflow(durable.current_workflow_id())
        return "cancelled"

    await durable.step("first", partial(do, "first"))
    await durable.step("cancel", cancel)
    return [await durable.step("never", partial(do, "never"))]


async def main(home: Path, scenario: str) -> None:
    log.configure(level="CRITICAL")
    durable._SWEEP_EVERY = 0.2
    count_looks()
    if scenario == "side_by_side":
        fail_to_record_once()
    workflows = durable.Workflows()
    function: Callable[..., Awaitable[Any]] = globals()[scenario]
    workflows.register(scenario, function)  # type: ignore[arg-type]
    services = build_services(load_settings(home=home))
    engine = durable.Engine(services.urls.app, executor_id=new_executor_id(), concurrency=5, poll_idle=0.1)
    await engine.launch(workflows)
    result: Any = None
    for _ in range(20):
        try:
            result = await durable.run_workflow(scenario, scenario, {"tenant_id": "t"})
            break
        except asyncio.CancelledError:
            await asyncio.sleep(0.5)
        except Exception as error:  # of the engine: what it says of a cancelled one
            result = type(error).__name__
            break
    print(json.dumps({"result": result, "begun": begun, "looks": looks}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
