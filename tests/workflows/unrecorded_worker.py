"""A worker whose engine fails, once each, to record a step's result and the end of a workflow.

Run as a program: `unrecorded_worker.py HOME`. Prints the steps as they were begun, then the workflow's result.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from dbos._sys_db import SystemDatabase
from sqlalchemy.exc import OperationalError

from opsteward.app.services import build_services
from opsteward.app.settings import load_settings
from opsteward.core import durable, log
from opsteward.core.process_takeover import new_executor_id

MAX_TRIES = 20


def failing_once(function: Callable[..., Any], where: Callable[..., bool]) -> Callable[..., Any]:
    """As a connection that can't be made, which the engine's own patience does not know."""
    failed = []

    def fails(*args: Any, **kwargs: Any) -> Any:
        if not failed and where(*args, **kwargs):
            failed.append(True)
            raise OperationalError("insert", {}, psycopg.OperationalError("connection is bad: no such file"))
        return function(*args, **kwargs)

    return fails


async def main(home: Path) -> None:
    log.configure(level="ERROR")
    durable._SWEEP_EVERY = 0.2
    SystemDatabase.record_operation_result = failing_once(  # type: ignore[method-assign]
        SystemDatabase.record_operation_result, lambda _, result, **__: result["function_name"] == "second"
    )
    SystemDatabase.update_workflow_outcome = failing_once(  # type: ignore[method-assign]
        SystemDatabase.update_workflow_outcome, lambda _, workflow_id, status, **__: status == "SUCCESS"
    )

    async def do(step: str) -> str:
        print(step, flush=True)
        return step

    async def workflow(*, tenant_id: str) -> list[str]:
        return [await durable.step(step, partial(do, step)) for step in ("first", "second", "third")]

    workflows = durable.Workflows()
    workflows.register("three.steps", workflow)
    services = build_services(load_settings(home=home))
    engine = durable.Engine(services.urls.app, executor_id=new_executor_id(), concurrency=5, poll_idle=0.1)
    await engine.launch(workflows)
    for _ in range(MAX_TRIES):
        try:
            print(await durable.run_workflow("three.steps", "one", {"tenant_id": "t"}), flush=True)
            os._exit(0)
        except asyncio.CancelledError:
            await asyncio.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
