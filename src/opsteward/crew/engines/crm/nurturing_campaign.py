"""A calendar of touchpoints for each segment: who hears what, when and by which channel."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Literal

from opsteward.core.errors import Invalid
from opsteward.crew.catalogue.crm import Campaign, LeadSegment, NurturingCampaign, SegmentPlan, Touchpoint
from opsteward.crew.catalogue.declaring import DataUsed

Temperature = Literal["cold", "warm", "hot", "unknown"]
StageName = Literal["introduce", "educate", "prove", "ask"]
_MAX_TOUCHPOINTS = 5000
_EVERY = {"daily": 1.0, "twice_weekly": 3.5, "weekly": 7.0, "biweekly": 14.0, "monthly": 30.0}
#: How much of a campaign each stage gets: who is warm already needs less of the beginning.
_SHARES: dict[Temperature, Sequence[tuple[StageName, float]]] = {
    "cold": (("introduce", 0.35), ("educate", 0.35), ("prove", 0.2), ("ask", 0.1)),
    "warm": (("introduce", 0.1), ("educate", 0.35), ("prove", 0.35), ("ask", 0.2)),
    "hot": (("educate", 0.15), ("prove", 0.45), ("ask", 0.4)),
    "unknown": (("introduce", 0.25), ("educate", 0.35), ("prove", 0.25), ("ask", 0.15)),
}
_CONTENT: dict[StageName, tuple[str, ...]] = {
    "introduce": ("who we are and the problem we solve", "the cost of leaving it as it is", "a short checklist"),
    "educate": (
        "a guide to the first steps",
        "answers to the three most asked questions",
        "an invitation to a webinar",
    ),
    "prove": ("a customer of their kind and what changed", "figures before and after", "a comparison of the choices"),
    "ask": ("an invitation to a call", "a trial with a set end", "a last reminder with an easy no"),
}
_GOALS: dict[StageName, str] = {
    "introduce": "opened",
    "educate": "read or registered",
    "prove": "answered or shared",
    "ask": "meeting, trial or order",
}


def run(parameters: NurturingCampaign) -> Campaign:
    """Raises Invalid when the plan would be longer than anybody reads, or has no day to send on."""
    names = [segment.name for segment in parameters.lead_segments]
    if len(set(names)) < len(names):
        raise Invalid.field("lead_segments", "two segments have one name", "name each segment differently")
    calendar = _Calendar(parameters)
    days = _days(parameters, calendar)
    if len(days) * len(names) > _MAX_TOUCHPOINTS:
        raise Invalid.field(
            "touchpoint_frequency", f"{len(days) * len(names)} touchpoints", "make it rarer, or the campaign shorter"
        )
    plans = [_plan(segment, days, parameters, calendar) for segment in parameters.lead_segments]
    touchpoints = [one for plan in plans for one in plan.touchpoints]
    unsized = [segment.name for segment in parameters.lead_segments if segment.size is None]
    messages = None if unsized else sum(one.audience or 0 for one in touchpoints)
    missing = [f"size of {name}" for name in unsized]
    missing += [f"average_score of {one.name}" for one in parameters.lead_segments if one.average_score is None]
    notes = [*calendar.notes]
    if fewer := [plan.segment for plan in plans if len(plan.touchpoints) < len(days)]:
        notes.append(f"not every day had room: {', '.join(fewer)} get fewer touchpoints than the frequency says")
    return Campaign(
        summary=f"{len(touchpoints)} touchpoints for {len(plans)} segments from {parameters.start_date} to "
        f"{parameters.start_date + timedelta(days=parameters.duration_days - 1)}, towards: "
        f"{parameters.campaign_objective}.",
        data_used=DataUsed(rows=len(plans), fields=["name", "size", "average_score"]),
        missing=missing,
        notes=notes,
        starts=parameters.start_date,
        ends=parameters.start_date + timedelta(days=parameters.duration_days - 1),
        plans=plans,
        total_touchpoints=len(touchpoints),
        total_messages=messages,
    )


class _Calendar:
    """The days on which something may be sent, and how much of each is taken."""

    def __init__(self, parameters: NurturingCampaign) -> None:
        self._first = parameters.start_date
        self._last = self._first + timedelta(days=parameters.duration_days - 1)
        self._holidays = frozenset(parameters.holidays)
        self._weekends = parameters.weekends
        self._capacity = parameters.daily_capacity
        self._taken: Counter[date] = Counter()
        self.notes: list[str] = []

    def open(self, day: date) -> bool:
        within = self._first <= day <= self._last
        return within and day not in self._holidays and (self._weekends or day.weekday() < 5)

    def next_open(self, day: date) -> date | None:
        """This day or the first one after it on which something may be sent."""
        while day <= self._last:
            if self.open(day):
                return day
            day += timedelta(days=1)
        return None

    def place(self, day: date, size: int, before: date | None) -> date | None:
        """The first day from this one with room for so many, after `before`; None when the campaign is over."""
        found = self.next_open(day if before is None else max(day, before + timedelta(days=1)))
        while found is not None and self._capacity is not None and self._taken[found] + size > self._capacity:
            found = self.next_open(found + timedelta(days=1))
        if found is not None:
            self._taken[found] += size
        return found


def _days(parameters: NurturingCampaign, calendar: _Calendar) -> list[date]:
    said = parameters.touchpoint_frequency
    every = _EVERY[said] if isinstance(said, str) else 7 / said
    found: list[date] = []
    at = 0.0
    while at < parameters.duration_days:
        day = calendar.next_open(parameters.start_date + timedelta(days=int(at)))
        if day is not None and (not found or day > found[-1]):
            found.append(day)
        at += every
    if not found:
        raise Invalid.field("duration_days", "no day of the campaign is open", "make it longer, or set weekends")
    return found


def _plan(
    segment: LeadSegment, days: Sequence[date], parameters: NurturingCampaign, calendar: _Calendar
) -> SegmentPlan:
    temperature = _temperature(segment.average_score)
    size = segment.size
    if size is not None and parameters.daily_capacity is not None and size > parameters.daily_capacity:
        calendar.notes.append(
            f"{segment.name} has {size} leads, more than daily_capacity: each touchpoint is for a sample of them"
        )
        size = parameters.daily_capacity
    touchpoints: list[Touchpoint] = []
    before: date | None = None
    used: Counter[StageName] = Counter()
    for place, wanted in enumerate(days):
        day = calendar.place(wanted, size or 0, before)
        if day is None:
            break
        before = day
        stage = _stage(_SHARES[temperature], (place + 0.5) / len(days))
        content = _CONTENT[stage][used[stage] % len(_CONTENT[stage])]
        used[stage] += 1
        touchpoints.append(
            Touchpoint(
                day=day, number=place + 1, channel=parameters.channels[place % len(parameters.channels)], stage=stage,
                content=content, goal=_GOALS[stage], audience=size,
            )
        )  # fmt: skip
    if touchpoints:  # the last word is what the campaign is for
        last = touchpoints[-1]
        if last.stage != "ask":
            ask: StageName = "ask"
            touchpoints[-1] = last.model_copy(update={"stage": ask, "content": _CONTENT[ask][0], "goal": _GOALS[ask]})
    return SegmentPlan(segment=segment.name, temperature=temperature, touchpoints=touchpoints)


def _stage(shares: Sequence[tuple[StageName, float]], at: float) -> StageName:
    whole = 0.0
    for stage, share in shares:
        whole += share
        if at < whole:
            return stage
    return shares[-1][0]


def _temperature(score: float | None) -> Temperature:
    if score is None:
        return "unknown"
    return "hot" if score >= 70 else "warm" if score >= 40 else "cold"
