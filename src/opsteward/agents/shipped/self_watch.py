"""Opsteward's own figures against their thresholds: two looks beyond raise an alert, two looks within end it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opsteward.agents.types import Alert

_LOOKS = 2
_CRITICAL = 1.5  # so many times its threshold a figure is critical; a share can't grow as far
_CRITICAL_SHARE = 0.95


@dataclass(frozen=True, kw_only=True)
class Watched:
    """One figure: `message` are always the same words, so that its alerts belong together."""

    metric: str
    threshold: float
    message: str
    actions: tuple[str, ...]
    is_share: bool = False


@dataclass(frozen=True)
class AlertChange:
    """An alert has begun or is over."""

    alert: Alert
    resolved: bool


class SelfWatch:
    """`raised` are the figures whose alert stands."""

    def __init__(self, watched: list[Watched], raised: frozenset[str] = frozenset()) -> None:
        self._watched = watched
        self.raised = set(raised)
        self._streak: dict[str, int] = {}

    def look(self, values: Mapping[str, float]) -> list[AlertChange]:
        """What turned by these values; a figure that is not among them stays as it is."""
        changes: list[AlertChange] = []
        for one in self._watched:
            value = values.get(one.metric)
            if value is None:
                continue
            beyond, stands = value > one.threshold, one.metric in self.raised
            self._streak[one.metric] = self._streak.get(one.metric, 0) + 1 if beyond != stands else 0
            if self._streak[one.metric] >= _LOOKS:
                self._streak[one.metric] = 0
                (self.raised.discard if stands else self.raised.add)(one.metric)
                changes.append(AlertChange(_alert(one, value), resolved=stands))
        return changes


def _alert(one: Watched, value: float) -> Alert:
    critical = _CRITICAL_SHARE if one.is_share else one.threshold * _CRITICAL
    return Alert(
        level="critical" if value >= critical else "warning",
        message=one.message,
        metric_type=one.metric,
        current_value=round(value, 4),
        threshold=one.threshold,
        suggested_actions=list(one.actions),
    )
