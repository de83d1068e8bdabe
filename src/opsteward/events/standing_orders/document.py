"""Standing orders: the operator's policy, one rule a case, in a YAML file that people write and read.

    version: 1
    orders:
      - name: unblock-checkout          # a unique slug
        description: Shoppers wait behind a forgotten transaction.       # optional
        match:                          # all of these must hold
          finding: lock_chain           # what a diagnosis found
          system: shop-*                # one or a list; * and ? stand for other text; upper and lower case are one
          severity: [medium, high]
        action: postgresql.terminate_session
        approval: auto                  # auto | required (the default: a second person says yes first)
        cooldown: 5m                    # 30s, 5m, 2h, 1d, 1h30m: not again on the same target within
        limits: {per_target: 3, per_hour: 10}   # runs on one target in 24 hours; runs in an hour on all
        window: {days: [mon-fri], from: "08:00", to: "18:00", timezone: Europe/Berlin}   # optional

      - name: security-after-hours
        match: {category: security_issue, source: "vpn-*"}               # an event instead of a finding
        action: notify_admin
        approval: auto

An order answers findings (`match.finding`) or events (`match.category`, `source`, `error_type`, `message`); both
may say `system`, `system_type` and `severity`, findings also `component`. A finding is answered by one of the
actions that it proposes; an event by one of the six event actions, or by an action that needs no target. The
first order that holds decides; without one, nothing is done to any target.

Here an order is found for a subject, and orders are written as text. Limits and cooldowns are counted where
actions run. Reading and checking the text is `parser`; the values are in `types`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fnmatch import translate
from functools import lru_cache
from pathlib import Path
from typing import overload

from opsteward.core.json_types import JsonObject
from opsteward.events.standing_orders.parser import FINDING_TYPES, StandingOrderErrors, parse
from opsteward.events.standing_orders.types import (
    DAYS,
    ActionInfo,
    FaultyOrder,
    Limits,
    Rule,
    StandingOrder,
    Subject,
    Window,
    literals,
)

__all__ = [
    "FINDING_TYPES",
    "ActionInfo",
    "FaultyOrder",
    "Limits",
    "Rule",
    "StandingOrder",
    "StandingOrderErrors",
    "Subject",
    "Window",
    "as_document",
    "dump",
    "first_match",
    "fits",
    "holds",
    "matches",
    "parse",
    "shipped",
]

TEXT_LIMIT = 8_192  # characters of a field that are compared
_NAME_LENGTH = 200  # of a field whose comparisons are remembered


@overload
def first_match(orders: Iterable[StandingOrder], subject: Subject, at: datetime) -> StandingOrder | None: ...
@overload
def first_match(orders: Iterable[Rule], subject: Subject, at: datetime) -> Rule | None: ...
def first_match(orders: Iterable[Rule], subject: Subject, at: datetime) -> Rule | None:
    """The first order that holds for the subject at that (aware) instant, or that is faulty and may have; or None.
    Pure."""
    return next((order for order in orders if holds(order, subject, at)), None)


def holds(order: Rule, subject: Subject, at: datetime) -> bool:
    """Whether an order holds for the subject at that (aware) instant, or is faulty and may have. Pure."""
    kinds = order.kinds if isinstance(order, FaultyOrder) else {order.kind}
    if subject.kind not in kinds:
        return False
    if subject.kind == "finding" and order.action is not None and order.action not in subject.proposed_actions:
        return False
    if order.window is not None and not order.window.holds(at):
        return False
    return all(fits(name, choices, subject.fields.get(name) or "") for name, choices in order.match.items())


def fits(name: str, choices: Iterable[str], text: str) -> bool:
    """Whether one of the values that `match` has for a field stands for its text."""
    text = text[:TEXT_LIMIT]
    # of all fields but the message few values come, and often
    like = matches if name == "message" or len(text) > _NAME_LENGTH else _name_matches
    return any(like(choice, text) for choice in choices)


def matches(choice: str, text: str) -> bool:
    """Whether a value of `match` stands for the text."""
    pattern, pieces = _pattern(choice)
    lower = text.lower() if len(text) == len(text.lower()) else ""  # else a letter has become two
    if lower and not all(piece in lower for piece in pieces):
        return False  # what most texts lack is found far faster than a pattern is tried
    return pattern.match(text) is not None


_name_matches = lru_cache(maxsize=16_384)(matches)


@lru_cache(maxsize=4_096)
def _pattern(choice: str) -> tuple[re.Pattern[str], tuple[str, ...]]:
    plain = "[" not in choice and choice.isascii()
    return re.compile(translate(choice), re.IGNORECASE), literals(choice) if plain else ()


def shipped() -> str:
    """The text of the orders that hold in a fresh installation."""
    return Path(__file__).with_name("default.yaml").read_text(encoding="utf-8")


def dump(orders: Sequence[StandingOrder]) -> str:
    """The orders as a file, every value written out; `parse` gives the same orders back."""
    import yaml

    return yaml.safe_dump(as_document(orders), sort_keys=False, allow_unicode=True, width=110)


def as_document(orders: Sequence[StandingOrder]) -> JsonObject:
    """The orders as the plain data of their file (for JSON, too)."""
    return {"version": 1, "orders": [_as_fields(order) for order in orders]}


def _as_fields(order: StandingOrder) -> JsonObject:
    fields: JsonObject = {"name": order.name}
    if order.description:
        fields["description"] = order.description
    fields["match"] = {
        name: choices[0] if len(choices) == 1 else list(choices) for name, choices in order.match.items()
    }
    fields |= {
        "action": str(order.action),
        "approval": order.approval,
        "cooldown": _duration(order.cooldown),
        "limits": {"per_target": order.limits.per_target, "per_hour": order.limits.per_hour},
    }
    if order.window is not None:
        fields["window"] = {
            "days": list(order.window.days) if order.window.days != DAYS else "daily",
            "from": _clock(order.window.start),
            "to": _clock(order.window.end),
            "timezone": order.window.timezone,
        }
    return fields


def _duration(length: timedelta) -> str:
    seconds = int(length.total_seconds())
    text = ""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
