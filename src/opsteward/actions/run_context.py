"""A run opened for one step: its action, its target behind an open connector, its typed parameters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions import queries
from opsteward.actions.models import ActionRun
from opsteward.actions.recording import record_step
from opsteward.actions.settings import ActionSettings
from opsteward.actions.types import ENDS, RunStatus
from opsteward.contracts.action import ActionContext, AnyAction, Plan
from opsteward.contracts.registry import Registry
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.db import Database
from opsteward.core.errors import Timeout
from opsteward.core.json_types import JsonObject
from opsteward.core.log import correlated
from opsteward.core.redact import redact_text
from opsteward.systems.service import Inventory, connected
from opsteward.telemetry import traces

ACTOR = "system:executor"


@dataclass(frozen=True)
class OpenRun:
    """What a step works with. Which action it is decides the types of the rest."""

    action: AnyAction
    context: ActionContext[Any]
    params: BaseModel
    run: ActionRun


@dataclass(frozen=True)
class RunContexts:
    """Opens runs for their steps, and records what came of them; one per process."""

    db: Database
    inventory: Inventory
    registry: Registry
    bus: Bus
    settings: ActionSettings

    @asynccontextmanager
    async def opened(self, tenant: UUID, run_id: UUID, step: str) -> AsyncIterator[OpenRun]:
        """The run with an open connector to its target; traced as this step of it."""
        async with self.db.unit_of_work(tenant) as session:
            run = await queries.get_run(session, run_id)
            offered = self.registry.action(run.action)
            params = offered.action.params_model.model_validate(run.params)
            target = None
            if run.system_id is not None:
                target = await self.inventory.ref_with_secret(session, system_id=run.system_id)
        about = {"opsteward.action": run.action, "opsteward.action.run_id": str(run_id)}
        with correlated(run.correlation_id), traces.span(f"action {step} {run.action}", about):
            if target is None or offered.connector is None:
                without = ActionContext(via=None, target=None, idempotency_key=str(run.id))
                yield OpenRun(offered.action, without, params, run)
                return
            ref, credentials = target
            async with connected(offered.connector, ref, await credentials.followed()) as via:
                context = ActionContext(via=via, target=ref, idempotency_key=str(run.id))
                yield OpenRun(offered.action, context, params, run)

    async def planned(self, tenant: UUID, run_id: UUID) -> Plan:
        """What the action would do now. Raises ConnectorError, NotFound or Invalid where it can't be planned."""
        async with self.opened(tenant, run_id, "plan") as it:
            try:
                async with asyncio.timeout(self.settings.diagnosis_timeout):
                    return await it.action.plan(it.context, it.params)
            except TimeoutError:
                raise Timeout("planning did not finish in time") from None

    async def record(
        self, session: AsyncSession, run: ActionRun, what: str, *, key: str = "", extra: JsonObject | None = None
    ) -> None:
        """Audit one step and tell the bus; a repeated step leaves one entry."""
        with correlated(run.correlation_id):
            await record_step(session, self.bus, run, what, actor=ACTOR, key=key, extra=extra)

    async def fail_before_effect(self, tenant: UUID, run_id: UUID, error: str) -> str:
        """The run has failed, and nothing was done; returns its status."""
        async with self.db.unit_of_work(tenant) as session:
            run = await queries.get_run(session, run_id, lock=True)
            if run.status in ENDS:
                return str(run.status)
            run.status, run.error, run.ended_at = RunStatus.FAILED, redact_text(error), now()
            await self.record(session, run, run.status, extra={"why": run.error})
            return str(run.status)
