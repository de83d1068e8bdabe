"""Trouble that comes back: its incident goes on instead of another one, and what comes and goes is damped."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.timers import cancel_timer, set_timer
from opsteward.events import recoveries, timeline
from opsteward.events.incidents import Incidents
from opsteward.events.models import Incident, IncidentGroup, TimelineEntry
from opsteward.events.types import IncidentStatus

#: The kind of the timers by which a flapping incident ends.
SETTLED = "incident.settled"
#: Trouble that is back so soon after its recovery is the same incident.
REOPEN_WITHIN = timedelta(minutes=10)
#: Reopened so often within an hour, an incident flaps; it ends once a recovery has lasted so long.
FLAPS = 2
FLAPPING_WITHIN = timedelta(hours=1)
QUIET_FOR = timedelta(minutes=10)
_ACTOR = "system:incidents"


async def returning(session: AsyncSession, fingerprints: Collection[str]) -> dict[str, UUID]:
    """Of these fingerprints those whose incident was ended by its own recovery a short while ago, with it."""
    rows = await session.execute(
        sa.select(IncidentGroup.fingerprint, Incident.id)
        .ext(distinct_on(IncidentGroup.fingerprint))
        .join(Incident, Incident.id == IncidentGroup.incident_id)
        .where(
            IncidentGroup.tenant_id == tenant_of(session),
            Incident.tenant_id == tenant_of(session),
            IncidentGroup.fingerprint == sa.any_(sa.literal(sorted(fingerprints), ARRAY(sa.Text))),
            Incident.status == IncidentStatus.RESOLVED,
            Incident.recovered_at > now() - REOPEN_WITHIN,
        )
        .order_by(IncidentGroup.fingerprint, Incident.number.desc())
    )
    return {row[0]: row[1] for row in rows}


async def go_on(session: AsyncSession, incidents: Incidents, incident_id: UUID, *, actor: str) -> bool:
    """Reopen an incident whose trouble is back; what came back too often flaps from now on: False then."""
    hour = sa.select(sa.func.count()).where(
        TimelineEntry.tenant_id == tenant_of(session),
        TimelineEntry.incident_id == incident_id,
        TimelineEntry.kind == "reopened",
        TimelineEntry.at > now() - FLAPPING_WITHIN,
    )
    flaps = (await session.scalar(hour) or 0) + 1 >= FLAPS
    await incidents.reopen(
        session,
        incident_id=incident_id,
        actor=actor,
        automatic=True,
        title="It is back, and comes and goes: it ends once a recovery lasts" if flaps else "It is back",
        flapping=flaps,
    )
    return not flaps


async def hold_end(session: AsyncSession, incident_id: UUID) -> None:
    """A recovery of what flaps: it ends later, unless the trouble is back by then."""
    minutes = QUIET_FOR.total_seconds() / 60
    await timeline.add(
        session,
        incident_id=incident_id,
        kind="recovered",
        title=f"Recovered, and flapping: ends once it was quiet for {minutes:.0f} minutes",
    )
    await set_timer(session, kind=SETTLED, key=str(incident_id), at=now() + QUIET_FOR)


async def is_back(session: AsyncSession, incident_id: UUID) -> None:
    """The trouble of what flaps is back before it had ended."""
    await cancel_timer(session, kind=SETTLED, key=str(incident_id))


async def settle(session: AsyncSession, key: str, *, incidents: Incidents) -> None:
    """It was quiet long enough: the incident ends, if nothing of it is in trouble."""
    incident_id = UUID(key)
    if not await recoveries.still_in_trouble(session, {incident_id}):
        await incidents.move(
            session,
            incident_id=incident_id,
            status=IncidentStatus.RESOLVED,
            actor=_ACTOR,
            title="Quiet long enough after its last recovery",
            key="settled",
            recovered=True,
        )
