"""An alert on Opsteward itself comes after two looks beyond its threshold, and goes after two within."""

from __future__ import annotations

import pytest

from opsteward.agents.settings import AgentSettings
from opsteward.agents.shipped.performance import FEWEST_FINISHED, values_of, watched_figures
from opsteward.agents.shipped.self_watch import AlertChange, SelfWatch
from opsteward.tasks.types import TaskFigures

SETTINGS = AgentSettings.model_construct(alert_queue=100, alert_processing_seconds=5.0, alert_error_rate=0.02,
                                    alert_memory=0.85)  # fmt: skip


def watch(*raised: str) -> SelfWatch:
    return SelfWatch(watched_figures(SETTINGS), frozenset(raised))


def told(changes: list[AlertChange]) -> list[tuple[str, bool]]:
    return [(change.alert.metric_type, change.resolved) for change in changes]


def test_one_look_beyond_is_no_alert() -> None:
    one = watch()
    assert told(one.look({"queue": 101})) == []
    assert told(one.look({"queue": 5})) == []
    assert told(one.look({"queue": 101})) == []
    assert told(one.look({"queue": 102})) == [("queue", False)]
    assert told(one.look({"queue": 103})) == [], "it is told once"


def test_it_is_over_after_two_looks_within() -> None:
    one = watch("queue")
    assert told(one.look({"queue": 100})) == []
    assert told(one.look({"queue": 101})) == []
    assert told(one.look({"queue": 100})) == []
    assert told(one.look({"queue": 99})) == [("queue", True)]
    assert one.raised == set()


def test_what_is_not_measured_stays_as_it_is() -> None:
    one = watch("memory")
    one.look({"memory": 0.2})
    assert told(one.look({})) == []
    assert told(one.look({"memory": 0.2})) == [("memory", True)]


@pytest.mark.parametrize(("metric", "value", "level"), [
    ("queue", 120, "warning"), ("queue", 150, "critical"), ("memory", 0.9, "warning"), ("memory", 0.96, "critical"),
    ("error_rate", 0.5, "warning"), ("error_rate", 1.0, "critical"), ("processing", 7.5, "critical"),
])  # fmt: skip
def test_an_alert_has_its_figures(metric: str, value: float, level: str) -> None:
    one = watch()
    one.look({metric: value})
    (change,) = one.look({metric: value})
    alert = change.alert.as_context()
    assert set(alert) == {"level", "message", "metric_type", "current_value", "threshold", "suggested_actions"}
    assert (alert["level"], alert["metric_type"], alert["current_value"]) == (level, metric, value)
    assert alert["suggested_actions"]
    assert not any(char.isdigit() for char in alert["message"]), "the same words each time"


def test_a_few_tasks_give_no_error_rate() -> None:
    few = TaskFigures(finished=FEWEST_FINISHED - 1, failed=3)
    assert "error_rate" not in values_of(few, None)
    enough = TaskFigures(finished=2 * FEWEST_FINISHED, failed=12, ready=7, average_seconds=1.5)
    assert values_of(enough, 0.4) == {"queue": 7, "processing": 1.5, "error_rate": 0.3, "memory": 0.4}
    assert values_of(TaskFigures(), None) == {"queue": 0, "processing": 0, "error_rate": 0}
