"""How urgent an incident's decisions are so far: what was decided of it is in its timeline, which only grows.

So what was seen of it once bounds it from then on: who is no more urgent than that need not look again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from functools import partial
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of, when_committed
from opsteward.events.text_shapes import Remembered

#: Which timeline lines that say what was decided, with `action` and `priority` in their detail.
_DECISIONS = ("decided", "raised")
_DECIDED = sa.text("""
    select incident_id, detail ->> 'action', min(cast(detail ->> 'priority' as int))
    from opsteward.timeline_entries
    where tenant_id = :tenant_id and incident_id = any(cast(:ids as uuid[])) and kind = any(cast(:kinds as text[]))
        and detail ? 'action'
    group by 1, 2
""")


class DecisionsSoFar:
    """One per process."""

    def __init__(self) -> None:
        self._lowest: Remembered[UUID, int] = Remembered()

    def may_be_exceeded(self, incident_id: UUID, priority: int) -> bool:
        """Whether this priority (1 is the most urgent) may be more urgent than all that was decided."""
        return priority < self._lowest.get(incident_id, priority + 1)

    async def read(self, session: AsyncSession, incident_ids: Collection[UUID]) -> dict[UUID, dict[str, int]]:
        """Of incidents the actions that were decided so far, with the lowest priority number of each.

        They are locked by the caller, so that two transactions see each other's.
        """
        found: dict[UUID, dict[str, int]] = defaultdict(dict)
        if not incident_ids:
            return found
        parameters = {"tenant_id": tenant_of(session), "ids": list(incident_ids), "kinds": list(_DECISIONS)}
        for incident_id, action, priority in await session.execute(_DECIDED, parameters):
            found[incident_id][action] = priority
        # what this unit of work has added to it may be taken back
        when_committed(session, partial(self._remember, {one: min(of_it.values()) for one, of_it in found.items()}))
        return found

    def _remember(self, lowest: Mapping[UUID, int]) -> None:
        for incident_id, priority in lowest.items():
            self._lowest.keep(incident_id, priority)
