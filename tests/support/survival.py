"""Task types that leave a trace outside: each effect is a line in a file, and a test decides how long it takes.

A line is `worker task-name step monotonic-seconds`, written by one append. A step whose `hold` names a file waits
until that file exists.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from opsteward.contracts.integration import Integration
from opsteward.contracts.task import TaskContext, TaskType
from support.probe_agents import Tracer

_LOOK_EVERY = 0.01


class Trace(BaseModel):
    """`label` names the task in the lines; `steps` are run one after the other, the one called `held` until the file
    `until` exists. `pace`: seconds a step takes. The step `fails_in` fails in the first `fails` tries, `by` an error,
    by an exit or by being cancelled."""

    model_config = ConfigDict(extra="forbid")

    file: Path
    label: str
    steps: list[str] = ["first", "second", "third"]
    held: str = ""
    until: Path | None = None
    pace: float = 0.0
    fails_in: str = ""
    fails: int = 0
    by: Literal["error", "exit", "cancel"] = "error"


@dataclass(frozen=True)
class Effect:
    """One line."""

    worker: str
    task: str
    step: str
    at: float


def effects(file: Path) -> list[Effect]:
    """All that were written so far."""
    if not file.exists():
        return []
    lines = [line.split(" ") for line in file.read_text().splitlines()]
    return [Effect(worker, task, step, float(at)) for worker, task, step, at in lines]


def _write(params: Trace, step: str) -> None:
    with params.file.open("a") as file:
        file.write(f"{os.environ['WORKER_NAME']} {params.label} {step} {time.monotonic()}\n")


async def _step(ctx: TaskContext, params: Trace, step: str) -> str:
    _write(params, step)
    if step == params.fails_in and ctx.attempt < params.fails:
        raise {"error": RuntimeError, "exit": SystemExit, "cancel": asyncio.CancelledError}[params.by](
            f"try {ctx.attempt}"
        )
    if params.pace:
        await asyncio.sleep(params.pace)
    while step == params.held and params.until is not None and not params.until.exists():
        await asyncio.sleep(_LOOK_EVERY)
    return step


async def _in_steps(ctx: TaskContext, params: Trace) -> dict[str, list[str]]:
    return {"done": [await ctx.step(name, partial(_step, ctx, params, name)) for name in params.steps]}


def _on_a_thread(ctx: TaskContext, params: Trace) -> dict[str, bool]:
    _write(params, "thread")
    while params.until is not None and not params.until.exists():
        time.sleep(_LOOK_EVERY)
    return {"done": True}


async def _poison(ctx: TaskContext, params: Trace) -> None:
    _write(params, "poison")
    os.kill(os.getpid(), signal.SIGKILL)


def _type(slug: str, run: object, *, durable: bool = False) -> TaskType:
    return TaskType(slug=slug, purpose="Leaves a trace", params=Trace, run=run, durable=durable)  # type: ignore[arg-type]


DURABLE, PLAIN, THREAD, POISON = "survival.durable", "survival.plain", "survival.thread", "survival.poison"
INTEGRATION = Integration(
    slug="survival",
    title="Tasks that leave a trace",
    task_types=[
        _type(DURABLE, _in_steps, durable=True),
        _type(PLAIN, _in_steps),
        _type(THREAD, _on_a_thread),
        _type(POISON, _poison),
    ],
    agents=[Tracer],
)
