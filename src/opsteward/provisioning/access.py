"""Access on outside systems: what users have by their enrolments and grants is given and taken there.

A change of a user notes who is due (the database does, in the same transaction); the leader makes tasks of it, one for
each system; a task asks the action service for an action; when that has ended,
the task checks that the access is as wanted.
"""

from __future__ import annotations

import asyncio
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.service import ActionService
from opsteward.actions.types import ENDS, HELPED, ActionChanged, NewAction
from opsteward.contracts.access import ACCESS_ROLE, MAX_PEOPLE, AccessParams
from opsteward.contracts.registry import Registry
from opsteward.contracts.task import TaskContext, TaskType
from opsteward.core.db import Database
from opsteward.core.errors import NotFound, OpsError, Unavailable
from opsteward.core.feed import RECONNECTED, Notice
from opsteward.core.json_types import JsonObject
from opsteward.core.log import get_logger
from opsteward.core.pause import pause
from opsteward.provisioning import due_access
from opsteward.systems.service import Inventory
from opsteward.systems.types import SystemsChanged
from opsteward.tasks.submission import Submission
from opsteward.tasks.types import NewTask

log = get_logger(__name__)

KEEP = "systems.keep_access"
ACTOR = "system:lifecycle"
_LOOK_AGAIN = 60.0  # seconds, where no notice comes
_RETRY_AFTER = 900.0  # seconds after an action that did not help


class Batch(BaseModel):
    """A system, and those of its people who are due."""

    model_config = ConfigDict(extra="forbid")

    system_id: UUID
    batch: UUID


class AccessKeeping:
    """Hears of what may make access due, and makes tasks of it."""

    def __init__(self, inventory: Inventory, registry: Registry) -> None:
        self._inventory = inventory
        self._actions = registry.access_actions

    async def system_changed(self, session: AsyncSession, message: SystemsChanged) -> None:
        """Everybody who has access to a new or changed system is due there."""
        if message.what == "removed":
            return
        system = await self._inventory.get(session, system_id=message.system_id)
        if system.settings.get(ACCESS_ROLE):
            await due_access.everybody(session, system=system)

    async def action_changed(self, session: AsyncSession, message: ActionChanged) -> None:
        """Whoever is to be otherwise by now is due again; all of them later, where the action did not help."""
        run = message.run
        if run.action not in self._actions or run.status not in ENDS or run.system_id is None:
            return
        try:
            system = await self._inventory.get(session, system_id=run.system_id)
        except NotFound:
            return
        people = AccessParams.model_validate(run.params).people
        if otherwise := await due_access.otherwise(session, system=system, people=people):
            await due_access.again(session, system=system, people=otherwise)
        if run.status not in HELPED:
            await due_access.again(session, system=system, people=people, after=_RETRY_AFTER)


class AccessDuty:
    """The leader's: tasks for who is due. `hear` every notice; `run` until cancelled."""

    def __init__(self, db: Database, submission: Submission) -> None:
        self._db = db
        self._submission = submission
        self._due = asyncio.Event()

    def hear(self, notice: Notice) -> None:
        """Quick: it is called for every notice."""
        if notice.kind in (due_access.ACCESS_DUE, RECONNECTED):
            self._due.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._due.clear()
            try:
                async with self._db.unit_of_work(None) as session:
                    tenants = await due_access.tenants(session)
                for tenant_id in tenants:
                    await self._submit(tenant_id)
            except Unavailable:
                pass  # the next round comes
            await pause(_LOOK_AGAIN, until=self._due)

    async def _submit(self, tenant_id: UUID) -> None:
        try:
            async with self._db.unit_of_work(tenant_id) as session:
                tasks = [
                    NewTask(
                        task_type=KEEP,
                        name="Keep access",
                        params={"system_id": str(system_id), "batch": str(batch)},
                        priority="high",
                    )
                    for system_id, batch in await due_access.bind(session)
                ]
                if tasks:
                    await self._submission.submit(session, tasks=tasks, actor=ACTOR)
        except Unavailable:
            raise
        except OpsError as error:
            log.warning("provisioning.access.not_submitted", tenant_id=str(tenant_id), error=error.detail)


def access_task_type(db: Database, inventory: Inventory, registry: Registry, action_service: ActionService) -> TaskType:
    """`systems.keep_access`."""

    async def keep(ctx: TaskContext, params: Batch) -> JsonObject:
        asked = 0
        while True:
            async with db.unit_of_work(ctx.tenant_id) as session:
                try:
                    system = await inventory.get(session, system_id=params.system_id)
                except NotFound:
                    await due_access.drop(session, batch=params.batch)
                    return {"people": asked, "why": "the system is registered no more"}
                action = registry.access_action(system.endpoint)
                if action is None:
                    await due_access.drop(session, batch=params.batch)
                    return {"people": asked, "why": "nothing here keeps access to a system of this kind"}
                # taken and asked for in one transaction: a task that runs again asks for nobody twice
                people = await due_access.take(session, system=system, batch=params.batch, most=MAX_PEOPLE)
                if not people:
                    return {"people": asked}
                await action_service.request(
                    session,
                    new=NewAction(
                        action=action,
                        system_id=system.id,
                        params=AccessParams(people=people).model_dump(mode="json"),
                        reason="what users have by their enrolments and grants",
                        requested_by=ACTOR,
                        idempotency_key=f"{params.batch}:{people[0].login}",
                        approval="auto",
                    ),
                )
            asked += len(people)

    return TaskType(
        slug=KEEP, purpose="Gives and takes access on an outside system, as users have it", params=Batch, run=keep
    )
