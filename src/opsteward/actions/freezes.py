"""Freezes: an action that did not help a target is not tried there again until the freeze ends or is lifted."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.actions.models import ActionRun, Freeze
from opsteward.actions.recording import record_step
from opsteward.core.bus import Bus
from opsteward.core.changes import Change, record_changes
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import NotFound
from opsteward.core.ids import derived_id
from opsteward.telemetry import audit

ACTOR = "system:executor"


async def freeze(session: AsyncSession, bus: Bus, run: ActionRun, *, seconds: float, reason: str) -> None:
    """The run's action is not tried on its target for so long. Repeating does nothing."""
    row = {
        "id": derived_id(run.id, "freeze"),
        "tenant_id": run.tenant_id,
        "target_key": run.target_key,
        "action": run.action,
        "system_id": run.system_id,
        "action_run_id": run.id,
        "reason": reason,
        "frozen_at": now(),
        "until": now() + timedelta(seconds=seconds),
    }
    added = await session.scalar(insert(Freeze).values(row).on_conflict_do_nothing().returning(Freeze.id))
    if added is not None:
        await record_step(session, bus, run, "frozen", actor=ACTOR, extra={"reason": reason})
        await record_changes(session, [_change(added, "frozen")])


async def lift_freeze(session: AsyncSession, *, freeze_id: UUID, by: Identity) -> None:
    """Allow the action on the target again. Raises NotFound."""
    found = await session.scalar(
        sa.update(Freeze)
        .where(Freeze.tenant_id == tenant_of(session), Freeze.id == freeze_id, Freeze.lifted_at.is_(None))
        .values(lifted_at=now(), lifted_by=by.actor)
        .returning(Freeze.id)
    )
    if found is None:
        raise NotFound("no freeze of this id is in force")
    await audit.record(session, actor=by.actor, verb="freeze.lifted", object_type="freeze", object_id=str(freeze_id))
    await record_changes(session, [_change(freeze_id, "lifted")])


def _change(freeze_id: UUID, status: str) -> Change:
    return Change("freeze_changed", {"freeze_id": str(freeze_id), "status": status})
