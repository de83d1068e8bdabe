"""Background agents that do what a test tells them, and leave a trace.

`Probe` is for a runtime inside the test's own process: its `Script` says what each run does. `Tracer` is for agents in
processes of their own: each run is two lines in a file, `worker agent begin|end monotonic-seconds`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from opsteward.contracts.agent import AgentContext, BackgroundAgent
from opsteward.contracts.integration import Integration

Run = Callable[[AgentContext[Any]], Awaitable[None]]


class Label(BaseModel):
    """`label` finds the script."""

    model_config = ConfigDict(extra="forbid")

    label: str


@dataclass
class Script:
    """What an agent does in each run, and what it did so far."""

    run: Run | None = None
    begun: int = 0
    ran: int = 0
    stopped: int = 0
    at_once: int = 0
    most_at_once: int = 0
    where: list[Any] = field(default_factory=list)


SCRIPTS: dict[str, Script] = defaultdict(Script)


class Probe(BackgroundAgent[Label]):
    """Follows its script."""

    kind = "test.probe"
    purpose = "Does what a test says"
    params_model = Label
    interval: float | None = 0.1
    timeout = 0.5

    async def start(self, ctx: AgentContext[Label]) -> None:
        SCRIPTS[ctx.params.label].begun += 1

    async def run_once(self, ctx: AgentContext[Label]) -> None:
        """One run, counted."""
        script = SCRIPTS[ctx.params.label]
        script.where.append(ctx.process_id)
        script.at_once += 1
        script.most_at_once = max(script.most_at_once, script.at_once)
        try:
            if script.run is not None:
                await script.run(ctx)
            script.ran += 1
        finally:
            script.at_once -= 1

    async def stop(self, ctx: AgentContext[Label]) -> None:
        SCRIPTS[ctx.params.label].stopped += 1


class Listener(Probe):
    """Runs when woken: by a message, or a notice of an incident."""

    kind = "test.listener"
    interval = None
    wakes_on = frozenset({"incident"})


class Essential(Probe):
    """Goes on in an emergency pause."""

    kind = "test.essential"
    essential = True


class File(BaseModel):
    """Where the lines go, and how long a run takes (seconds)."""

    model_config = ConfigDict(extra="forbid")

    file: Path
    pace: float = 0.05


class Tracer(BackgroundAgent[File]):
    """Writes a line when a run begins and one when it ends."""

    kind = "test.tracer"
    purpose = "Leaves a trace"
    params_model = File
    interval = 0.2

    async def run_once(self, ctx: AgentContext[File]) -> None:
        _write(ctx, "begin")
        await asyncio.sleep(ctx.params.pace)
        _write(ctx, "end")


def _write(ctx: AgentContext[File], what: str) -> None:
    with ctx.params.file.open("a") as file:
        file.write(f"{os.environ['WORKER_NAME']} {ctx.name} {what} {time.monotonic()}\n")


AGENTS = Integration(slug="probes", title="Agents of tests", agents=[Probe, Listener, Essential, Tracer])
