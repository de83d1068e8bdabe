"""An action that tests let succeed, fail and wait."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from opsteward.accounts.types import Identity
from opsteward.actions.types import ENDS, ActionView, NewAction, RunStatus
from opsteward.app.services import Services
from opsteward.systems.types import KnownSystem
from support.switchboard import Board


@dataclass
class Bench:
    """A tenant with a board, a requester and a second operator."""

    services: Services
    board: Board
    tenant_id: UUID
    system: KnownSystem
    requester: Identity
    second: Identity

    async def request(self, name: str, *, approval: str = "auto", **more: object) -> UUID:
        new = NewAction(
            action="memory.turn_on",
            params={"name": name},
            reason="test",
            requested_by=self.requester.actor,
            idempotency_key=str(uuid4()),
            system_id=self.system.id,
            approval=approval,
        )
        async with self.services.web.unit_of_work(self.tenant_id) as session:
            return (await self.services.action_service.request(session, new=replace(new, **more))).id

    async def until(self, run_id: UUID, *statuses: RunStatus) -> ActionView:
        async with asyncio.timeout(20):
            while True:
                async with self.services.web.unit_of_work(self.tenant_id) as session:
                    run = await self.services.action_service.get(session, run_id=run_id)
                if run.status in (statuses or ENDS):
                    return run
                await asyncio.sleep(0.03)


async def approval(bench: Bench, run_id: UUID) -> tuple[UUID, str]:
    await bench.until(run_id, RunStatus.AWAITING_APPROVAL)
    async with bench.services.web.unit_of_work(bench.tenant_id) as session:
        found = await bench.services.action_service.approval_of(session, run_id=run_id)
    assert found is not None
    return found.id, found.plan_hash


async def approve(bench: Bench, approval_id: UUID, plan_hash: str) -> None:
    async with bench.services.web.unit_of_work(bench.tenant_id) as session:
        await bench.services.action_service.approve(
            session, approval_id=approval_id, plan_hash=plan_hash, by=bench.second
        )
