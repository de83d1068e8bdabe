"""The task types that ship; integrations add theirs."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from opsteward.contracts.registry import Registry
from opsteward.contracts.task import TaskContext, TaskType
from opsteward.core.db import Database
from opsteward.systems.health_checks import evidence_of, health_of, run_checks
from opsteward.systems.service import Inventory
from opsteward.systems.settings import SystemSettings


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


def shipped_task_types(
    db: Database, inventory: Inventory, registry: Registry, settings: SystemSettings
) -> list[TaskType]:
    """What every installation can do as a task."""

    async def check_system(ctx: TaskContext, params: CheckSystem) -> dict[str, object]:
        async with db.unit_of_work(ctx.tenant_id) as session:
            target, secret = await inventory.ref_with_secret(session, system_id=params.system_id)
        checks = registry.checks_for(target.endpoint)
        outcomes = await run_checks(target, secret, checks, timeout=settings.diagnosis_timeout)
        return {"system": target.name, "health": health_of(outcomes), "evidence": evidence_of(outcomes)}

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
