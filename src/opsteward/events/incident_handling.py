"""What people do with incidents: see, assign, comment, resolve and reopen them, one or many at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts import queries as accounts
from opsteward.accounts.types import Identity
from opsteward.core.errors import Conflict, Invalid, NotFound, OpsError
from opsteward.events import timeline
from opsteward.events.incidents import Incidents
from opsteward.events.types import IncidentView

BULK_LIMIT = 500
Verb = Literal["acknowledge", "resolve", "reopen", "assign"]


@dataclass(frozen=True, kw_only=True)
class NotChanged:
    """An incident of a bulk that stayed as it was, and why."""

    id: UUID
    reason: str


@dataclass(frozen=True, kw_only=True)
class BulkDone:
    """What became of many incidents."""

    changed: list[UUID]
    unchanged: list[NotChanged]


class Handling:
    """One per process."""

    def __init__(self, incidents: Incidents) -> None:
        self._incidents = incidents

    async def assign(
        self, session: AsyncSession, *, incident_id: UUID, to: str | None, by: Identity, reason: str = ""
    ) -> IncidentView:
        """`to`: an operator by name or id, `me`, or None for nobody. Raises NotFound, Invalid, and Conflict when
        it is over."""
        await self._incidents.get(session, incident_id=incident_id)
        actor, name = await _assignee(session, to, by)
        title = f"Assigned to {name}" if name else "Assigned to nobody"
        await self._incidents.assign(
            session, incident_id=incident_id, to=actor, by=by, title=title, detail={"reason": reason} if reason else {}
        )
        return await self._incidents.get(session, incident_id=incident_id)

    async def comment(self, session: AsyncSession, *, incident_id: UUID, text: str, by: Identity) -> IncidentView:
        """A line of its timeline in a person's words. Raises Invalid when there are none."""
        if not text.strip():
            raise Invalid.field("text", "is empty", "write something")
        found = await self._incidents.get(session, incident_id=incident_id)
        first, *rest = text.strip().splitlines()
        detail = {"text": text.strip()} if rest or len(first) > 200 else {}
        await timeline.add(
            session, incident_id=incident_id, kind="comment", title=first[:200], actor=by.actor, detail=detail
        )
        await self._incidents.note(session, incident_id=incident_id, actor=by.actor, what="commented")
        return found

    async def reopen(self, session: AsyncSession, *, incident_id: UUID, by: Identity, reason: str) -> IncidentView:
        """It is not over after all. Raises Conflict."""
        return await self._incidents.reopen(
            session,
            incident_id=incident_id,
            actor=by.actor,
            title="Reopened by an operator",
            automatic=False,
            reason=reason,
        )

    async def bulk(
        self,
        session: AsyncSession,
        *,
        verb: Verb,
        incident_ids: Sequence[UUID],
        by: Identity,
        reason: str = "",
        to: str | None = None,
    ) -> BulkDone:
        """The same with many. Each is done or left with the reason; the others are none the worse for it."""
        if not incident_ids or len(incident_ids) > BULK_LIMIT:
            raise Invalid.field("incident_ids", f"holds none, or more than {BULK_LIMIT}", "send some at a time")
        if verb == "assign":
            await _assignee(session, to, by)  # a wrong name is an error of all
        changed: list[UUID] = []
        unchanged: list[NotChanged] = []
        for incident_id in sorted(set(incident_ids)):
            try:
                async with session.begin_nested():
                    await self._one(session, verb, incident_id, by, reason, to)
                changed.append(incident_id)
            except (Conflict, NotFound) as error:
                unchanged.append(NotChanged(id=incident_id, reason=_why(error)))
        return BulkDone(changed=changed, unchanged=unchanged)

    async def _one(
        self, session: AsyncSession, verb: Verb, incident_id: UUID, by: Identity, reason: str, to: str | None
    ) -> None:
        if verb == "acknowledge":
            await self._incidents.acknowledge(session, incident_id=incident_id, by=by, reason=reason)
        elif verb == "resolve":
            await self._incidents.resolve_by_hand(session, incident_id=incident_id, by=by, reason=reason)
        elif verb == "reopen":
            await self.reopen(session, incident_id=incident_id, by=by, reason=reason)
        else:
            await self.assign(session, incident_id=incident_id, to=to, by=by, reason=reason)


async def _assignee(session: AsyncSession, to: str | None, by: Identity) -> tuple[str | None, str]:
    """The reference and the name of who is meant."""
    if to is None:
        return None, ""
    if to == "me":
        return by.actor, by.operator_name
    found = await accounts.list_operators(session, ref=to, limit=2)
    if len(found) != 1:
        raise Invalid.field("to", f"{to[:60]!r} is no operator's name or id", "see GET /api/v1/operators")
    if found[0].status != "active":
        raise Invalid.field("to", f"{found[0].name} may not sign in any more", "name another operator")
    return f"operator:{found[0].id}", found[0].name


def _why(error: OpsError) -> str:
    return error.detail
