"""The task types that ship; integrations add theirs."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from opsteward.contracts.task import TaskContext, TaskType
from opsteward.systems.check_on_demand import ChecksOnDemand
from opsteward.systems.health_checks import evidence_of


class Echo(BaseModel):
    """`message` is given back after `seconds`."""

    model_config = ConfigDict(extra="forbid")

    message: Annotated[str, Field(max_length=1000)] = ""
    seconds: Annotated[float, Field(ge=0, le=3600)] = 0


class CheckSystem(BaseModel):
    """The system to look at."""

    model_config = ConfigDict(extra="forbid")

    system_id: UUID


async def _echo(ctx: TaskContext, params: Echo) -> dict[str, object]:
    for tenth in range(10 if params.seconds else 0):
        await asyncio.sleep(params.seconds / 10)
        ctx.progress((tenth + 1) * 10, f"{tenth + 1} of 10")
    return {"message": params.message}


def shipped_task_types(checks: ChecksOnDemand) -> list[TaskType]:
    """What every installation can do as a task."""

    async def check_system(ctx: TaskContext, params: CheckSystem) -> dict[str, object]:
        seen = await checks.run(ctx.tenant_id, params.system_id)
        return {"system": seen.system.name, "health": seen.health, "evidence": evidence_of(seen.outcomes)}

    return [
        TaskType(
            slug="opsteward.echo",
            purpose="Waits, and gives its message back: to try the engine",
            params=Echo,
            run=_echo,
        ),
        TaskType(
            slug="systems.check",
            purpose="Runs every check that fits a registered system, once, and reports what was seen",
            params=CheckSystem,
            run=check_system,
        ),
    ]
