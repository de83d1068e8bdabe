"""The task type of `make chaos`, loaded by real processes through `OPSTEWARD_PLUGINS`: three effects, one a step."""

from __future__ import annotations

from functools import partial

from pydantic import BaseModel, ConfigDict

from opsteward.contracts.integration import Integration
from opsteward.contracts.task import TaskContext, TaskType
from opsteward.core.errors import Unreachable
from opsteward.core.http_client import REGISTERED_SYSTEMS, HttpClient

STEPS = ("first", "second", "third")
TASK_TYPE = "chaos.three_effects"


class Counter(BaseModel):
    """Where the effects are counted."""

    model_config = ConfigDict(extra="forbid")

    url: str


async def _three_effects(ctx: TaskContext, params: Counter) -> dict[str, int]:
    client = HttpClient(REGISTERED_SYSTEMS, timeout=30.0)

    async def effect(step: str) -> int:
        reply = await client.fetch(params.url, method="POST", headers={"Idempotency-Key": ctx.key(step)})
        if reply.status != 200:
            raise Unreachable(f"the counter answered {reply.status}")
        return int(reply.text())

    numbers = {}
    for step in STEPS:
        numbers[step] = await ctx.step(step, partial(effect, step))
    return numbers


INTEGRATION = Integration(
    slug="chaos",
    title="Effects at an outside counter",
    task_types=[
        TaskType(
            slug=TASK_TYPE,
            purpose="Three effects at an outside counter, each a step with its key",
            params=Counter,
            run=_three_effects,
            durable=True,
        )
    ],
)
