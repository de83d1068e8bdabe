"""What a report of patterns says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

Trend = Literal["new", "growing", "steady", "falling", "quiet"]
Advice = Literal[
    "mend_the_other_first",
    "mend_it_first",
    "look_at_deployments",
    "look_at_schedules",
    "mend_the_cause",
    "write_an_order",
    "act_before_it_grows",
    "filter_at_the_source",
    "nothing_to_do",
    "troubleshoot_while_it_lasts",
]


@dataclass(frozen=True, kw_only=True)
class Coincidence:
    """What the pattern's beginnings coincide with: a deployment, or the beginnings of another group.

    `times` of the `of` beginnings did; `expected` would have by chance. `median_seconds`: how long after it they were,
    negative for before it.
    """

    what: Literal["deployment", "group"]
    title: str
    fingerprint: str | None
    times: int
    of: int
    expected: float
    median_seconds: float


@dataclass(frozen=True, kw_only=True)
class Rhythm:
    """It begins at a time of the day (`at` is 03:10) or of the hour (`at` is :05), in UTC: `times` of `of`."""

    every: Literal["day", "hour"]
    at: str
    times: int
    of: int


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What to do and why, in words, and the figures that it rests on."""

    advice: Advice
    text: str
    figures: dict[str, int | float | str]


@dataclass(frozen=True, kw_only=True)
class OpenIncident:
    """The incident that takes the pattern's events now."""

    id: UUID
    number: int


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """A group that recurs. `title`, `source` and `severity` are of its last event.

    `begun`: how often it began after a pause; `incidents`: of the span. `first_seen` may lie before the span.
    `counts`: events of each stretch of the span, oldest first; `earlier` and `later`: of its halves, on which the
    trend rests. The first recommendation weighs most.
    """

    fingerprint: str
    title: str
    error_type: str | None
    source: str
    category: str
    severity: str
    events: int
    begun: int
    incidents: int
    open_incident: OpenIncident | None
    first_seen: datetime
    last_seen: datetime
    trend: Trend
    earlier: int
    later: int
    counts: list[int]
    rhythm: Rhythm | None
    coincides: list[Coincidence]
    recommendations: list[Recommendation]


@dataclass(frozen=True, kw_only=True)
class PatternReport:
    """The patterns of a span. `since` is later than was asked for where there are more events than are looked at;
    `deployments`: how many were told of."""

    since: datetime
    until: datetime
    stretch_seconds: float
    events: int
    deployments: int
    items: list[Pattern]
