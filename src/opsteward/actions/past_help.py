"""What helped in past incidents: the actions that were done and proven."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.models import ActionRun
from opsteward.actions.types import HELPED, NOTIFYING_ACTIONS, ROUTINE_ACTIONS
from opsteward.core.db import tenant_of

_RUNS_LIMIT = 5_000


@dataclass(frozen=True, kw_only=True)
class PastHelp:
    """An action that helped, and the standing order by which it was done; null where people asked for it."""

    action: str
    standing_order: str | None


async def past_help(session: AsyncSession, *, incident_ids: Sequence[UUID]) -> Mapping[UUID, list[PastHelp]]:
    """By incident; those in which nothing helped are left out."""
    rows = await session.execute(
        sa.select(ActionRun.incident_id, ActionRun.action, ActionRun.standing_order)
        .where(
            ActionRun.tenant_id == tenant_of(session),
            ActionRun.incident_id.in_(incident_ids),
            ActionRun.status.in_(HELPED),
            ActionRun.action.not_in(NOTIFYING_ACTIONS | ROUTINE_ACTIONS),
        )
        .order_by(ActionRun.id.desc())
        .limit(_RUNS_LIMIT)
    )
    found: dict[UUID, list[PastHelp]] = defaultdict(list)
    for row in rows:
        found[row.incident_id].append(PastHelp(action=row.action, standing_order=row.standing_order))
    return found
