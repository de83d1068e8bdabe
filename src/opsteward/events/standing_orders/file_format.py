"""The format of a file of standing orders as models. Values come in as texts, lists and mappings; which actions and
findings there are is the context of the validation (`Known`). What is said of a mistake is the `parser`'s.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from opsteward.contracts.check import Severity
from opsteward.core.error_words import refusal
from opsteward.events.classification import Category
from opsteward.events.decision_table import EventAction
from opsteward.events.standing_orders.types import (
    DAYS,
    END_OF_DAY,
    ActionInfo,
    Approval,
    Kind,
    Limits,
    StandingOrder,
    Window,
)

MAX_COUNT = 10_000
_MAX_CHOICES = 50  # values in a list
_MAX_DURATION = timedelta(days=30)
_MAX_WILDCARDS = 8  # *, ? and [ in one value: each makes matching it take longer
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


@dataclass(frozen=True)
class Known:
    """What this installation has: actions by slug, and types of findings."""

    actions: Mapping[str, ActionInfo]
    findings: Collection[str]


def suggestion(word: str, known: Iterable[str]) -> str:
    """The nearest known word, or the known words where there are few."""
    return _suggestion(word[:60], tuple(sorted(str(each) for each in known)))


@lru_cache(maxsize=1_024)
def _suggestion(word: str, words: tuple[str, ...]) -> str:
    if near := get_close_matches(word, words, n=1, cutoff=0.6):
        return f"did you mean {near[0]!r}?"
    return f"use one of: {', '.join(words[:20])}{', ...' if len(words) > 20 else ''}"


def _duration(text: object) -> timedelta:
    if not isinstance(text, str) or not re.fullmatch(r"(?:[0-9]{1,7}[smhd])+", text):
        raise refusal(f"{_quoted(text)} is no length of time", "write 30s, 5m, 2h, 1d or 1h30m")
    parts = re.findall(r"([0-9]+)([smhd])", text)
    length = timedelta(seconds=sum(int(count) * _UNITS[unit] for count, unit in parts))
    if length > _MAX_DURATION:
        raise refusal(f"{_quoted(text)} is longer than {_MAX_DURATION.days} days", "use a shorter one")
    return length


def _minutes(text: object) -> int:
    found = re.fullmatch(r"([01]?[0-9]|2[0-4]):([0-5][0-9])", text) if isinstance(text, str) else None
    minutes = int(found[1]) * 60 + int(found[2]) if found else END_OF_DAY + 1
    if minutes > END_OF_DAY:
        raise refusal(f"{_quoted(text)} is no time of day", 'write "08:00" (00:00 to 24:00)')
    return minutes


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):  # unknown; not a zone's name; a folder of zones
        raise refusal(f"there is no time zone {_quoted(text)}", suggestion(text, _zones())) from None
    return text


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())  # walks through folders


def _days(value: object) -> tuple[str, ...]:
    chosen: set[str] = set()
    for choice in _listed(value):
        first, _, last = str(choice).lower().replace("daily", "mon-sun").partition("-")
        last = last or first
        if first not in DAYS or last not in DAYS:
            raise refusal(f"{_quoted(choice)} is no day", "use mon ... sun, a range as mon-fri, or daily")
        begin, end = DAYS.index(first), DAYS.index(last)
        chosen.update(DAYS[begin : end + 1] if begin <= end else DAYS[begin:] + DAYS[: end + 1])
    return tuple(day for day in DAYS if day in chosen)


def _quoted(value: object) -> str:
    return repr(value)[:60]


def _listed(value: object) -> list[object]:
    listed = value if isinstance(value, list) else [value]
    if not 1 <= len(listed) <= _MAX_CHOICES:
        raise refusal(f"must have 1 to {_MAX_CHOICES} values", "leave it out to match all")
    return listed


def _quickly_matched(text: str) -> str:
    if sum(text.count(sign) for sign in "*?[") > _MAX_WILDCARDS:
        raise refusal(f"{_quoted(text)} has more than {_MAX_WILDCARDS} of * ? [", "use * for a run of any characters")
    return text


def _known_finding(text: str, info: ValidationInfo[Known]) -> str:
    if text not in info.context.findings and not any(sign in text for sign in "*?["):
        raise refusal(f"{_quoted(text)} is not known", suggestion(text, info.context.findings))
    return text


Text = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=1, le=MAX_COUNT)]
Minutes = Annotated[int, BeforeValidator(_minutes)]
Glob = Annotated[Text, AfterValidator(_quickly_matched)]
Globs = Annotated[tuple[Glob, ...], BeforeValidator(_listed)]


class Part(BaseModel):
    """A mapping in the file. Fields that it does not have are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_enum_values=True)

    @classmethod
    def names(cls) -> list[str]:
        """The fields as they are written in the file."""
        return [field.alias or name for name, field in cls.model_fields.items()]


