"""The decision table holds exactly, row by row."""

from __future__ import annotations

import pytest

from opsteward.core.errors import Invalid
from opsteward.events.decision_table import EventAction, decide, default_action, usual_priority

TABLE = [
    ("security_issue", "high", "escalate", 1, True),
    ("security_issue", "medium", "alert_security_team", 1, True),
    ("security_issue", "low", "alert_security_team", 1, True),
    ("system_error", "high", "log_and_monitor", 2, False),
    ("system_error", "medium", "log_and_monitor", 3, False),
    ("system_error", "low", "log_and_monitor", 3, False),
    ("validation_error", "high", "return_validation_error", 4, False),
    ("validation_error", "medium", "return_validation_error", 4, False),
    ("validation_error", "low", "return_validation_error", 4, False),
    ("ignorable", "high", "log_only", 5, False),
    ("ignorable", "medium", "log_only", 5, False),
    ("ignorable", "low", "log_only", 5, False),
]


@pytest.mark.parametrize(("event_type", "severity", "action", "priority", "immediate"), TABLE)
def test_every_row(event_type: str, severity: str, action: str, priority: int, immediate: bool) -> None:
    found = decide(event_type=event_type, severity=severity, message="anything", context={"a": 1})
    assert (found.action, found.priority, found.requires_immediate_action) == (action, priority, immediate)
    assert (found.event_type, found.severity) == (event_type, severity)
    assert found.reason
    assert found.rule_id.startswith("decide.")


@pytest.mark.parametrize(
    ("category", "action", "priority"),
    [
        ("security_issue", "alert_security_team", 1),
        ("system_error", "log_and_monitor", 3),
        ("validation_error", "return_validation_error", 4),
        ("ignorable", "log_only", 5),
    ],
)
def test_default_of_each_category(category: str, action: str, priority: int) -> None:
    assert default_action(category) == (action, priority)


def test_vendor_severities_are_mapped() -> None:
    assert decide(event_type="security_issue", severity="critical").action == "escalate"


def test_the_table_never_decides_to_notify_the_admin() -> None:
    assert EventAction.NOTIFY_ADMIN not in {decide(event_type=row[0], severity=row[1]).action for row in TABLE}
    assert usual_priority("notify_admin") == 2


@pytest.mark.parametrize(
    ("event_type", "severity", "field", "remedy"),
    [
        ("nonsense", "low", "event_type", "validation_error, system_error, security_issue, ignorable"),
        ("", "low", "event_type", "validation_error"),
        ("system_error", "purple", "severity", "low, medium, high"),
        ("system_error", "", "severity", "low, medium, high"),
    ],
)
def test_unknown_values_are_refused_with_the_known_ones(
    event_type: str, severity: str, field: str, remedy: str
) -> None:
    with pytest.raises(Invalid) as caught:
        decide(event_type=event_type, severity=severity)
    (problem,) = caught.value.problems
    assert problem.field == field
    assert remedy in problem.remedy


def test_unknown_category_and_action_are_refused() -> None:
    with pytest.raises(Invalid, match="category"):
        default_action("nonsense")
    with pytest.raises(Invalid, match="action"):
        usual_priority("rm -rf")
