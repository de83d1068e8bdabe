"""Operations: what is asked for, what comes back, and the task types."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from opsteward.core.clock import now
from opsteward.crew.catalogue.declaring import (
    Amount,
    Day,
    EngineResult,
    Moment,
    Name,
    Number,
    Parameters,
    Row,
    task_type,
    today,
)
from opsteward.crew.types import Complexity

Line = Annotated[str, Field(max_length=5000)]
Id = Annotated[str, Field(max_length=200)] | int
Severity = Literal["critical", "high", "medium", "low", "info"]


class TimelineEntry(Row):
    """One thing that happened, as an incident's timeline has it."""

    id: Id
    at: Moment
    kind: Annotated[str, Field(max_length=100)] = ""
    text: Line
    actor: Annotated[str, Field(max_length=200)] | None = None


class IncidentFacts(Row):
    """What is known of the incident itself."""

    number: Id | None = None
    title: Annotated[str, Field(max_length=500)]
    severity: Severity | None = None
    status: Annotated[str, Field(max_length=60)] = ""
    system: Annotated[str, Field(max_length=300)] | None = None
    opened_at: Moment | None = None
    resolved_at: Moment | None = None


class IncidentSummary(Parameters):
    """An incident and its timeline. Every sentence of the summary names the entries that it rests on."""

    incident: IncidentFacts
    timeline: Annotated[list[TimelineEntry], Field(max_length=20_000)]
    max_sentences: Annotated[int, Field(ge=3, le=40)] = 12


class CitedSentence(BaseModel):
    """A sentence and the ids of the entries it rests on."""

    about: Literal["start", "detection", "answer", "cause", "action", "failure", "escalation", "message", "end", "open"]
    text: str
    cites: list[str]


class IncidentDigest(EngineResult):
    """The summary sentence by sentence, and how long what took."""

    sentences: list[CitedSentence]
    seconds_to_detect: float | None
    seconds_to_answer: float | None
    seconds_to_resolve: float | None
    #: the longest time in which nothing was written
    longest_silence_seconds: float | None
    longest_silence_after: str | None
    open_questions: list[str]


class OpenIncident(IncidentFacts):
    """An incident for the hand-over."""

    owner: Annotated[str, Field(max_length=200)] | None = None
    next_step: Annotated[str, Field(max_length=2000)] | None = None
    last_change_at: Moment | None = None


class ShiftAlert(Row):
    """An alert of the shift."""

    title: Annotated[str, Field(max_length=500)]
    at: Moment
    severity: Severity | None = None
    system: Annotated[str, Field(max_length=300)] | None = None
    resolved_at: Moment | None = None
    acted_on: bool | None = None


class PlannedWork(Row):
    """A maintenance or change that is to come."""

    title: Annotated[str, Field(max_length=500)]
    starts_at: Moment
    ends_at: Moment | None = None
    system: Annotated[str, Field(max_length=300)] | None = None


class WaitingApproval(Row):
    """Something that waits for somebody's yes."""

    id: Id | None = None
    what: Annotated[str, Field(max_length=500)]
    since: Moment
    expires_at: Moment | None = None


class OncallHandover(Parameters):
    """What happened in a shift, for who takes over at `shift_end`."""

    shift_start: Moment
    shift_end: Moment = Field(default_factory=now)
    next_shift_hours: Annotated[float, Field(gt=0, le=336)] = 12
    incidents: Annotated[list[OpenIncident], Field(max_length=2000)] = []
    alerts: Annotated[list[ShiftAlert], Field(max_length=50_000)] = []
    planned: Annotated[list[PlannedWork], Field(max_length=2000)] = []
    approvals: Annotated[list[WaitingApproval], Field(max_length=2000)] = []
    remarks: Annotated[list[Line], Field(max_length=200)] = []


class HandoverItem(BaseModel):
    """One thing to know, and what to do about it."""

    what: str
    why: str
    do: str


class NoisyAlert(BaseModel):
    """An alert that came again and again."""

    title: str
    system: str
    times: int
    resolved_by_itself: int
    acted_on: int
    advice: str


class Handover(EngineResult):
    """What needs hands now, what to watch, what is to come, what was noise, and the shift in figures."""

    now: list[HandoverItem]
    watch: list[HandoverItem]
    coming: list[HandoverItem]
    noise: list[NoisyAlert]
    figures: dict[str, float]
    text: str


class Usage(Row):
    """How much was used on a day."""

    date: Day
    value: Number


class CapacityResource(Row):
    """A thing that can fill up, and how full it was: dated, or one value a day up to `as_of`."""

    name: Name
    limit: Annotated[float, Field(gt=0, le=1e15)]
    unit: Annotated[str, Field(max_length=40)] = ""
    usage: Annotated[list[Usage], Field(max_length=20_000)] = []
    daily: Annotated[list[Number], Field(max_length=5000)] = []
    #: the price of one unit more a month
    unit_cost: Amount | None = None

    @model_validator(mode="after")
    def _some_usage(self) -> CapacityResource:
        if bool(self.usage) == bool(self.daily):
            raise ValueError("send either usage (rows with date and value) or daily (a list)")
        return self


class Capacity(Parameters):
    """Resources; `headroom` is the share that should stay free at the end of the horizon."""

    resources: Annotated[list[CapacityResource], Field(min_length=1, max_length=500)]
    horizon_days: Annotated[int, Field(ge=1, le=1100)] = 90
    warn_at: Annotated[float, Field(gt=0, le=1)] = 0.8
    headroom: Annotated[float, Field(ge=0, lt=1)] = 0.2
    as_of: Day = Field(default_factory=today)


class ResourceOutlook(BaseModel):
    """One resource: when it warns and when it is full (the middle, and the 90 % interval), null beyond five years."""

    name: str
    used: float
    share: float
    growth_a_day: float
    warns_on: date | None
    full_on: date | None
    full_earliest: date | None
    full_latest: date | None
    #: that it is full within the horizon
    risk: float
    #: what is enough for the end of the horizon, with headroom, in 95 of 100 cases
    wanted_limit: float
    add: float
    cost_a_month: float | None
    level: Literal["ok", "soon", "now", "full"]
    note: str


class CapacityOutlook(EngineResult):
    """The most urgent first."""

    resources: list[ResourceOutlook]


TASK_TYPES = (
    task_type(
        "operations.incident_summary",
        "Sum an incident up in sentences that name the timeline entries they rest on, with times to detect and repair.",
        IncidentSummary,
    ),
    task_type(
        "operations.oncall_handover",
        "Write what the next person on call has to know: what needs hands, what to watch, what is noise.",
        OncallHandover,
    ),
    task_type(
        "operations.capacity",
        "Say when resources fill up, how sure that is, and how much more is wanted for the horizon.",
        Capacity,
        complexity=Complexity.SIMPLE,
    ),
)
