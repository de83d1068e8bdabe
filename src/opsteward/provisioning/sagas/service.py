"""What other rooms do with sagas: ask for one; hear of its approval."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.service import ActionService
from opsteward.actions.types import ENDS, ActionChanged, NewAction, RunStatus
from opsteward.contracts.registry import Registry
from opsteward.core.clock import now
from opsteward.core.crypto import digest
from opsteward.core.db import tenant_of
from opsteward.core.errors import Invalid, NotFound
from opsteward.core.feed import announce
from opsteward.core.ids import derived_id, uuid7
from opsteward.core.redact import redact_json
from opsteward.core.storable_text import in_a_sentence
from opsteward.provisioning.sagas import queries
from opsteward.provisioning.sagas.models import SagaRow, SagaStepRow
from opsteward.provisioning.sagas.types import SAGA_CHANGED, NewStep, Saga, SagaStatus, StepStatus
from opsteward.systems.record_connections import check_holds_records
from opsteward.systems.service import Inventory
from opsteward.tasks.submission import Submission
from opsteward.tasks.types import NewTask
from opsteward.telemetry import audit

RUN, ACTION = "systems.saga", "saga.apply"
ACTOR = "system:saga"


class Sagas:
    """One per process. Each call is part of the caller's transaction."""

    def __init__(self, inventory: Inventory, registry: Registry, action_service: ActionService) -> None:
        self._inventory = inventory
        self._registry = registry
        self._actions = action_service

    async def start(self, session: AsyncSession, *, name: str, steps: Sequence[NewStep], actor: str) -> Saga:
        """Ask for the approval of these changes, by name; once approved they are made in this order. Raises Invalid
        that names the step which can't be made."""
        told = [await self._checked(session, number, step) for number, step in enumerate(steps)]
        tenant_id, saga_id = tenant_of(session), uuid7()
        row = SagaRow(
            id=saga_id, tenant_id=tenant_id, name=name, status=SagaStatus.AWAITING_APPROVAL,
            plan_hash=digest([step.model_dump(mode="json") for step in steps]), requested_by=actor, created_at=now(),
        )  # fmt: skip
        session.add(row)
        session.add_all(
            SagaStepRow(
                tenant_id=tenant_id, saga_id=saga_id, number=number, system_id=step.system_id, resource=step.resource,
                words=told[number - 1], operation=step.operation, native_id=step.native_id, values=step.values,
                status=StepStatus.WAITING,
            )
            for number, step in enumerate(steps, start=1)
        )  # fmt: skip
        await session.flush()
        run = await self._actions.request(
            session,
            new=NewAction(
                action=ACTION,
                params={"saga_id": str(saga_id), "name": name, "plan_hash": row.plan_hash, "steps": told},
                reason=name,
                requested_by=actor,
                idempotency_key=f"saga:{saga_id}",
                approval="required",
            ),
        )
        row.action_id = run.id
        await session.flush()
        await announce(session, kind=SAGA_CHANGED, object_id=str(saga_id))
        return await queries.get(session, saga_id)

    async def _checked(self, session: AsyncSession, number: int, step: NewStep) -> str:
        """The step in words."""
        field = f"steps.{number}.system_id"
        try:
            system = await self._inventory.get(session, system_id=step.system_id)
        except NotFound:
            raise Invalid.field(field, "is no registered system", "see GET /api/v1/systems") from None
        check_holds_records(self._registry, system.endpoint, system.type, field=field, writable=True)
        what = (
            step.native_id
            if step.native_id is not None
            else ", ".join(f"{name} {value}" for name, value in list(redact_json(step.values).items())[:5])
        )
        sets = f": {', '.join(sorted(step.values))}" if step.operation == "update" else ""
        return in_a_sentence(f"{step.operation} {what} in {step.resource} of {system.name}{sets}")[:500]


class SagaRelease:
    """Hears of the action of a saga."""

    def __init__(self, submission: Submission) -> None:
        self._submission = submission

    async def action_changed(self, session: AsyncSession, message: ActionChanged) -> None:
        """An approved saga begins in the transaction in which its action ends; one that was not approved is over."""
        run = message.run
        if run.action != ACTION or run.status not in ENDS:
            return
        row = await queries.saga_row(session, UUID(str(run.params["saga_id"])), lock=True)
        if row.status != SagaStatus.AWAITING_APPROVAL or row.action_id != run.id:
            return
        if run.status != RunStatus.SUCCEEDED or run.params["plan_hash"] != row.plan_hash:
            row.status, row.ended_at, row.error = SagaStatus.CANCELLED, now(), run.error or f"it was {run.status}"
        else:
            row.status = SagaStatus.RUNNING
            task = NewTask(
                task_type=RUN,
                name=f"Saga: {row.name}"[:100],
                params={"saga_id": str(row.id)},
                repeat_key=derived_id(row.id, "run"),
            )
            await self._submission.submit(session, tasks=[task], actor=ACTOR)
        await announce(session, kind=SAGA_CHANGED, object_id=str(row.id))
        await record(session, row)


async def record(session: AsyncSession, row: SagaRow) -> None:
    """Audit where a saga has come to."""
    await audit.record(
        session, actor=ACTOR, verb=f"saga.{row.status}", object_type="saga", object_id=str(row.id),
        detail={"name": row.name, "error": row.error},
    )  # fmt: skip
