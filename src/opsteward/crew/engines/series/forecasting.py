"""Forecasts: a few well-known methods, mixed by how well each foretold the end of the series.

Damped Holt-Winters, Theta and the seasonal naive forecast, each on the values and, where all are positive, on their
logarithms. The intervals come from the mix's own errors on the ends it was tried on.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

from opsteward.crew.engines.arrays import Floats, np
from opsteward.crew.engines.series.seasons import moving_mean, seasonal_parts

Method = Callable[[Floats, int, int], Floats]
_MAX_LENGTH = 1500  # what lies further back says little of tomorrow
_ORIGINS = 4
_FLOOR = 1e-9


@dataclass(frozen=True)
class Forecast:
    """Values to come with their interval, the share of each method, and the mean error beside the naive one's."""

    values: Floats
    low: Floats
    high: Floats
    shares: dict[str, float]
    #: of the tries on the series' own end; below 1 is better than the (seasonal) naive forecast
    relative_error: float | None


def forecast(values: Floats, horizon: int, period: int, *, level: float = 0.8) -> Forecast:
    """Of at least two values. `period` 1 is without season; `level` is what the intervals should hold."""
    values = values[-_MAX_LENGTH:]
    if period > 1 and len(values) < 2 * period:
        period = 1
    candidates = _candidates(values, period)
    errors, tried = _tries(values, horizon, period, candidates)
    shares = _shares(errors)
    made = {name: candidates[name](values, horizon, period) for name in shares}
    mixed = np.sum([share * made[name] for name, share in shares.items()], axis=0)
    spread = _spread(values, horizon, period, shares, tried)
    reach = NormalDist().inv_cdf((1 + level) / 2) * spread
    naive = errors.get("seasonal naive" if period > 1 else "naive")
    mix_error = _mix_error(shares, tried)
    relative = mix_error / naive if naive and mix_error is not None else None
    return Forecast(mixed, mixed - reach, mixed + reach, shares, relative)


def _candidates(values: Floats, period: int) -> dict[str, Method]:
    found: dict[str, Method] = {"naive": _naive} if period == 1 else {"seasonal naive": _seasonal_naive}
    if len(values) >= 8:
        found |= {"Holt-Winters": _holt_winters, "Theta": _theta}
        if float(values.min()) > 0 and float(values.max()) > 1.2 * float(values.min()):
            found |= {"Holt-Winters, log": _by_log(_holt_winters), "Theta, log": _by_log(_theta)}
    return found


