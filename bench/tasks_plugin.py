"""Task types of `bench.tasks`: nothing, a little, and 40 light steps."""

from __future__ import annotations

import asyncio
from functools import partial

from opsteward.contracts.integration import Integration
from opsteward.contracts.task import NoParams, TaskContext, TaskType

STEPS = 40


async def _nothing(_: TaskContext, __: NoParams) -> None:
    return None


async def _short(_: TaskContext, __: NoParams) -> None:
    await asyncio.sleep(0.02)


async def _light(number: int) -> int:
    return number


async def _forty(ctx: TaskContext, _: NoParams) -> dict[str, int]:
    return {"sum": sum([await ctx.step(f"light {n}", partial(_light, n)) for n in range(STEPS)])}


INTEGRATION = Integration(
    slug="bench",
    title="Tasks to measure with",
    task_types=[
        TaskType(slug="bench.nothing", purpose="Does nothing", params=NoParams, run=_nothing),
        TaskType(slug="bench.short", purpose="Takes 20 ms", params=NoParams, run=_short),
        TaskType(slug="bench.forty", purpose="40 light steps", params=NoParams, run=_forty, durable=True),
    ],
)
