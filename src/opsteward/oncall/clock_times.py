"""The next time that a clock shows something."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from opsteward.core.clock import now


def next_clock(at: str, timezone: str, *, after: datetime | None = None) -> datetime:
    """The next instant at which the clock of the zone shows `at` (`08:00`)."""
    zone = ZoneInfo(timezone)
    since = after or now()
    day = since.astimezone(zone).date()
    for ahead in range(3):
        found = datetime.combine(day + timedelta(days=ahead), time.fromisoformat(at), zone).astimezone(UTC)
        if found > since:
            return found
    raise AssertionError("a clock shows each time within two days")
