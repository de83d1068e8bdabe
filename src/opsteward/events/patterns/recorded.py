"""What is recorded of the groups of a span: counts, beginnings, their last events and their incidents.

A fixed number of statements, each bounded, whatever the span holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.events.models import Event, Incident, IncidentGroup

#: The newest events of a span that are looked at.
EVENTS_LIMIT = 200_000
#: Groups with the most events of which is told.
GROUPS_LIMIT = 300
STRETCHES = 28  # of a span, for its trend: a quarter of a day in a week
#: An event after such a pause is a beginning.
PAUSE = timedelta(minutes=10)
_INCIDENTS_LIMIT = 5_000
_MESSAGE_LIMIT = 500  # characters

_READ = sa.text("""
    with newest as (
        select fingerprint, id, received_at, least(occurred_at, received_at) as at from opsteward.events
        where tenant_id = :tenant_id and received_at >= :since and received_at <= :until and occurred_at >= :since
            and not resolved
        order by received_at desc limit :most
    ), recent as (
        select *, count(*) over () as looked_at, min(received_at) over () as begin from newest
    ), large as (
        select fingerprint from recent group by fingerprint order by count(*) desc, fingerprint limit :groups
    ), marked as (
        select *, lag(at) over (partition by fingerprint order by at) as before from recent
        where fingerprint in (select fingerprint from large)
    )
    select
        fingerprint, looked_at, begin,
        least(floor(extract(epoch from at - cast(:since as timestamptz)) / :stretch)::int, :stretches - 1) as stretch,
        count(*) as events, min(at) as first, max(at) as last, max(id::text) as newest,
        array_agg(at order by at) filter (where before is null or at - before > cast(:pause as interval)) as begun
    from marked group by 1, 2, 3, 4 order by fingerprint, stretch
""")


@dataclass(kw_only=True)
class Group:
    """What is recorded of a fingerprint in the span."""

    fingerprint: str
    counts: list[int]
    first: datetime
    last: datetime
    newest: UUID
    begun: list[datetime] = field(default_factory=list)
    source: str = ""
    error_type: str | None = None
    message: str = ""
    category: str = ""
    severity: str = ""
    incidents: list[PastIncident] = field(default_factory=list)
    bound_at: datetime | None = None

    @property
    def events(self) -> int:
        """How many."""
        return sum(self.counts)


@dataclass(frozen=True, kw_only=True)
class PastIncident:
    """One that took the group's events; of any time."""

    id: UUID
    number: int
    opened_at: datetime
    resolved_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """`since`: of the first event that was looked at, where there were more than are looked at."""

    since: datetime
    events: int
    groups: list[Group]


async def read(session: AsyncSession, *, since: datetime, until: datetime) -> Recorded:
    """The groups with the most events of the span."""
    rows = (
        await session.execute(
            _READ,
            {
                "tenant_id": tenant_of(session),
                "since": since,
                "until": until,
                "most": EVENTS_LIMIT,
                "groups": GROUPS_LIMIT,
                "stretch": (until - since).total_seconds() / STRETCHES,
                "stretches": STRETCHES,
                "pause": PAUSE,
            },
        )
    ).all()
    groups: dict[str, Group] = {}
    for row in rows:
        newest = UUID(row.newest)
        group = groups.setdefault(
            row.fingerprint,
            Group(fingerprint=row.fingerprint, counts=[0] * STRETCHES, first=row.first, last=row.last, newest=newest),
        )
        group.counts[row.stretch] = row.events
        group.first, group.last = min(group.first, row.first), max(group.last, row.last)
        group.newest = max(group.newest, newest)
        group.begun += row.begun or []
    found = list(groups.values())
    await _read_newest(session, found)
    await _read_incidents(session, groups)
    looked_at = rows[0].looked_at if rows else 0
    begin = rows[0].begin if looked_at >= EVENTS_LIMIT else since
    return Recorded(since=begin, events=looked_at, groups=found)


async def _read_newest(session: AsyncSession, groups: Sequence[Group]) -> None:
    query = sa.select(
        Event.id,
        Event.source,
        Event.error_type,
        Event.category,
        Event.severity,
        sa.func.left(Event.message, _MESSAGE_LIMIT).label("message"),
    ).where(Event.tenant_id == tenant_of(session), Event.id.in_([group.newest for group in groups]))
    newest = {row.id: row for row in await session.execute(query)}
    for group in groups:
        row = newest[group.newest]
        group.source, group.error_type, group.message = row.source, row.error_type, row.message
        group.category, group.severity = row.category, row.severity


async def _read_incidents(session: AsyncSession, groups: dict[str, Group]) -> None:
    own = IncidentGroup.tenant_id == tenant_of(session)
    keys = IncidentGroup.fingerprint == sa.any_(sa.literal(sorted(groups), ARRAY(sa.Text)))
    bound = await session.execute(
        sa.select(IncidentGroup.fingerprint, sa.func.min(IncidentGroup.bound_at).label("bound_at"))
        .where(own, keys)
        .group_by(IncidentGroup.fingerprint)
    )
    for fingerprint, bound_at in bound:
        groups[fingerprint].bound_at = bound_at
    incidents = await session.execute(
        sa.select(IncidentGroup.fingerprint, Incident.id, Incident.number, Incident.opened_at, Incident.resolved_at)
        .join(Incident, (Incident.tenant_id == IncidentGroup.tenant_id) & (Incident.id == IncidentGroup.incident_id))
        .where(own, keys)
        .order_by(Incident.number.desc())
        .limit(_INCIDENTS_LIMIT)
    )
    for row in incidents:
        groups[row.fingerprint].incidents.append(
            PastIncident(id=row.id, number=row.number, opened_at=row.opened_at, resolved_at=row.resolved_at)
        )
