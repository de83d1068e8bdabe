"""Repeat purchases of customers who are never told to have left: the BG/NBD model (Fader, Hardie and Lee 2005)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opsteward.crew.engines.arrays import Floats, Ints, np


@dataclass(frozen=True)
class PurchaseFit:
    """The four parameters, and the log likelihood of the customers that they were fitted to."""

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float

    def alive(self, frequency: Floats, recency: Floats, age: Floats) -> Floats:
        """The probability that each customer is still one."""
        again = frequency > 0
        odds = (
            np.log(self.a / (self.b + np.maximum(frequency, 1) - 1))
            + (self.r + frequency) * (np.log(self.alpha + age) - np.log(self.alpha + recency))
        )  # fmt: skip
        return np.asarray(np.where(again, 1 / (1 + np.exp(np.minimum(odds, 700))), 1.0))

    def expected(self, frequency: Floats, recency: Floats, age: Floats, horizon: float) -> Floats:
        """Purchases of each customer in the next `horizon`."""
        a = self.a if abs(self.a - 1) > 1e-6 else 1 + 1e-6  # the formula has a gap there
        whole, rate = a + self.b + frequency - 1, self.r + frequency
        future = self.alpha + age + horizon
        series = _hypergeometric(rate, self.b + frequency, whole, horizon / future)
        steady = whole / (a - 1) * (1 - np.exp(rate * (np.log(self.alpha + age) - np.log(future))) * series)
        return np.asarray(np.maximum(0.0, self.alive(frequency, recency, age) * steady))


def _hypergeometric(a: Floats, b: Floats, c: Floats, z: Floats) -> Floats:
    """Gauss's series; z is below 1."""
    term = np.ones_like(z)
    whole = np.ones_like(z)
    for n in range(2000):
        term = term * (a + n) * (b + n) / ((c + n) * (n + 1)) * z
        whole += term
        if float(np.abs(term / whole).max()) < 1e-12:
            break
    return whole


def fit_purchases(frequency: Sequence[float], recency: Sequence[float], age: Sequence[float]) -> PurchaseFit | None:
    """The likeliest parameters; None where they can't be told (no repeat purchases, or nobody ever leaves)."""
    x, t, whole = (np.array(values, dtype=float) for values in (frequency, recency, age))
    if len(x) < 20 or float(x.sum()) < 10 or float(whole.max()) <= 0:
        return None
    scale = 10 / float(whole.max())  # the search is for numbers near 1
    counts, places = np.unique(x, return_inverse=True)
    rows, weights = np.unique(np.column_stack([places, t * scale, whole * scale]), axis=0, return_counts=True)
    places = rows[:, 0].astype(np.int64)

    def loss(logs: Floats) -> float:
        r, alpha, a, b = (float(value) for value in np.exp(np.clip(logs, -15, 15)))
        return -float(weights @ _log_likelihood((r, alpha, a, b), counts, places, rows[:, 1], rows[:, 2])) / len(x)

    best, value = min(
        (_nelder_mead(loss, np.array(start)) for start in ((0.0, 0.0, 0.0, 0.0), (-1.0, 1.0, 0.0, 1.0))),
        key=lambda found: found[1],
    )
    r, alpha, a, b = (float(one) for one in np.exp(np.clip(best, -15, 15)))
    # Time was scaled: the density of each repeat purchase is told in the unit that was sent.
    log_likelihood = -value * len(x) + float(x.sum()) * math.log(scale)
    return PurchaseFit(r=r, alpha=alpha / scale, a=a, b=b, log_likelihood=log_likelihood)


def _log_likelihood(
    parameters: tuple[float, float, float, float], counts: Floats, places: Ints, recency: Floats, age: Floats
) -> Floats:
    r, alpha, a, b = parameters
    # The gamma functions depend on the number of purchases alone: once for each that occurs.
    rate = np.array([math.lgamma(r + x) - math.lgamma(r) for x in counts]) + r * math.log(alpha)
    stay = np.array([math.lgamma(a + b) + math.lgamma(b + x) - math.lgamma(b) - math.lgamma(a + b + x) for x in counts])
    number = counts[places]
    alive = -(r + number) * np.log(alpha + age)
    gone = np.where(
        number > 0,
        math.log(a) - np.log(b + np.maximum(number, 1) - 1) - (r + number) * np.log(alpha + recency),
        -np.inf,
    )
    return np.asarray(rate[places] + stay[places] + np.logaddexp(alive, gone))


def _nelder_mead(loss: Callable[[Floats], float], start: Floats) -> tuple[Floats, float]:
    """The lowest point near a start, without slopes."""
    size = len(start)
    points = [start, *(start + 0.5 * np.eye(size)[place] for place in range(size))]
    values = [loss(point) for point in points]
    for _ in range(600):
        order = np.argsort(values)
        points, values = [points[n] for n in order], [values[n] for n in order]
        if abs(values[-1] - values[0]) < 1e-12 and float(np.ptp(np.array(points), axis=0).max()) < 1e-6:
            break
        middle = np.mean(points[:-1], axis=0)
        tried = middle + (middle - points[-1])
        value = loss(tried)
        if value < values[0]:
            further = middle + 2 * (middle - points[-1])
            better = loss(further)
            tried, value = (further, better) if better < value else (tried, value)
        elif value >= values[-2]:
            tried = middle + 0.5 * ((tried if value < values[-1] else points[-1]) - middle)
            value = loss(tried)
            if value >= values[-1]:
                points = [points[0], *(points[0] + 0.5 * (point - points[0]) for point in points[1:])]
                values = [loss(point) for point in points]
                continue
        points[-1], values[-1] = tried, value
    return points[0], values[0]
