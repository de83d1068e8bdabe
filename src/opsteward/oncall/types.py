"""What other rooms see of on-call, escalations and notices."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from opsteward.accounts.types import Actor

Begins = Literal["opened", "escalated"]
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """People one after another, each for `every` days or weeks, from `starts_on` at `handover` o'clock of the
    schedule's zone. `days`, `from_time`, `to_time`: only then it counts; a time that ends before it begins goes over
    midnight."""

    name: str
    participants: tuple[str, ...]
    unit: Literal["day", "week"] = "week"
    every: int = 1
    starts_on: str
    handover: str = "09:00"
    days: tuple[str, ...] = WEEKDAYS
    from_time: str = "00:00"
    to_time: str = "00:00"


@dataclass(frozen=True, kw_only=True)
class Override:
    """`operator` is on call instead, from one instant to another."""

    id: UUID
    operator: Actor
    starts_at: datetime
    ends_at: datetime
    reason: str
    created_by: Actor


@dataclass(frozen=True, kw_only=True)
class Shift:
    """Who is on call from one instant to another; `operator` null: nobody. `by`: a rotation's name, or override."""

    starts_at: datetime
    ends_at: datetime
    operator: Actor | None
    by: str


@dataclass(frozen=True, kw_only=True)
class ScheduleView:
    """A schedule with who is on call now and the shifts to come; `gaps`: in the days ahead nobody is."""

    id: UUID
    name: str
    timezone: str
    rotations: list[Rotation]
    overrides: list[Override]
    now: Actor | None
    until: datetime | None
    shifts: list[Shift]
    gaps: list[Shift]
    #: Nobody could reach who is on call: they have no route of their own.
    unreachable: list[str] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Step:
    """Whom to page, and after how many minutes without an acknowledgement the next step comes."""

    schedules: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    wait_minutes: float = 10.0


@dataclass(frozen=True, kw_only=True)
class PolicyView:
    """Who is paged for incidents that match all of `matchers` (none: all), when they are opened, or only when a person
    is needed (`escalated`); from the beginning again `repeats` times."""

    id: UUID
    name: str
    position: int
    matchers: list[str]
    begins: Begins
    steps: list[Step]
    repeats: int
    created_by: Actor
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class EscalationView:
    """Where an incident is on its way through a policy. `status`: running, acknowledged, over, or exhausted."""

    id: UUID
    incident_id: UUID
    policy: str
    step: int
    steps: int
    round: int
    rounds: int
    status: str
    next_at: datetime | None
    started_at: datetime
    ended_at: datetime | None
    ended_by: Actor | None


@dataclass(frozen=True, kw_only=True)
class RouteView:
    """A way to reach people. `services` are the kinds of its URLs, which are never shown."""

    id: UUID
    name: str
    services: list[str]
    operator: Actor | None
    position: int
    matchers: list[str]
    begins: Begins
    approvals: bool
    hours: str | None
    next_route: str | None
    group_seconds: int
    repeat_seconds: int | None
    report_at: str | None
    timezone: str
    title: str | None
    body: str | None
    last_status: str | None = None
    last_error: str | None = None
    last_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class NoticeView:
    """A message by one route. `status`: collecting, queued, sending, sent, failed, or interrupted: begun before a
    restart, so nobody knows whether it arrived, and it is not sent again."""

    id: UUID
    kind: str
    route: str
    told: str
    incident_ids: list[UUID]
    title: str
    status: str
    created_at: datetime
    ended_at: datetime | None
    channels: list[str]
    error: str | None
