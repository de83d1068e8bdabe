"""A standing order and what it is matched against: plain values, and which order covers which. No reading."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from opsteward.contracts.check import Severity

Kind = Literal["finding", "event"]
Approval = Literal["auto", "required"]

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
END_OF_DAY = 24 * 60


@dataclass(frozen=True, kw_only=True)
class ActionInfo:
    """What the check of an order must know about an action. `risk` is low, medium or high."""

    slug: str
    risk: str = "medium"
    needs_target: bool = True
    params: Collection[str] = ()


@dataclass(frozen=True, kw_only=True)
class Limits:
    """`per_target`: runs on one target in 24 hours. `per_hour`: runs of the order in an hour, on all targets."""

    per_target: int = 3
    per_hour: int = 10


@dataclass(frozen=True, kw_only=True)
class Window:
    """When an order holds. `start` and `end` are minutes after midnight in `timezone`; where `end` is not after
    `start` the window lasts into the next day. `days` are those on which it begins."""

    days: tuple[str, ...] = DAYS
    start: int = 0
    end: int = END_OF_DAY
    timezone: str = "UTC"

    def holds(self, at: datetime) -> bool:
        """Whether an aware instant lies in the window. Raises ValueError for a naive one."""
        if at.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        local = at.astimezone(ZoneInfo(self.timezone))
        minute = local.hour * 60 + local.minute
        today, yesterday = DAYS[local.weekday()] in self.days, DAYS[local.weekday() - 1] in self.days
        if self.start < self.end:
            return today and self.start <= minute < self.end
        return (today and minute >= self.start) or (yesterday and minute < self.end)


@dataclass(frozen=True, kw_only=True)
class StandingOrder:
    """One rule of policy. `match`: field -> what it may be (any of them; `*` and `?` stand for other text); all
    fields must hold. `cooldown`: the shortest time between two runs on the same target. `line`: where it stands."""

    name: str
    kind: Kind
    match: Mapping[str, tuple[str, ...]]
    action: str
    approval: Approval = "required"
    cooldown: timedelta = timedelta(minutes=5)
    limits: Limits = Limits()
    window: Window | None = None
    description: str = ""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, kw_only=True)
class FaultyOrder:
    """An order in force that holds up no longer. It keeps its place: what it may have meant goes to a person, so that
    no later order acts instead of it.

    Only what of it can still be read narrows what it may have meant. `match`: its readable conditions; an unreadable
    one can have meant anything. `window` None: none, or an unreadable one. `action` None: this installation does not
    know it. `problem` says in words what is wrong, and where.
    """

    name: str
    problem: str
    kinds: frozenset[Kind] = frozenset({"finding", "event"})
    match: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    window: Window | None = None
    action: str | None = None
    line: int = field(default=0, compare=False)

    @property
    def reason(self) -> str:
        """Why a person decides."""
        return f"standing order {self.name} is faulty ({self.problem}), so a person decides"


#: An order at its place in the file.
Rule = StandingOrder | FaultyOrder


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What an order is looked up for: a finding of a diagnosis or an event. `fields` are named as in `match`;
    one that is missing is empty. `proposed_actions` are the fixes that a finding carries."""

    kind: Kind
    fields: Mapping[str, str] = field(default_factory=dict)
    proposed_actions: Collection[str] = ()


def covers(first: StandingOrder, second: StandingOrder) -> bool:
    """Whether the first order holds whenever the second does, so that the second never decides.

    For findings only where both name the same action: another one may be what a finding proposes.
    """
    if first.kind != second.kind or first.window is not None:
        return False
    if first.kind == "finding" and first.action != second.action:
        return False
    return all(
        _matches_all(name, choices)
        or (
            name in second.match
            and all(any(_includes(wide, narrow) for wide in choices) for narrow in second.match[name])
        )
        for name, choices in first.match.items()
    )


def _matches_all(name: str, choices: Sequence[str]) -> bool:
    return "*" in choices or (name == "severity" and set(choices) == set(Severity))


def _includes(wide: str, narrow: str) -> bool:
    """Whether all that `narrow` stands for is also meant by `wide`. In doubt (sets in brackets) no.

    The narrow one is read as a text whose own signs only the wide one's signs can stand for; `states` holds the
    places of the wide one that can have been reached, as bits.
    """
    wide, narrow = _folded(wide), narrow.lower()
    if wide == narrow or "[" in wide or "[" in narrow or not ("*" in wide or "?" in wide):
        return wide == narrow
    if not all(piece in narrow for piece in literals(wide)):
        return False  # which spares nearly all of them the walk
    places = _places(wide)
    any_text, any_char = places.get("*", 0), places.get("?", 0)
    states = 1 | (1 & any_text) << 1
    for char in narrow:
        steps = 0 if char == "*" else places.get(char, 0) | any_char
        states = (states & any_text) | (states & steps) << 1
        states |= (states & any_text) << 1
    return bool(states >> len(wide) & 1)


@lru_cache(maxsize=4_096)
def _folded(glob: str) -> str:
    return re.sub(r"\*+", "*", glob.lower())


@lru_cache(maxsize=4_096)
def literals(glob: str) -> tuple[str, ...]:
    """The texts, in small letters, that whatever a glob without sets stands for must hold."""
    return tuple(piece for piece in re.split(r"[*?]+", glob.lower()) if piece)


@lru_cache(maxsize=4_096)
def _places(glob: str) -> dict[str, int]:
    """Where each character stands in it, as bits."""
    return {char: sum(1 << at for at, each in enumerate(glob) if each == char) for char in set(glob)}
