"""Series: forecasts on public ones, changes on planted ones, what changed in planted tables."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from evals.crew.public_data import grouped_series, time_series
from evals.crew.report import Report, do
from opsteward.crew.engines.series.forecasting import forecast
from opsteward.crew.engines.series.seasons import find_season

_HORIZONS = {4: 8, 6: 6, 12: 18, 52: 13}
Series = Iterable[tuple[str, list[float], int]]


def print_forecasts(report: Report) -> None:
    """MASE of the last steps of each series, which the forecast has not seen."""
    report.section("Forecasts: mean MASE (below the seasonal naive one is better) and what the 80 % intervals hold")
    sets: list[tuple[str, Series]] = [
        ("datasets and forecast, looked at while it was made", [*time_series("datasets"), *time_series("forecast")]),
        ("fpp2, held out", list(time_series("fpp2"))),
        ("us_employment, held out", list(grouped_series("fpp3", "us_employment", "Series_ID", "Employed", 12))),
        ("aus_arrivals, held out", list(grouped_series("fpp3", "aus_arrivals", "Origin", "Arrivals", 4))),
        ("aus_accommodation, held out", list(grouped_series("fpp3", "aus_accommodation", "State", "Takings", 4))),
    ]
    for name, series in sets:
        rows = np.array([_errors(np.array(values), yearly) for _, values, yearly in series])
        ours, seasonal, naive, inside = rows.mean(axis=0)
        said = f"seasonal naive {seasonal:.3f}, naive {naive:.3f}"
        report.figure(f"{name} ({len(rows)})", ours, said)
        better = f"better on {(rows[:, 0] <= rows[:, 1]).mean():.0%}"
        report.figure("  seasonal naive error / ours (1: the same)", seasonal / ours, better, wanted=1)
        report.figure("  share of true values in the 80 % interval", inside)


def _errors(values: np.ndarray, yearly: int) -> tuple[float, float, float, float]:
    horizon = _HORIZONS.get(yearly, 8)
    seen, truth = values[:-horizon], values[-horizon:]
    scale = float(np.abs(seen[yearly:] - seen[:-yearly]).mean())
    found = forecast(seen, horizon, find_season(seen, [yearly]) if yearly > 1 else 1)
    guesses = (found.values, np.resize(seen[-yearly:], horizon), np.full(horizon, seen[-1]))
    errors = [float(np.abs(truth - guess).mean()) / scale for guess in guesses]
    return errors[0], errors[1], errors[2], float(((truth >= found.low) & (truth <= found.high)).mean())


def print_changes(report: Report) -> None:
    """Planted changes of level within 5 steps of where they are; and none where nothing was planted."""
    report.section(
        "Change points: 60 series of each kind, F1 (changes within 5 steps), beside windows of 10 that differ by 3 sd"
    )
    kinds: dict[str, Callable[[np.random.Generator], tuple[np.ndarray, list[int]]]] = {
        "one change of 2.5 deviations": lambda dice: _steps(dice, 200, [int(dice.integers(20, 180))], 2.5),
        "two changes": lambda dice: _steps(dice, 200, [60, 140], 3.5),
        "one change on a rising line": _risen,
        "one change in noise that carries over": _carried,
        "one change in counts": _counts,
        "one change in 24 values": lambda dice: _steps(dice, 24, [12], 4),
    }
    for name, make in kinds.items():
        report.figure(name, *_f1(make), wanted=0.9)
    quiet: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
        "nothing planted: noise": lambda dice: dice.normal(size=200),
        "nothing planted: a rising line": lambda dice: dice.normal(size=200) + 0.05 * np.arange(200),
        "nothing planted: noise that carries over": lambda dice: _autoregressive(dice, 200, 0.6),
    }
    for name, only in quiet.items():
        false = sum(len(_found(only(np.random.default_rng(seed)))) > 0 for seed in range(20_300, 20_360))
        report.figure(f"{name}: share without a false change", 1 - false / 60, wanted=0.95)


def _f1(make: Callable[[np.random.Generator], tuple[np.ndarray, list[int]]]) -> tuple[float, str]:
    scores = []
    for find in (_found, _by_windows):
        hits = wrong = missed = 0
        for seed in range(20_300, 20_360):
            values, truth = make(np.random.default_rng(seed))
            left = list(truth)
            for place in find(values):
                near = [one for one in left if abs(one - place) <= 5]
                if near:
                    hits += 1
                    left.remove(near[0])
                else:
                    wrong += 1
            missed += len(left)
        scores.append(2 * hits / max(1, 2 * hits + wrong + missed))
    return scores[0], f"windows {scores[1]:.3f}"


def _found(values: np.ndarray) -> list[int]:
    return [one.place for one in do("analytics.trend_changes", values=values.tolist(), season_length=1).changes]


def _by_windows(values: np.ndarray) -> list[int]:
    found, place = [], 10
    while place < len(values) - 10:
        before, after = values[place - 10 : place], values[place : place + 10]
        if abs(after.mean() - before.mean()) > 3 * before.std() / np.sqrt(5):
            found.append(place)
            place += 10
        place += 1
    return found


def _steps(dice: np.random.Generator, size: int, places: list[int], height: float) -> tuple[np.ndarray, list[int]]:
    values = dice.normal(size=size)
    for number, place in enumerate(places):
        values[place:] += height if number % 2 == 0 else -1.2 * height
    return values, places


def _risen(dice: np.random.Generator) -> tuple[np.ndarray, list[int]]:
    values, places = _steps(dice, 200, [int(dice.integers(30, 170))], 4)
    return values + 0.05 * np.arange(200), places


def _carried(dice: np.random.Generator) -> tuple[np.ndarray, list[int]]:
    place = int(dice.integers(30, 170))
    values = _autoregressive(dice, 200, 0.5)
    values[place:] += 4
    return values, [place]


def _counts(dice: np.random.Generator) -> tuple[np.ndarray, list[int]]:
    values = dice.poisson(3, 200).astype(float)
    values[100:] += dice.poisson(5, 100)
    return values, [100]


def _autoregressive(dice: np.random.Generator, size: int, carry: float) -> np.ndarray:
    values = np.zeros(size + 50)
    for place, noise in enumerate(dice.normal(size=size + 49), 1):
        values[place] = carry * values[place - 1] + noise
    return values[50:] * np.sqrt(1 - carry**2)


def print_comparisons(report: Report) -> None:
    """Planted slices of one or two dimensions that moved otherwise; a hit names exactly the slice."""
    report.section(
        "What changed and why: 50 tables each, F1 of exact slices, beside the largest changes of single values"
    )
    for count, noise in itertools.product((1, 2, 3), ("counts", "5 % noise", "15 % noise")):
        scores = []
        for find in (_causes, _by_size):
            hits = wrong = missed = 0
            for seed in range(20_400, 20_450):
                rows, truth = _table(seed + 1000 * count, count, noise)
                found = find(rows, count)
                hit = sum(one in truth for one in found)
                hits, wrong, missed = hits + hit, wrong + len(found) - hit, missed + len(truth) - hit
            scores.append(2 * hits / (2 * hits + wrong + missed))
        report.figure(f"{count} planted, {noise}", scores[0], f"by size {scores[1]:.3f}", wanted=0.8)
    quiet = sum(not _causes(_table(seed, 0, "5 % noise")[0], 3) for seed in range(20_400, 20_450))
    report.figure("nothing planted: share without a false cause", quiet / 50, wanted=0.9)


def _causes(rows: list[dict[str, Any]], _: int) -> list[dict[str, Any]]:
    return [one.where for one in do("analytics.period_comparison", rows=rows, before="b", after="a").causes]


def _by_size(rows: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    sums: dict[tuple[str, str], float] = {}
    for row in rows:
        for name, value in row.items():
            if name.startswith("d"):
                sums[name, value] = sums.get((name, value), 0.0) + (1 if row["period"] == "a" else -1) * row["value"]
    largest = sorted(sums, key=lambda key: -abs(sums[key]))[:count]
    return [{name: value} for name, value in largest]


def _table(seed: int, count: int, noise: str) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    dice = np.random.default_rng(seed)
    sizes = dice.integers(3, 9, int(dice.integers(2, 5)))
    names = [f"d{number}" for number in range(len(sizes))]
    cells = list(itertools.product(*(range(size) for size in sizes)))
    base = np.exp(dice.normal(5, 1.2, len(cells)))
    while True:
        causes = []
        for _ in range(count):
            depth = int(dice.integers(1, min(3, len(names))))
            causes.append(
                {names[d]: int(dice.integers(sizes[d])) for d in dice.choice(len(names), depth, replace=False)}
            )
        inside = [
            np.array([all(cell[names.index(k)] == v for k, v in one.items()) for cell in cells]) for one in causes
        ]
        apart = not any((a & b).any() for a, b in itertools.combinations(inside, 2))
        if apart and all(base[one].sum() / base.sum() > 0.01 and one.mean() < 0.5 for one in inside):
            break
    factors = np.full(len(cells), dice.uniform(0.9, 1.2))
    for one in inside:
        factors[one] *= dice.choice([dice.uniform(0.2, 0.6), dice.uniform(1.7, 3)])
    if noise == "counts":
        before, after = dice.poisson(base).astype(float), dice.poisson(base * factors).astype(float)
    else:
        spread = float(noise.partition(" ")[0]) / 100
        before = base * np.exp(dice.normal(0, spread, len(cells)))
        after = base * factors * np.exp(dice.normal(0, spread, len(cells)))
    rows = []
    for cell, was, now in zip(cells, before, after, strict=True):
        where = {name: f"v{value}" for name, value in zip(names, cell, strict=True)}
        rows += [{"period": "b", "value": float(was), **where}, {"period": "a", "value": float(now), **where}]
    return rows, [{name: f"v{value}" for name, value in one.items()} for one in causes]
