"""From recorded metrics of a graph of services to the likeliest root causes. Pure functions.

A node is a root cause as far as it is worse than it was, as what it calls does not account for that, as that, by how
often the node is called, accounts for the complaint, and as it lies on a way from the complaint on which all is worse.
What has no metrics of its own may be one where its callers are worse for no other reason.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from opsteward.troubleshooting.recorded_metrics import Column, Recording

_ROWS = 4  # from the complaint on, of which those count at which it shows
_COMPLAINED = 2.0  # robust deviations of the complaint itself
_NOTICED = 3.0  # robust deviations of a node
_MEASURED = 5  # values without which nothing is known of a series
_UNMEASURED = 0.45
_SMALLEST_SPREAD = {"availability": 0.1}  # in the metric's unit; a node that never failed has no spread


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


@dataclass(frozen=True, kw_only=True)
class _Graph:
    """The nodes that the target needs: how each has changed, how often it is called, and who calls it."""

    complaint: _Change
    target: str
    calls: Mapping[str, Sequence[str]]
    changes: Mapping[str, _Change | None]
    requests: Mapping[str, float]
    callers: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def often(self, caller: str, called: str) -> float:
        """How often the one calls the other for one request of its own; 1 where that is not measured."""
        own, theirs = self.requests.get(caller, 0.0), self.requests.get(called, 0.0)
        all_callers = sum(self.requests.get(each, 0.0) for each in self.callers.get(called, ()))
        return theirs / all_callers if own and theirs and all_callers else 1.0

    def accounted(self, node: str) -> float:
        """How much worse a node is because of the worst of what it calls."""
        found = [
            change.worse * self.often(node, each)
            for each in self.calls.get(node, ())
            if (change := self.changes.get(each)) and change.noticed
        ]
        return max(found, default=0.0)

    def size(self, node: str, own: float) -> float:
        """The part of the complaint for which the node accounts, from 0 to 1."""
        ours, front = self.requests.get(node, 0.0), self.requests.get(self.target, 0.0)
        return min(1.0, own * (ours / front if ours and front else 1.0) / max(1e-9, self.complaint.worse))


def likely_causes(recording: Recording) -> list[Suspect]:
    """The suspects, the likeliest first; none where the complaint itself shows no change."""
    target, metric, statistic = recording.target
    rows = _rows_of_complaint(recording)
    complaint = _compared(recording, recording.target, rows)
    if complaint is None or complaint.deviations < _COMPLAINED:
        if recording.since == 0:
            return []
        # it may have been so for longer than people complain
        return likely_causes(replace(recording, since=0))
    reached = _reached(recording.calls, target)
    callers: dict[str, list[str]] = {}
    for caller, called in recording.calls.items():
        for each in called:
            callers.setdefault(each, []).append(caller)
    graph = _Graph(
        complaint=complaint,
        target=target,
        calls=recording.calls,
        changes={node: _compared(recording, (node, metric, statistic), rows) for node in reached} | {target: complaint},
        requests=_requests(recording),
        callers=callers,
    )
    best: dict[str, Suspect] = {}
    for node, path in reached.items():
        for suspect in _suspects(graph, node, path):
            if suspect.node not in best or best[suspect.node].score < suspect.score:
                best[suspect.node] = suspect
    return sorted(best.values(), key=lambda each: (-each.score, -len(each.path), each.node))


def _suspects(graph: _Graph, node: str, path: tuple[str, ...]) -> list[Suspect]:
    """The node itself, and what it calls and nobody measures, as far as it is worse for no other reason."""
    change = graph.changes[node]
    if change is None or not change.noticed:
        return []
    own = change.worse - graph.accounted(node)
    if own <= 0:
        return []
    way, size = _way(path, graph.changes), graph.size(node, own)
    sure = 1 - math.exp(-change.deviations / 6)
    score = round(way * sure * (0.45 * own / change.worse + 0.55 * size), 4)
    found = [Suspect(node=node, score=score, worse=change.worse, own=own, path=path)]
    blind = [each for each in graph.calls.get(node, ()) if graph.changes.get(each) is None]
    for each in blind:
        score = round(_UNMEASURED * size * way / len(blind), 4)
        found.append(Suspect(node=each, score=score, worse=own, own=own, path=(*path, each)))
    return found


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


def _rows_of_complaint(recording: Recording) -> list[int]:
    """The rows at which the complaint shows: those at which it is at least half as bad as at its worst."""
    rows = range(recording.since, recording.since + _ROWS)
    changes = {row: _compared(recording, recording.target, [row]) for row in rows}
    found = {row: change.deviations for row, change in changes.items() if change is not None}
    worst = max(found.values(), default=0.0)
    return [row for row, deviations in found.items() if deviations >= worst / 2]


def _compared(recording: Recording, column: Column, rows: Sequence[int]) -> _Change | None:
    usual = _known(recording.before.get(column, ()))
    now = recording.now.get(column, ())
    seen = _known([now[row] for row in rows if row < len(now)])
    if len(usual) < _MEASURED or not seen:
        return None
    middle = median(usual)
    spread = 1.4826 * median(abs(value - middle) for value in usual)
    spread = max(spread, _SMALLEST_SPREAD.get(column[1], max(0.03 * abs(middle), 1e-6)))
    just_before = _known(now[: recording.since])
    if just_before and abs(median(just_before) - middle) > _NOTICED * spread:
        # it was otherwise already: that is not of this complaint
        spread *= max(1.0, abs(median(just_before) / middle)) if middle else 1.0
        middle = median(just_before)
    worse = median(seen) - middle
    if column[1] == "availability":
        worse = -worse
    return _Change(worse=worse, deviations=worse / spread)


def _requests(recording: Recording) -> dict[str, float]:
    """How often each node is called in one row."""
    found = {
        node: _known(values[recording.since : recording.since + _ROWS])
        for (node, metric, _), values in recording.now.items()
        if metric == "requests"
    }
    return {node: median(values) for node, values in found.items() if values}


def _known(values: Sequence[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]
