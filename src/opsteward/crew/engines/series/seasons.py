"""Whether a series repeats itself, and what it looks like without that."""

from __future__ import annotations

import math
from collections.abc import Sequence

from opsteward.crew.engines.arrays import Floats, np

_CLEAR = 0.5


def find_season(values: Floats, candidates: Sequence[int]) -> int:
    """The period among the candidates that is surely there; 1 where none is."""
    best, found = 0.0, 1
    for period in candidates:
        if period < 2 or len(values) < 2 * period + 2:
            continue
        smooth = values - moving_mean(values, period)
        inner = smooth[~np.isnan(smooth)]
        if len(inner) < period + 2 or float(inner.std()) <= 1e-12:
            continue
        correlation = autocorrelation(inner, period)
        earlier = sum(autocorrelation(inner, lag) ** 2 for lag in range(1, min(period, len(inner) // 2)))
        limit = 1.645 * math.sqrt((1 + 2 * earlier) / len(inner))
        sure = correlation > limit or _explained(inner, period) > _CLEAR
        if sure and correlation > best + 0.05:
            best, found = correlation, period
    return found


def _explained(values: Floats, period: int) -> float:
    """The share of the variance that the places in the period explain, less what they would of noise."""
    places = np.arange(len(values)) % period
    sums, counts = np.bincount(places, values, period), np.bincount(places, minlength=period)
    within = float(((values - (sums / counts)[places]) ** 2).sum())
    whole = float(((values - values.mean()) ** 2).sum())
    free = len(values) - period
    return 1 - (within / free) / (whole / (len(values) - 1)) if free > 0 and whole > 0 else 0.0


def autocorrelation(values: Floats, lag: int) -> float:
    """Of a series with itself so many steps before."""
    apart = values - values.mean()
    whole = float(apart @ apart)
    return float(apart[lag:] @ apart[: len(apart) - lag]) / whole if whole > 0 and 0 < lag < len(values) else 0.0


def moving_mean(values: Floats, period: int) -> Floats:
    """Centred over one period; NaN at both ends."""
    weights = np.ones(period) / period
    if period % 2 == 0:
        weights = np.concatenate([[0.5], np.ones(period - 1), [0.5]]) / period
    made = np.full(len(values), np.nan)
    half = len(weights) // 2
    if len(values) >= len(weights):
        made[half : len(values) - half] = np.convolve(values, weights, mode="valid")
    return made


def seasonal_parts(values: Floats, period: int) -> Floats:
    """What each place in the period adds (their mean is 0): medians over the years, robust against outliers."""
    if period < 2:
        return np.zeros(1)
    apart = values - moving_mean(values, period)
    parts = np.zeros(period)
    for place in range(period):
        there = apart[place::period]
        there = there[~np.isnan(there)]
        if len(there):
            parts[place] = float(np.median(there)) if len(there) > 4 else float(there.mean())
    return np.asarray(parts - parts.mean())


def without_season(values: Floats, period: int) -> Floats:
    """The series less its seasonal parts."""
    if period < 2:
        return values
    return np.asarray(values - np.resize(seasonal_parts(values, period), len(values)))
