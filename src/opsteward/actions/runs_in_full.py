"""Action runs for people: who asked, who allowed it and why, on which system, by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import Actors, actors_of
from opsteward.accounts.types import Actor
from opsteward.actions.approval_types import Decision, SystemRef
from opsteward.actions.models import Approval
from opsteward.actions.types import ActionView, RunStatus
from opsteward.core.db import tenant_of
from opsteward.systems.service import Inventory

#: Ends after which nothing was changed.
_NOTHING_DONE = frozenset({RunStatus.DENIED, RunStatus.REFUSED, RunStatus.EXPIRED, RunStatus.SUPERSEDED})
AUTOMATIC = "automatic"


@dataclass(frozen=True, kw_only=True)
class ActionInFull(ActionView):
    """A run with who asked for it, and how it was allowed: by a person (`approved`, `refused`, ...), or `automatic`."""

    system: SystemRef | None
    requester: Actor
    #: Null while it waits for a person.
    decision: Decision | None
    #: Why nothing was done, in a sentence; null where something was, or may be yet.
    not_done_because: str | None


def decision_of(row: Approval, actors: Actors) -> Decision:
    """How an approval that waits no longer was decided."""
    at = row.decided_at or (row.expires_at if row.status == "expired" else None)
    by = actors.doing(row.decided_by, row.action_run_id, row.decided_at)
    return Decision(status=row.status, by=by, at=at, reason=row.reason)


async def in_full(session: AsyncSession, inventory: Inventory, runs: Sequence[ActionView]) -> list[ActionInFull]:
    """All of them with a fixed number of queries."""
    if not runs:
        return []
    approvals = (
        await session.scalars(
            sa.select(Approval).where(
                Approval.tenant_id == tenant_of(session),
                Approval.action_run_id.in_([run.id for run in runs if run.approval == "required"]),
                Approval.status != "pending",
            )
        )
    ).all()
    references = [*(run.requested_by for run in runs), *(a.decided_by for a in approvals)]
    actors = await actors_of(session, references, about=[run.id for run in runs])
    decisions = {row.action_run_id: decision_of(row, actors) for row in approvals}
    names = await inventory.names_of(session, system_ids={run.system_id for run in runs if run.system_id})
    return [_one(run, actors, decisions, names) for run in runs]


def _one(run: ActionView, actors: Actors, decisions: dict[UUID, Decision], names: dict[UUID, str]) -> ActionInFull:
    requester = actors.asking(run.requested_by, run.id, run.created_at)
    decision = decisions.get(run.id)
    if decision is None and run.approval != "required":
        decision = Decision(status=AUTOMATIC, by=requester if requester.automatic else None, at=None,
                            reason=_why_automatic(run))  # fmt: skip
    system = None
    if run.system_id is not None:
        system = SystemRef(id=run.system_id, name=names.get(run.system_id, "a system that was removed"))
    fields: dict[str, Any] = vars(run)
    return ActionInFull(
        **fields,
        system=system,
        requester=requester,
        decision=decision,
        not_done_because=_why_nothing_was_done(run, decision),
    )


def _why_automatic(run: ActionView) -> str:
    if run.standing_order:
        return f"standing order {run.standing_order} allows it"
    return "it informs people and interrupts nothing: no approval is needed"


def _why_nothing_was_done(run: ActionView, decision: Decision | None) -> str | None:
    if run.status not in _NOTHING_DONE:
        return None
    if run.status == RunStatus.DENIED:
        return f"denied: {run.error}" if run.error else "denied"
    if run.status == RunStatus.EXPIRED:
        return "nobody approved it in time"
    if run.status == RunStatus.SUPERSEDED:
        return run.error or "it was changed after its approval"
    if decision is not None and decision.by is not None:
        return f"refused by {decision.by.name}" + (f": {decision.reason}" if decision.reason else "")
    return decision.reason if decision is not None and decision.reason else "refused"
