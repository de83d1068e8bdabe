"""Who is on call when, from rotations and overrides: pure arithmetic on the clocks of a time zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from opsteward.oncall.types import WEEKDAYS, Rotation

OVERRIDE = "override"


@dataclass(frozen=True)
class Turn:
    """`who` (a reference) is on call from one instant to another; None: nobody."""

    starts_at: datetime
    ends_at: datetime
    who: str | None
    by: str


def turns(
    rotations: Sequence[Rotation],
    overrides: Sequence[Turn],
    timezone: str,
    *,
    since: datetime,
    until: datetime,
) -> list[Turn]:
    """Without gaps between them, from `since` to `until`: overrides before rotations, later rotations before earlier
    ones; who is followed by themselves is one turn."""
    zone = ZoneInfo(timezone)
    edges = {since, until}
    for rotation in rotations:
        edges |= _edges(rotation, zone, since, until)
    for one in overrides:
        edges |= {at for at in (one.starts_at, one.ends_at) if since < at < until}
    ordered = sorted(edges)
    found: list[Turn] = []
    for start, end in pairwise(ordered):
        who, by = who_is_on_call(rotations, overrides, timezone, at=start)
        if found and (found[-1].who, found[-1].by) == (who, by):
            found[-1] = Turn(found[-1].starts_at, end, who, by)
        else:
            found.append(Turn(start, end, who, by))
    return found


def who_is_on_call(
    rotations: Sequence[Rotation], overrides: Sequence[Turn], timezone: str, *, at: datetime
) -> tuple[str | None, str]:
    """The reference of who is on call at this instant and by what, or None and nothing."""
    for one in reversed(overrides):
        if one.starts_at <= at < one.ends_at:
            return one.who, OVERRIDE
    zone = ZoneInfo(timezone)
    for rotation in reversed(rotations):
        if (who := _on_turn(rotation, zone, at)) is not None:
            return who, rotation.name
    return None, ""


def _on_turn(rotation: Rotation, zone: ZoneInfo, at: datetime) -> str | None:
    local = at.astimezone(zone)
    if not rotation.participants or at < _handover(rotation, zone, date.fromisoformat(rotation.starts_on)):
        return None
    if not _within_hours(rotation, local):
        return None
    # the day whose hand-over was the last one
    day = local.date() if at >= _handover(rotation, zone, local.date()) else local.date() - timedelta(days=1)
    passed = (day - date.fromisoformat(rotation.starts_on)).days
    length = rotation.every * (7 if rotation.unit == "week" else 1)
    return rotation.participants[passed // length % len(rotation.participants)]


def _handover(rotation: Rotation, zone: ZoneInfo, day: date) -> datetime:
    """The instant of that day's hand-over; where the clock leaves it out, the instant that takes its place."""
    return datetime.combine(day, time.fromisoformat(rotation.handover), zone).astimezone(UTC)


def _within_hours(rotation: Rotation, local: datetime) -> bool:
    start, end = time.fromisoformat(rotation.from_time), time.fromisoformat(rotation.to_time)
    clock = local.time().replace(tzinfo=None)
    day = local.weekday()
    if start == end:
        return WEEKDAYS[day] in rotation.days
    if start < end:
        return WEEKDAYS[day] in rotation.days and start <= clock < end
    yesterday = WEEKDAYS[(day - 1) % 7]
    return (WEEKDAYS[day] in rotation.days and clock >= start) or (yesterday in rotation.days and clock < end)


def _edges(rotation: Rotation, zone: ZoneInfo, since: datetime, until: datetime) -> set[datetime]:
    """The instants at which something may change."""
    clocks = {"00:00", rotation.handover, rotation.from_time, rotation.to_time}
    first, last = since.astimezone(zone).date(), until.astimezone(zone).date()
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    found = {datetime.combine(day, time.fromisoformat(clock), zone).astimezone(UTC) for day in days for clock in clocks}
    return {at for at in found if since < at < until}
