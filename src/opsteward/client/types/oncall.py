"""What the API takes and answers about oncall, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.client.types.events import Actor


class EscalationView(TypedDict):
    """Where an incident is on its way through a policy. `status`: running, acknowledged, over, or exhausted."""

    id: str
    incident_id: str
    policy: str
    step: int
    steps: int
    round: int
    rounds: int
    status: str
    next_at: str | None
    started_at: str
    ended_at: str | None
    ended_by: Actor | None


class Override(TypedDict):
    """`operator` is on call instead, from one instant to another."""

    id: str
    operator: Actor
    starts_at: str
    ends_at: str
    reason: str
    created_by: Actor


class OverrideIn(TypedDict):
    operator: str
    starts_at: str
    ends_at: str
    reason: NotRequired[str]


class PolicyIn(TypedDict):
    """`begins`: when an incident that matches is `opened`, or only when a person is needed (`escalated`)."""

    matchers: NotRequired[list[str]]
    begins: NotRequired[Literal["opened", "escalated"]]
    steps: list[StepIn]
    repeats: NotRequired[int]
    position: NotRequired[int]


class PolicyView(TypedDict):
    """Who is paged for incidents that match all of `matchers` (none: all), when they are opened, or only when a
    person is needed (`escalated`); from the beginning again `repeats` times."""

    id: str
    name: str
    position: int
    matchers: list[str]
    begins: Literal["opened", "escalated"]
    steps: list[Step]
    repeats: int
    created_by: Actor
    created_at: str


class Rotation(TypedDict):
    """People one after another, each for `every` days or weeks, from `starts_on` at `handover` o'clock of the
    schedule's zone. `days`, `from_time`, `to_time`: only then it counts; a time that ends before it begins goes over
    midnight."""

    name: str
    participants: list[str]
    unit: NotRequired[Literal["day", "week"]]
    every: NotRequired[int]
    starts_on: str
    handover: NotRequired[str]
    days: NotRequired[list[str]]
    from_time: NotRequired[str]
    to_time: NotRequired[str]


class ScheduleView(TypedDict):
    """A schedule with who is on call now and the shifts to come; `gaps`: in the days ahead nobody is."""

    id: str
    name: str
    timezone: str
    rotations: list[Rotation]
    overrides: list[Override]
    now: Actor | None
    until: str | None
    shifts: list[Shift]
    gaps: list[Shift]
    unreachable: NotRequired[list[str]]


class Shift(TypedDict):
    """Who is on call from one instant to another; `operator` null: nobody. `by`: a rotation's name, or override."""

    starts_at: str
    ends_at: str
    operator: Actor | None
    by: str


class Step(TypedDict):
    """Whom to page, and after how many minutes without an acknowledgement the next step comes."""

    schedules: NotRequired[list[str]]
    operators: NotRequired[list[str]]
    routes: NotRequired[list[str]]
    wait_minutes: NotRequired[float]


class StepIn(TypedDict):
    """Whom to page: who is on call in `schedules`, `operators`, `routes`; the next step comes `wait_minutes`
    later."""

    schedules: NotRequired[list[str]]
    operators: NotRequired[list[str]]
    routes: NotRequired[list[str]]
    wait_minutes: NotRequired[float]


class OncallRotationIn(TypedDict):
    """`participants` take turns of `every` days or weeks, from `starts_on`, handing over at `handover`."""

    name: str
    participants: list[str]
    unit: NotRequired[Literal["day", "week"]]
    every: NotRequired[int]
    starts_on: str
    handover: NotRequired[str]
    days: NotRequired[list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]]]
    from_time: NotRequired[str]
    to_time: NotRequired[str]


class OncallScheduleIn(TypedDict):
    """Of several rotations the later ones go before the earlier ones."""

    timezone: NotRequired[str]
    rotations: list[OncallRotationIn]
