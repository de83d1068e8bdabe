"""Analytics: what is asked for, what comes back, and the task types."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from opsteward.crew.catalogue.declaring import (
    MAX_ROWS,
    Amount,
    Cell,
    Day,
    EngineResult,
    Moment,
    Name,
    Number,
    Parameters,
    Row,
    task_type,
)
from opsteward.crew.types import Complexity

Step = Literal["day", "week", "month", "quarter", "year"]


class Observation(Row):
    """A value on a day."""

    date: Day
    value: Number


class TrendChanges(Parameters):
    """A series: rows with days, or bare `values` one step apart."""

    series: Annotated[list[Observation], Field(max_length=MAX_ROWS)] = []
    values: Annotated[list[Number], Field(max_length=5000)] = []
    step: Step | None = None
    season_length: Annotated[int, Field(ge=1, le=400)] | None = None
    #: whether a step without a row had none (counts) or is not known (readings)
    gaps: Literal["zero", "between"] = "between"

    @model_validator(mode="after")
    def _one_series(self) -> TrendChanges:
        if bool(self.series) == bool(self.values):
            raise ValueError("send either series (rows with date and value) or values")
        return self


class ChangePoint(BaseModel):
    """From this place on the series is another one."""

    place: int
    date: date | None
    kind: Literal["level", "slope"]
    before: float
    after: float
    change: float
    #: null: there was nothing before to compare with
    change_percent: float | None
    #: in deviations of the noise
    strength: float


class TrendOutlier(BaseModel):
    """A single value far from its neighbours."""

    place: int
    date: date | None
    value: float


class TrendReport(EngineResult):
    """The trend of the whole and of its last piece, the changes, the outliers."""

    direction: Literal["rising", "falling", "steady"]
    slope: float
    slope_low: float
    slope_high: float
    p_value: float
    #: since the last change
    recent_direction: Literal["rising", "falling", "steady"]
    recent_slope: float
    season_length: int
    noise: float
    changes: list[ChangePoint]
    outliers: list[TrendOutlier]


class Activity(Row):
    """Somebody did something."""

    user_id: Annotated[str, Field(max_length=200)] | int
    date: Day


class CohortRetention(Parameters):
    """What users did when; a user's cohort is the step of the first time, or of `signups`."""

    events: Annotated[list[Activity], Field(min_length=1, max_length=MAX_ROWS)]
    signups: Annotated[list[Activity], Field(max_length=MAX_ROWS)] = []
    step: Literal["day", "week", "month"] = "week"
    periods: Annotated[int, Field(ge=1, le=60)] = 12
    #: the last day that is complete; without it the day of the last event
    as_of: Day | None = None


class RetentionCell(BaseModel):
    """So many of a cohort came back in this period, with the 95 % interval of the share."""

    period: int
    active: int
    share: float
    low: float
    high: float


class Cohort(BaseModel):
    """Users who began in one step. Periods that are not over are left out."""

    start: date
    size: int
    retention: list[RetentionCell]


class RetentionReport(EngineResult):
    """The cohorts from the oldest on, and all of them together."""

    cohorts: list[Cohort]
    #: over all cohorts that are old enough
    average: list[RetentionCell]
    #: whether the newer half of the cohorts comes back more or less in period 1, and how surely
    change: str
    change_p_value: float | None


class FunnelEvent(Row):
    """Somebody reached a step."""

    user_id: Annotated[str, Field(max_length=200)] | int
    step: Name
    at: Moment | None = None


class FunnelCount(Parameters):
    """How many reached a step."""

    step: Name
    count: Annotated[int, Field(ge=0, le=10**12)]


class Funnel(Parameters):
    """Steps in order, with events of users or with counts. Steps count in order only, within the window."""

    steps: Annotated[list[Name], Field(max_length=50)] = []
    events: Annotated[list[FunnelEvent], Field(max_length=MAX_ROWS)] = []
    counts: Annotated[list[FunnelCount], Field(max_length=50)] = []
    #: hours from the first step within which the rest has to follow
    window_hours: Annotated[float, Field(gt=0, le=100_000)] | None = None
    #: a field of the events by which the funnel is told apart too
    segment_by: Name | None = None

    @model_validator(mode="after")
    def _one_source(self) -> Funnel:
        if bool(self.events) == bool(self.counts):
            raise ValueError("send either events or counts")
        if self.events and len(self.steps) < 2:
            raise ValueError("steps: name at least two, in order")
        if self.counts and len(self.counts) < 2:
            raise ValueError("counts: at least two steps")
        if len(set(self.steps)) < len(self.steps):
            raise ValueError("steps: one is named twice")
        return self


class FunnelStep(BaseModel):
    """How many got here, of all and of those at the step before (95 % interval), and how long it took them."""

    step: str
    count: int
    from_start: float
    from_before: float
    low: float
    high: float
    lost: int
    median_hours: float | None


class FunnelPart(BaseModel):
    """The funnel of one segment."""

    segment: str
    steps: list[FunnelStep]
    overall: float


class FunnelReport(EngineResult):
    """The funnel, where most get lost, and the segments that differ."""

    steps: list[FunnelStep]
    overall: float
    biggest_loss: str
    lowest_rate: str
    segments: list[FunnelPart]
    #: segments whose overall rate surely differs from that of the others
    differing: list[str]


class PeriodRow(Row):
    """A value with its dimensions (all other fields), in one period or on a day. `per` is what it is divided by."""

    period: Annotated[str, Field(max_length=60)] | None = None
    date: Day | None = None
    value: Number
    per: Amount | None = None


class Span(Parameters):
    """From the first day to the last one."""

    first: Day
    last: Day


class PeriodComparison(Parameters):
    """Rows of two periods: named by `before` and `after`, or by spans of days."""

    rows: Annotated[list[PeriodRow], Field(min_length=1, max_length=MAX_ROWS)]
    before: Annotated[str, Field(max_length=60)] | Span
    after: Annotated[str, Field(max_length=60)] | Span
    dimensions: Annotated[list[Name], Field(max_length=12)] = []
    max_causes: Annotated[int, Field(ge=1, le=10)] = 3


class Cause(BaseModel):
    """A slice that moved otherwise than the rest. `excess` is its change beyond moving like the rest."""

    where: dict[str, Cell]
    before: float
    after: float
    change: float
    change_percent: float | None
    excess: float
    #: of the whole change; above 1 where others moved against it
    share_of_change: float | None


class DimensionValue(BaseModel):
    """What one value of a dimension adds to the change; of a ratio, by its own rate and by its weight (mix)."""

    value: Cell
    before: float
    after: float
    contribution: float
    by_rate: float | None = None
    by_mix: float | None = None


class PeriodReport(EngineResult):
    """The change of the whole, its causes (the strongest first), and each dimension's part."""

    before: float
    after: float
    change: float
    change_percent: float | None
    causes: list[Cause]
    #: how all that is in no cause moved
    rest_change_percent: float | None
    dimensions: dict[str, list[DimensionValue]]


TASK_TYPES = (
    task_type(
        "analytics.trend_changes",
        "Tell a series' trend, the days on which its level or slope changed, and single outliers.",
        TrendChanges,
    ),
    task_type(
        "analytics.cohort_retention",
        "Show how many users of each cohort come back, period by period, with intervals.",
        CohortRetention,
    ),
    task_type(
        "analytics.funnel",
        "Show how many go from step to step, where most get lost, and which segments differ.",
        Funnel,
    ),
    task_type(
        "analytics.period_comparison",
        "Say what changed between two periods and why: the slices of the dimensions that moved unlike the rest.",
        PeriodComparison,
        complexity=Complexity.COMPLEX,
    ),
)
