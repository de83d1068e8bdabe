"""Engines run in turn: a tenant with much to compute holds up itself alone."""

from __future__ import annotations

import asyncio

from opsteward.core.fair_share import Party, current_party
from opsteward.core.json_types import JsonObject
from opsteward.crew.execution.engine_runs import in_turn
from opsteward.crew.execution.types import Part
from support.crew_engines import TYPES, Numbers


async def test_a_tenant_s_many_engines_hold_up_no_other_tenant() -> None:
    begun: list[str] = []
    end = asyncio.Event()

    async def held(_: Part) -> JsonObject:
        begun.append(current_party.get().tenant)
        await end.wait()
        return {}

    run = in_turn(held, patience=30)

    async def of(tenant: str, operator: int) -> JsonObject:
        current_party.set(Party(tenant, str(operator)))
        return await run(Part(task_type=TYPES["crm.add"], parameters=Numbers(values=[1])))

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(of("greedy", number))
        await asyncio.sleep(0)
        group.create_task(of("modest", 1))
        for _ in range(5):
            await asyncio.sleep(0)
        assert begun == ["greedy", "modest"]
        end.set()
    assert begun.count("greedy") == 20
