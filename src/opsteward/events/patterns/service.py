"""Finds the patterns of a span of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.past_help import PastHelp, past_help
from opsteward.core.clock import now
from opsteward.core.computing import in_fair_thread
from opsteward.events.event_drafts import rank_of, title_of
from opsteward.events.patterns import recorded
from opsteward.events.patterns.figures import AFTER_DEPLOYMENT, AROUND_GROUP, Beginnings, rhythm_of, trend_of
from opsteward.events.patterns.recommendations import recommend
from opsteward.events.patterns.recorded import STRETCHES, Group, Recorded
from opsteward.events.patterns.types import Coincidence, OpenIncident, Pattern, PatternReport
from opsteward.events.recent_deployments import tells_of_one

_COMPARED_LIMIT = 60  # groups that are compared with each other
_COINCIDENCES_LIMIT = 5  # of one pattern
_STRETCHES_LEAST = 3
_HELP_LIMIT = 500  # incidents


async def find_patterns(
    session: AsyncSession, *, days: float, search: str | None = None, limit: int = 50
) -> PatternReport:
    """Those of the last days; what can be ignored is left out. `search`: a part of the title, type or source."""
    until = now()
    since = until - timedelta(days=days)
    found = await recorded.read(session, since=since, until=until)
    recurring = [group for group in found.groups if group.category != "ignorable" and _recurs(group)]
    recurring.sort(key=lambda group: _weight(group, since), reverse=True)
    incidents = [one.id for group in recurring for one in group.incidents if one.resolved_at][:_HELP_LIMIT]
    helped = await past_help(session, incident_ids=incidents)
    return await in_fair_thread(_report, found, recurring, since, until, helped, (search or "").casefold(), limit)


def _recurs(group: Group) -> bool:
    lasting = sum(count > 0 for count in group.counts) >= _STRETCHES_LEAST
    return len(group.begun) > 1 or len(group.incidents) > 1 or lasting


def _weight(group: Group, since: datetime) -> tuple[int, int, int, str]:
    incidents = sum(one.opened_at >= since for one in group.incidents)
    return incidents, rank_of(group.severity), group.events, group.fingerprint


def _report(
    found: Recorded,
    recurring: Sequence[Group],
    since: datetime,
    until: datetime,
    helped: Mapping[UUID, Sequence[PastHelp]],
    search: str,
    limit: int,
) -> PatternReport:
    deployments = [group for group in found.groups if tells_of_one(group.error_type, group.message)]
    compared = list(recurring[:_COMPARED_LIMIT])
    beginnings = {
        group.fingerprint: Beginnings(
            group.begun, since=found.since, until=until, before=AROUND_GROUP, after=AROUND_GROUP
        )
        for group in compared
    }
    shown = [group for group in recurring if not search or search in _words(group)][:limit]
    items = []
    for group in shown:
        coincides = [
            *_with_deployments(group, deployments, found.since, until, len(compared)),
            *_with_groups(group, compared, beginnings),
        ]
        items.append(_pattern(group, coincides, since, until, helped))
    return PatternReport(
        since=found.since,
        until=until,
        stretch_seconds=(until - since).total_seconds() / STRETCHES,
        events=found.events,
        deployments=sum(len(group.begun) for group in deployments),
        items=items,
    )


def _words(group: Group) -> str:
    return " ".join((group.message, group.error_type or "", group.source)).casefold()


def _with_deployments(
    group: Group, deployments: Sequence[Group], since: datetime, until: datetime, compared: int
) -> list[Coincidence]:
    begun = [at for one in deployments if one is not group for at in one.begun]
    near = Beginnings(begun, since=since, until=until, before=0.0, after=AFTER_DEPLOYMENT)
    found = near.near(group.begun, compared=compared)
    return [_coincidence("deployment", f"{len(begun)} deployments", None, found)] if found else []


def _with_groups(group: Group, others: Sequence[Group], beginnings: Mapping[str, Beginnings]) -> list[Coincidence]:
    found = []
    for other in others:
        near = other is not group and beginnings[other.fingerprint].near(group.begun, compared=len(others) ** 2)
        if near:
            title = title_of(other.error_type, other.message)
            found.append(_coincidence("group", title, other.fingerprint, near))
    found.sort(key=lambda one: (-one.times / one.of, one.expected))
    return found[:_COINCIDENCES_LIMIT]


def _coincidence(what: str, title: str, fingerprint: str | None, near: tuple[int, int, float, float]) -> Coincidence:
    times, of, expected, seconds = near
    return Coincidence(
        what="deployment" if what == "deployment" else "group",
        title=title,
        fingerprint=fingerprint,
        times=times,
        of=of,
        expected=expected,
        median_seconds=seconds,
    )


def _pattern(
    group: Group,
    coincides: list[Coincidence],
    since: datetime,
    until: datetime,
    helped: Mapping[UUID, Sequence[PastHelp]],
) -> Pattern:
    first_seen = min(group.first, group.bound_at or group.first)
    trend = trend_of(group, since=since, until=until, first_seen=first_seen)
    rhythm = rhythm_of(group.begun)
    living = next((one for one in group.incidents if one.resolved_at is None), None)
    return Pattern(
        fingerprint=group.fingerprint,
        title=title_of(group.error_type, group.message),
        error_type=group.error_type,
        source=group.source,
        category=group.category,
        severity=group.severity,
        events=group.events,
        begun=len(group.begun),
        incidents=sum(one.opened_at >= since for one in group.incidents),
        open_incident=OpenIncident(id=living.id, number=living.number) if living else None,
        first_seen=first_seen,
        last_seen=group.last,
        trend=trend[0],
        earlier=trend[1],
        later=trend[2],
        counts=group.counts,
        rhythm=rhythm,
        coincides=coincides,
        recommendations=recommend(group, trend=trend, rhythm=rhythm, coincides=coincides, helped=helped),
    )
