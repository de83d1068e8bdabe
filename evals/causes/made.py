"""Made recordings in the shape of public sets of root causes: graphs of services, traffic, and issues of several kinds.

Latency of a node is its own and that of what it calls, as often as it calls it; what fails below fails above in part.
Some nodes are measured in part, or not at all; single values are outliers; traffic moves through the day. Some calls
are seen from the caller's side too, as a node of its own of which few requests are known, as tracers show an address
whose owner they do not know. What was recorded while all was well is older: some nodes have become otherwise since.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from opsteward.troubleshooting.recorded_metrics import Column, Recording

STATISTICS = {"Average": 1.0, "p50": 0.8, "p90": 1.5, "p95": 1.8, "p99": 2.6}
ROWS_BEFORE, ROWS_NOW = 60, 7
ISSUES = ("slow", "slow_at_times", "cpu_hog", "overload", "memory_leak", "failing", "failing_at_times")


class Graph:
    """Nodes by number, each calling later ones alone; some are only wrappers of the one that they call."""

    def __init__(self, dice: random.Random) -> None:
        size = dice.randint(18, 44)
        self.names = [f"service-{number}" for number in range(size)]
        self.calls: dict[int, dict[int, float]] = {0: {}}
        for number in range(1, size):
            callers = dice.sample(range(number), min(number, 1 if dice.random() < 0.75 else 2))
            for caller in callers:
                self.calls.setdefault(caller, {})[number] = dice.choice([0.1, 0.3, 0.5, 1.0, 1.0, 1.0, 2.0])
            self.calls.setdefault(number, {})
        self.own = [dice.lognormvariate(-4.0, 1.0) for _ in range(size)]
        for number in range(size):
            if len(self.calls[number]) == 1 and dice.random() < 0.4:
                self.own[number] = 0.0005  # a wrapper
                self.calls[number] = dict.fromkeys(self.calls[number], 1.0)
        self.measured = [number == 0 or dice.random() > 0.08 for number in range(size)]
        self.noise = [dice.uniform(0.03, 0.15) for _ in range(size)]
        edges = [(caller, called) for caller, known in self.calls.items() for called in known]
        self.views = {edge: dice.uniform(0.03, 0.3) for edge in edges if dice.random() < 0.25}
        self.changed = [dice.choice([0.5, 0.7, 1.5, 2.5]) if dice.random() < 0.1 else 1.0 for _ in range(size)]

    def values(
        self, dice: random.Random, load: float, slower: Callable[[int], float], failing: Callable[[int], float]
    ) -> list[tuple[float, float, float]]:
        """Latency, requests and availability of each node at one time."""
        size = len(self.names)
        latency, available, requests = [0.0] * size, [1.0] * size, [0.0] * size
        requests[0] = 1000 * load
        for number in range(size):
            for called, often in self.calls[number].items():
                requests[called] += requests[number] * often
        for number in reversed(range(size)):
            own = self.own[number] * (1 + 0.15 * (load - 1)) * dice.lognormvariate(0, self.noise[number])
            latency[number] = own + slower(number)
            available[number] = 1 - min(1.0, failing(number))
            for called, often in self.calls[number].items():
                latency[number] += often * latency[called]
                available[number] *= 1 - min(1.0, often) * (1 - available[called]) * 0.9
        return list(zip(latency, requests, available, strict=True))


def made(seed: int) -> tuple[Recording, str, str]:
    """A recording, its true root cause, and the kind of its issue; the same for the same seed."""
    dice = random.Random(seed)
    graph = Graph(dice)
    parents = {called: caller for caller, known in graph.calls.items() for called in known}
    candidates = [number for number in range(1, len(graph.names)) if _reach(number, parents, graph) >= 0.25]
    root = dice.choice(candidates or [1])
    kind = dice.choice(ISSUES)
    base = graph.values(random.Random(0), 1.0, lambda _: 0.0, lambda _: 0.0)
    part = dice.uniform(0.2, 0.5) if kind == "slow_at_times" else dice.uniform(0.5, 4.0)
    size = base[0][0] * part / max(0.25, _reach(root, parents, graph))

    rarely = dice.uniform(0.02, 0.06)

    def slower(row: int) -> Callable[[int], float]:
        growing = {"memory_leak": 0.4 + 0.3 * row, "cpu_hog": dice.uniform(0.7, 1.3)}.get(kind, 1.0)
        return lambda number: size * growing if number == root and "failing" not in kind and row >= 2 else 0.0

    def failing(row: int) -> Callable[[int], float]:
        share = {"failing": 0.5, "failing_at_times": rarely, "overload": 0.05}.get(kind, 0.0)
        return lambda number: share if number == root and row >= 2 else 0.0

    since, graph.own = graph.own, [own * factor for own, factor in zip(graph.own, graph.changed, strict=True)]
    before = [graph.values(dice, dice.uniform(0.7, 1.4), lambda _: 0.0, lambda _: 0.0) for _ in range(ROWS_BEFORE)]
    graph.own = since
    now = [graph.values(dice, dice.uniform(0.7, 1.4), slower(row), failing(row)) for row in range(ROWS_NOW)]
    target: Column = ("service-0", "availability" if "failing" in kind else "latency", "Average")
    calls = {graph.names[a]: [graph.names[b] for b in known] for a, known in graph.calls.items()}
    for edge in graph.views:
        calls[graph.names[edge[0]]].append(_view(edge))
        calls[_view(edge)] = []
    recording = Recording(
        calls=calls,
        before=_columns(graph, before, dice),
        now=_columns(graph, now, dice),
        target=target,
    )
    return recording, graph.names[root], kind


def _reach(number: int, parents: dict[int, int], graph: Graph) -> float:
    """How often one request of the front reaches the node, along one way."""
    share = 1.0
    while number != 0:
        caller = parents[number]
        share *= graph.calls[caller][number]
        number = caller
    return share


def _columns(
    graph: Graph, rows: list[list[tuple[float, float, float]]], dice: random.Random
) -> dict[Column, list[float]]:
    columns: dict[Column, list[float]] = {}
    for number, name in enumerate(graph.names):
        if graph.measured[number]:
            for row in rows:
                _add(columns, name, row[number], dice)
    for edge, share in graph.views.items():
        for row in rows:
            latency, requests, available = row[edge[1]]
            own = requests * share
            # of few requests the mean is far off now and then
            _add(columns, _view(edge), (latency * dice.lognormvariate(0.1, 0.25), own, available), dice)
    return columns


def _add(columns: dict[Column, list[float]], name: str, row: tuple[float, float, float], dice: random.Random) -> None:
    latency, requests, available = row
    missing = dice.random() < 0.04
    outlier = dice.uniform(2, 6) if dice.random() < 0.01 else 1.0
    for statistic, factor in STATISTICS.items():
        value = latency * factor * outlier * dice.lognormvariate(0, 0.02)
        columns.setdefault((name, "latency", statistic), []).append(float("nan") if missing else value)
    columns.setdefault((name, "requests", "Sum"), []).append(requests)
    failed = sum(dice.random() > available for _ in range(200)) / 200
    columns.setdefault((name, "availability", "Average"), []).append(float("nan") if missing else 100 * (1 - failed))


def _view(edge: tuple[int, int]) -> str:
    return f"address-{edge[0]}-{edge[1]}"
