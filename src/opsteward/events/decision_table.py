"""What is done about an event: the decision table of `rules/decisions.yaml`, and nothing else.

A standing order may decide otherwise (`standing_orders`); whoever asks looks there first. Doing it is the
work of `actions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TypedDict, cast

from opsteward.contracts.check import Severity
from opsteward.core.errors import Invalid
from opsteward.core.json_types import Json
from opsteward.events.classification import Category, load_rules, severity_of


class EventAction(StrEnum):
    """All that can be decided about an event. Each can be executed."""

    LOG_ONLY = "log_only"
    RETURN_VALIDATION_ERROR = "return_validation_error"
    LOG_AND_MONITOR = "log_and_monitor"
    NOTIFY_ADMIN = "notify_admin"
    ALERT_SECURITY_TEAM = "alert_security_team"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """`priority` 1-5, 1 the most urgent. `rule_id` names the row of the table, `reason` says it to people."""

    event_type: Category
    severity: Severity
    action: EventAction
    priority: int
    reason: str
    rule_id: str
    requires_immediate_action: bool


@dataclass(frozen=True, slots=True)
class _Table:
    decisions: Mapping[tuple[Category, Severity], Decision]
    defaults: Mapping[Category, tuple[EventAction, int]]
    priorities: Mapping[EventAction, int]


def decide(*, event_type: str, severity: str, message: str = "", context: Mapping[str, Json] | None = None) -> Decision:
    """The table's row for a category and a severity. Pure.

    `severity` may be a vendor's word; it is mapped as for `classify`. `message` and `context` are taken so that
    an event can be passed whole; the table does not look at them, standing orders do.
    Raises `Invalid` naming `event_type` or `severity`, with the values that are known.
    """
    return _table().decisions[_category(event_type, field="event_type"), severity_of(severity)]


def default_action(category: str) -> tuple[EventAction, int]:
    """A category's own action and priority, whatever the severity. Raises `Invalid` naming `category`."""
    return _table().defaults[_category(category, field="category")]


def usual_priority(action: str) -> int:
    """The priority 1-5 of an action that was asked for directly. Raises `Invalid` naming `action`."""
    if action not in _table().priorities:
        raise Invalid.field("action", f"{action[:60]!r} is no action", f"use one of: {', '.join(EventAction)}")
    return _table().priorities[EventAction(action)]


def _category(value: str, *, field: str) -> Category:
    try:
        return Category(value)
    except ValueError:
        remedy = f"use one of: {', '.join(Category)}"
        raise Invalid.field(field, f"{str(value)[:60]!r} is no category of events", remedy) from None


class _Row(TypedDict):
    id: str
    category: str
    severity: str
    action: str
    priority: int
    reason: str
    immediate: bool


class _Default(TypedDict):
    action: str
    priority: int


class _DecisionFile(TypedDict):
    rows: list[_Row]
    defaults: dict[str, _Default]
    actions: dict[str, int]


@cache
def _table() -> _Table:
    """The file as lookups. A gap in it (a category and severity without a row) fails here, at first use."""
    raw = cast(_DecisionFile, load_rules("decisions.yaml"))
    decisions = {
        (category, severity): next(
            Decision(
                event_type=category,
                severity=severity,
                action=EventAction(row["action"]),
                priority=row["priority"],
                reason=row["reason"],
                rule_id=row["id"],
                requires_immediate_action=row["immediate"],
            )
            for row in raw["rows"]
            if row["category"] == category and row["severity"] in ("any", severity)
        )
        for category in Category
        for severity in Severity
    }
    defaults = {
        category: (EventAction(raw["defaults"][category]["action"]), int(raw["defaults"][category]["priority"]))
        for category in Category
    }
    return _Table(decisions, defaults, {action: int(raw["actions"][action]) for action in EventAction})
