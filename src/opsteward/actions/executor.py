"""The two workflows of a run: plan it, then admit, execute, verify and finish it.

`actions.plan` looks and plans; without need of approval it goes straight on. `actions.execute` runs when an approval
was given, refused, or has expired. Waiting costs nothing: no workflow hangs meanwhile.
"""

from __future__ import annotations

from functools import partial
from uuid import UUID

import sqlalchemy as sa

from opsteward.actions.admission import Admission
from opsteward.actions.effect import Effect
from opsteward.actions.planning import Planning
from opsteward.actions.recording import EXECUTE_WORKFLOW, PLAN_WORKFLOW, enqueue_look
from opsteward.actions.run_context import RunContexts
from opsteward.actions.types import RunStatus
from opsteward.core import durable
from opsteward.core.ids import uuid7
from opsteward.tasks import controls


class Executor:
    """Runs on workers, as the app role."""

    def __init__(self, contexts: RunContexts) -> None:
        self._db = contexts.db
        self._planning = Planning(contexts)
        self._admission = Admission(contexts)
        self._effect = Effect(contexts)

    def register(self, workflows: durable.Workflows) -> None:
        workflows.register(PLAN_WORKFLOW, self.plan_action, give_up=self._effect.give_up)
        workflows.register(EXECUTE_WORKFLOW, self.execute_action, give_up=self._effect.give_up)

    async def plan_action(self, *, tenant_id: str, run_id: str) -> str:
        """Workflow: plan, and go on when nobody needs to be asked. Returns the run's status."""
        tenant, run = UUID(tenant_id), UUID(run_id)
        status = await durable.step("action.plan", partial(self._planning.plan, tenant, run))
        return await self._perform(tenant, run) if status == RunStatus.APPROVED else status

    async def execute_action(self, *, tenant_id: str, run_id: str) -> str:
        """Workflow: an approval was decided or has run out. Returns the run's status."""
        return await self._perform(UUID(tenant_id), UUID(run_id))

    async def _perform(self, tenant: UUID, run: UUID) -> str:
        claim = durable.current_workflow_id()
        admitted = await durable.step("action.admit", partial(self._admission.admit, tenant, run, claim))
        if admitted != RunStatus.EXECUTING:
            return admitted  # it ended without an effect, another workflow has it, it is held, or it waits still
        attempt = 0
        while pause := await durable.step("action.execute", partial(self._effect.execute, tenant, run, attempt)):
            if isinstance(pause, str):
                return pause  # held: this workflow ends, another goes on when the pause is lifted
            attempt += 1
            await durable.sleep(pause)
        proven = await durable.step("action.verify", partial(self._effect.verify, tenant, run))
        undo = "" if proven else await durable.step("action.undo", partial(self._effect.undo, tenant, run))
        return await durable.step("action.finish", partial(self._effect.finish, tenant, run, undo))

    async def release_held(self) -> None:
        """A pause was lifted, or we have just begun to lead: what is approved and no longer held goes on.

        What is in flight anyway is not disturbed: a run has one workflow that claims it. Raises Unavailable.
        """
        async with self._db.unit_of_work(None) as session:
            waiting = (await session.execute(sa.text("select * from opsteward.approved_runs()"))).all()
        for tenant_id in {row.tenant_id for row in waiting}:
            async with self._db.unit_of_work(tenant_id) as session:
                pauses = await controls.in_force(session)
                for row in waiting:
                    if row.tenant_id == tenant_id and not controls.pause_of(pauses, action=row.action):
                        suffix = f"released {uuid7()}"
                        await enqueue_look(session, tenant_id=tenant_id, run_id=row.id, suffix=suffix)
