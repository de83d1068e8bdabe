"""From recorded metrics of a graph of services to the likeliest root causes. Pure functions.

A node is a root cause as far as it is worse than it was, as what it calls does not account for that, and as it lies on
a way from the complaint on which all is worse. What has no metrics of its own may be one where its callers are worse
for no other reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from opsteward.troubleshooting.recorded_metrics import Column, Recording, Series

_SINCE = 2  # rows of the recording before the complaint
_ROWS = 3  # that are looked at from then on
_NOTICED = 3.0  # robust deviations
_MEASURED = 5  # values without which nothing is known of a series
_UNMEASURED = 0.45


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A node with its share of the blame, from 0 to 1; `worse` in the unit of the metric, `own` the part that
    nothing it calls accounts for, `path` from the complaint to it."""

    node: str
    score: float
    worse: float
    own: float
    path: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Change:
    """How much worse a node is: in the unit of its metric, and in usual deviations."""

    worse: float
    deviations: float

    @property
    def noticed(self) -> bool:
        return self.deviations > _NOTICED and self.worse > 0


def likely_causes(recording: Recording) -> list[Suspect]:
    """The suspects, the likeliest first; none where the complaint itself shows no change."""
    target, metric, statistic = recording.target
    reached = _reached(recording.calls, target)
    changes = {node: _compared(recording.before, recording.now, (node, metric, statistic)) for node in reached}
    complaint = changes.get(target)
    if complaint is None or not complaint.noticed:
        return []
    suspects = []
    for node, path in reached.items():
        change = changes[node]
        called = recording.calls.get(node, ())
        accounted = max((c.worse for each in called if (c := changes.get(each)) and c.noticed), default=0.0)
        if change is None:
            continue
        own = change.worse - accounted
        if change.noticed and own > 0:
            way = _way(path, changes)
            share = own / max(change.worse, 1e-9)
            size = min(1.0, own / max(1e-9, _largest(changes)))
            sure = 1 - math.exp(-change.deviations / 6)
            suspects.append(
                Suspect(
                    node=node,
                    score=round(way * sure * (0.45 * share + 0.55 * size), 4),
                    worse=change.worse,
                    own=own,
                    path=path,
                )
            )
        suspects += _unmeasured(node, path, change, accounted, called, changes)
    best: dict[str, Suspect] = {}
    for each in suspects:
        if each.node not in best or best[each.node].score < each.score:
            best[each.node] = each
    return sorted(best.values(), key=lambda each: (-each.score, -len(each.path), each.node))


def _unmeasured(
    node: str,
    path: tuple[str, ...],
    change: _Change,
    accounted: float,
    called: Sequence[str],
    changes: Mapping[str, _Change | None],
) -> list[Suspect]:
    """What a node calls, and nobody measures, where the node is worse for no other reason."""
    blind = [each for each in called if changes.get(each) is None]
    own = change.worse - accounted
    if not blind or not change.noticed or own <= 0:
        return []
    size = min(1.0, own / max(1e-9, _largest(changes)))
    score = round(_UNMEASURED * size * _way(path, changes) / len(blind), 4)
    return [Suspect(node=each, score=score, worse=own, own=own, path=(*path, each)) for each in blind]


def _largest(changes: Mapping[str, _Change | None]) -> float:
    return max((change.worse for change in changes.values() if change and change.noticed), default=1e-9)


def _way(path: tuple[str, ...], changes: Mapping[str, _Change | None]) -> float:
    """Whether all between the complaint and the node is worse as well; what is not measured may be."""
    factor = 1.0
    for node in path[:-1]:
        change = changes.get(node)
        factor *= 0.8 if change is None else 1.0 if change.noticed else 0.35
    return factor


def _reached(calls: Mapping[str, Sequence[str]], target: str) -> dict[str, tuple[str, ...]]:
    """Every node that the target needs, with the shortest way to it."""
    paths: dict[str, tuple[str, ...]] = {target: (target,)}
    queue = [target]
    for node in queue:
        for called in calls.get(node, ()):
            if called not in paths:
                paths[called] = (*paths[node], called)
                queue.append(called)
    return paths


def _compared(before: Series, now: Series, column: Column) -> _Change | None:
    usual = [value for value in before.get(column, ()) if not math.isnan(value)]
    rows = now.get(column, ())
    seen = [value for value in rows[_SINCE : _SINCE + _ROWS] if not math.isnan(value)]
    if len(usual) < _MEASURED or not seen:
        return None
    middle = median(usual)
    spread = 1.4826 * median(abs(value - middle) for value in usual)
    spread = max(spread, 0.03 * abs(middle), 1e-6)
    worse = median(seen) - middle
    if column[1] == "availability":
        worse = -worse
    return _Change(worse=worse, deviations=worse / spread)
