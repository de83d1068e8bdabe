"""The timeline of an incident: lines added in the transaction of what they report, and read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import Actors, actors_of
from opsteward.actions.types import ROUTINE_ACTIONS
from opsteward.core import feed
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.ids import derived_id, uuid7
from opsteward.events.models import TimelineEntry
from opsteward.events.types import TimelineView

_WORTH_TELLING = frozenset({"failed", "undone", "denied"})


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line to add. With a `key` (a repeated step) the second time does nothing; `at` is now unless given."""

    incident_id: UUID
    kind: str
    title: str
    detail: Mapping[str, object] = field(default_factory=dict)
    key: str | None = None
    at: datetime | None = None
    #: Who did it, as a reference; None where it happened by itself.
    actor: str | None = None


async def add(
    session: AsyncSession,
    *,
    incident_id: UUID,
    kind: str,
    title: str,
    detail: Mapping[str, object] | None = None,
    key: str | None = None,
    at: datetime | None = None,
    actor: str | None = None,
) -> bool:
    """Add a line, and notify who watches. With a `key` (a repeated step) the second time does nothing: False then."""
    line = Line(incident_id=incident_id, kind=kind, title=title, detail=detail or {}, key=key, at=at, actor=actor)
    return await add_all(session, [line]) == 1


async def add_all(session: AsyncSession, lines: Sequence[Line]) -> int:
    """Add many lines at once, in this order, and notify who watches, once per incident. Returns how many were new."""
    if not lines:
        return 0
    tenant_id, at = tenant_of(session), now()
    added = await session.scalars(
        insert(TimelineEntry).on_conflict_do_nothing().returning(TimelineEntry.id),
        [
            {
                "id": derived_id(line.incident_id, line.key) if line.key else uuid7(),
                "tenant_id": tenant_id,
                "incident_id": line.incident_id,
                "at": line.at or at + timedelta(microseconds=place),  # so that they are read in this order
                "kind": line.kind,
                "title": line.title,
                "actor": line.actor,
                "detail": dict(line.detail),
            }
            for place, line in enumerate(lines)
        ],
    )
    for incident_id in dict.fromkeys(line.incident_id for line in lines):
        await feed.announce(session, kind="incident", object_id=str(incident_id))
    return len(added.all())


async def read(
    session: AsyncSession, *, incident_id: UUID, limit: int = 1000, include_routine: bool = False
) -> list[TimelineView]:
    """The newest `limit` lines, in order of time, `folded` unless routine is included."""
    query = sa.select(TimelineEntry).where(
        TimelineEntry.tenant_id == tenant_of(session), TimelineEntry.incident_id == incident_id
    )
    newest_first = (
        await session.scalars(query.order_by(TimelineEntry.at.desc(), TimelineEntry.id.desc()).limit(limit))
    ).all()
    about = {incident_id, *(_acted_on(row) for row in newest_first)}
    actors = await actors_of(session, [row.actor for row in newest_first], about=about)
    lines = [_view(row, actors) for row in reversed(newest_first)]
    return lines if include_routine else folded(lines)


def folded(lines: Sequence[TimelineView]) -> list[TimelineView]:
    """Of each action that only writes something down just the newest line; what failed or was denied stays whole."""
    newest = {line.detail["action_id"]: line.id for line in lines if _is_routine(line)}
    return [line for line in lines if not _is_routine(line) or newest[line.detail["action_id"]] == line.id]


def _is_routine(line: TimelineView) -> bool:
    detail = line.detail
    return (
        line.kind == "action"
        and "action_id" in detail
        and detail.get("action") in ROUTINE_ACTIONS
        and detail.get("status") not in _WORTH_TELLING
    )


def _acted_on(row: TimelineEntry) -> object:
    """What the audit log says it of: the action, or the incident itself."""
    return row.detail.get("action_id") or row.incident_id


def _view(row: TimelineEntry, actors: Actors) -> TimelineView:
    reason = row.detail.get("reason")
    return TimelineView(
        id=row.id,
        at=row.at,
        kind=row.kind,
        title=row.title,
        detail=row.detail,
        actor=actors.doing(row.actor, _acted_on(row), row.at),
        reason=reason if isinstance(reason, str) and reason else None,
    )