class MatchPart(Part):
    """What both kinds of orders can match; None stands for anything."""

    system: Globs | None = None
    system_type: Globs | None = None
    severity: Annotated[tuple[Severity, ...], BeforeValidator(_listed)] | None = None


class FindingMatch(MatchPart):
    """What an order for findings can match."""

    finding: Annotated[tuple[Annotated[Glob, AfterValidator(_known_finding)], ...], BeforeValidator(_listed)]
    component: Globs | None = None


class EventMatch(MatchPart):
    """What an order for events can match; one of its own fields makes it such an order."""

    category: Annotated[tuple[Category, ...], BeforeValidator(_listed)] | None = None
    source: Globs | None = None
    error_type: Globs | None = None
    message: Globs | None = None


class LimitsPart(Part):
    """How often an order runs at most."""

    per_target: Count = Limits.per_target
    per_hour: Count = Limits.per_hour


class WindowPart(Part):
    """When an order holds."""

    days: Annotated[tuple[str, ...], BeforeValidator(_days)] = DAYS
    start: Minutes = Field(Window.start, alias="from")
    end: Minutes = Field(Window.end, alias="to")
    timezone: Annotated[Text, AfterValidator(_zone)] = Window.timezone

    @field_validator("start")
    @classmethod
    def _begins_within_a_day(cls, start: int) -> int:
        if start == END_OF_DAY:
            raise refusal("24:00 is the end of a day", 'begin at "00:00"')
        return start

    @field_validator("end")
    @classmethod
    def _has_a_length(cls, end: int, info: ValidationInfo[Known]) -> int:
        if end == info.data.get("start"):
            raise refusal("the window has no length", "leave from and to out for all day")
        return end


class OrderPart(Part):
    """An order of which it is not known yet what it answers."""

    name: Annotated[Text, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
    description: Annotated[str, Field(min_length=1, max_length=2_000)] = ""
    match: MatchPart
    action: Text
    approval: Approval = StandingOrder.approval
    cooldown: Annotated[timedelta, BeforeValidator(_duration)] = StandingOrder.cooldown
    limits: LimitsPart | None = Field(None, validate_default=True)
    window: WindowPart | None = None

    @field_validator("limits")
    @classmethod
    def _high_risk_has_limits(cls, limits: LimitsPart | None, info: ValidationInfo[Known]) -> LimitsPart | None:
        action = info.context.actions.get(info.data.get("action", ""))
        if limits is None and action is not None and action.risk == "high" and info.data.get("approval") == "auto":
            problem = f"{action.slug!r} is of high risk and would run by itself without limits of its own"
            raise refusal(problem, "add limits: {per_target: ..., per_hour: ...}")
        return limits

    def order(self, kind: Kind) -> StandingOrder:
        """The value that is matched and kept."""
        return StandingOrder(
            name=self.name,
            kind=kind,
            match=self.match.model_dump(exclude_none=True),
            action=self.action,
            approval=self.approval,
            cooldown=self.cooldown,
            limits=Limits(**dict(self.limits or LimitsPart())),
            window=Window(**dict(self.window)) if self.window else None,
            description=self.description,
        )


class FindingOrder(OrderPart):
    """An order that answers findings with one of the actions that they propose."""

    match: FindingMatch

    @field_validator("action")
    @classmethod
    def _acts_on_a_target(cls, action: str, info: ValidationInfo[Known]) -> str:
        if action in list(EventAction):
            remedy = "name an action on the target, or match an event instead (category: ...)"
            raise refusal(f"{action!r} answers events, not findings", remedy)
        if action not in info.context.actions:
            raise refusal(f"there is no action {action!r}", suggestion(action, info.context.actions))
        return action


class EventOrder(OrderPart):
    """An order that answers events, with an action that needs no target."""

    match: EventMatch

    @field_validator("action")
    @classmethod
    def _needs_no_target(cls, action: str, info: ValidationInfo[Known]) -> str:
        fitting = [*EventAction, *(slug for slug, each in info.context.actions.items() if not each.needs_target)]
        if action in fitting:
            return action
        if action in info.context.actions:
            remedy = "match a finding instead (finding: ...), which names its target"
            raise refusal(f"{action!r} needs a target, and an event has none", remedy)
        raise refusal(f"there is no action {action!r}", suggestion(action, fitting))