def _tries(
    values: Floats, horizon: int, period: int, candidates: dict[str, Method]
) -> tuple[dict[str, float], list[tuple[Floats, dict[str, Floats]]]]:
    """Mean absolute errors on ends of the series that the methods have not seen, and these ends."""
    size = min(horizon, max(period, 6), max(1, len(values) // 5))
    tried: list[tuple[Floats, dict[str, Floats]]] = []
    for back in range(_ORIGINS):
        end = len(values) - size - back * max(1, size // 2)
        if end < max(6, 2 * period if period > 1 else 0, len(values) // 3):
            break
        seen, truth = values[:end], values[end : end + size]
        tried.append((truth, {name: method(seen, size, period) for name, method in candidates.items()}))
    if not tried:
        return {}, []
    errors = {
        name: float(np.mean([np.abs(truth - guesses[name]).mean() for truth, guesses in tried])) for name in candidates
    }
    return errors, tried


def _shares(errors: dict[str, float]) -> dict[str, float]:
    """Of each method: more for who was nearer; who was far off gets none."""
    if not errors:
        return {"naive": 1.0}
    best = max(min(errors.values()), _FLOOR)
    weights = {name: (best / max(error, _FLOOR)) ** 3 for name, error in errors.items() if error <= 1.5 * best}
    whole = sum(weights.values()) or 1.0
    return {name: weight / whole for name, weight in sorted(weights.items(), key=lambda pair: -pair[1])}


def _mix_error(shares: dict[str, float], tried: list[tuple[Floats, dict[str, Floats]]]) -> float | None:
    if not tried:
        return None
    return float(
        np.mean(
            [
                np.abs(truth - sum(share * guesses[name] for name, share in shares.items())).mean()
                for truth, guesses in tried
            ]
        )
    )


def _spread(
    values: Floats, horizon: int, period: int, shares: dict[str, float], tried: list[tuple[Floats, dict[str, Floats]]]
) -> Floats:
    """The standard deviation of the error at each step: what the tries showed, and no less than a step's own noise."""
    steps = np.arange(1, horizon + 1)
    naive_steps = values[period:] - values[:-period] if len(values) > period else np.diff(values)
    noise = float(np.median(np.abs(naive_steps))) * 1.4826 if len(naive_steps) else 0.0
    if not tried:
        return np.asarray(noise * np.sqrt(1 + (steps - 1) / period if period > 1 else steps))
    errors = np.array(
        [truth - sum(share * guesses[name] for name, share in shares.items()) for truth, guesses in tried]
    )
    size = errors.shape[1]
    # Errors grow with the step; one curve through all of them is steadier than one figure for each.
    whole = math.sqrt(float((errors**2).mean()))
    late = math.sqrt(float((errors[:, size // 2 :] ** 2).mean()))
    early = math.sqrt(float((errors[:, : max(1, size // 2)] ** 2).mean()))
    growth = min(max(late / max(early, _FLOOR), 1.0), 2.0)
    power = math.log(growth) / math.log(2) if size > 1 else 0.5
    middle = (size + 1) / 2
    # So few tries are lucky at times: the ends were also what the shares were settled by.
    cautious = 1 + 1 / math.sqrt(errors.size)
    return np.asarray(np.maximum(cautious * whole * (steps / middle) ** power, 0.35 * noise))


def _naive(values: Floats, horizon: int, _: int) -> Floats:
    return np.full(horizon, values[-1])


def _seasonal_naive(values: Floats, horizon: int, period: int) -> Floats:
    return np.resize(values[-period:], horizon)


def _by_log(method: Method) -> Method:
    def by_log(values: Floats, horizon: int, period: int) -> Floats:
        logs = np.log(values)
        room = 3 * float(np.ptp(logs)) + 1  # exponents of a steep end would leave the world
        return np.asarray(np.exp(np.clip(method(logs, horizon, period), logs.min() - room, logs.max() + room)))

    return by_log


def _theta(values: Floats, horizon: int, period: int) -> Floats:
    """Simple smoothing with half of the line's slope, on the series without its season."""
    parts = seasonal_parts(values, period)
    plain = values - np.resize(parts, len(values))
    at = np.arange(len(plain))
    slope = float(np.polyfit(at, plain, 1)[0])
    rates = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.99])
    level, loss = np.full(len(rates), plain[: max(2, period)].mean()), np.zeros(len(rates))
    for value in plain:
        error = value - level
        loss += error**2
        level = level + rates * error
    best = int(loss.argmin())
    rate, steps = float(rates[best]), np.arange(1, horizon + 1)
    drift = slope / 2 * (steps - 1 + (1 - (1 - rate) ** len(plain)) / rate)
    return np.asarray(level[best] + drift + np.resize(np.roll(parts, -(len(values) % len(parts))), horizon))


_GRID = np.array(
    list(itertools.product((0.05, 0.15, 0.3, 0.5, 0.7, 0.9), (0.0, 0.03, 0.1, 0.3), (0.02, 0.1, 0.3), (0.9, 0.98)))
)


def _holt_winters(values: Floats, horizon: int, period: int) -> Floats:
    """Level, damped trend and additive season; the smoothing that foretells each next value best."""
    alpha, beta, gamma, damp = (_GRID if period > 1 else _GRID[_GRID[:, 2] == 0.02]).T
    season = np.tile(seasonal_parts(values, period), (len(alpha), 1))
    level, trend = _start(values, period, len(alpha))
    losses = np.zeros(len(alpha))
    warm = max(period, 2)
    for number, value in enumerate(values):
        place = number % period
        foretold = level + damp * trend
        error = value - foretold - season[:, place]
        level = foretold + alpha * error
        trend = damp * trend + alpha * beta * error
        if period > 1:
            season[:, place] += gamma * (1 - alpha) * error
        if number >= warm:
            losses += error**2
    best = int(losses.argmin())
    steps = np.arange(1, horizon + 1)
    rate = float(damp[best])
    grown = rate * (1 - rate**steps) / (1 - rate) * trend[best]
    places = (len(values) + steps - 1) % period
    return np.asarray(level[best] + grown + season[best, places])


def _start(values: Floats, period: int, size: int) -> tuple[Floats, Floats]:
    first = values[: max(2, period)]
    if period > 1 and len(values) >= 2 * period:
        smooth = moving_mean(values[: 3 * period], period)
        inner = smooth[~np.isnan(smooth)]
        slope = float((inner[-1] - inner[0]) / max(1, len(inner) - 1))
        level = float(first.mean()) - slope * (period + 1) / 2
    else:
        head = values[: min(len(values), 8)]
        slope = float(np.polyfit(np.arange(len(head)), head, 1)[0])
        level = float(head.mean()) - slope * (len(head) + 1) / 2
    return np.full(size, level), np.full(size, slope)
