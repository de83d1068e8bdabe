"""What is usual among values, and how far each lies from what the others say is."""

from __future__ import annotations

from opsteward.crew.engines.arrays import Floats, np

_MANY = 200  # values, among which one moves the middle no more


def middle_and_spread(values: Floats) -> tuple[float, float]:
    """The median, and the deviation by the median distance from it."""
    middle = float(np.median(values))
    return middle, 1.4826 * float(np.median(np.abs(values - middle)))


def distances_from_others(values: Floats, least_spread: float) -> list[tuple[float, float]]:
    """For each value the middle of the others, and its distance from that in their deviations."""
    if len(values) > _MANY:
        middle, spread = middle_and_spread(values)
        return [(middle, float(one) / max(spread, least_spread)) for one in values - middle]
    found = []
    for place, value in enumerate(values):
        middle, spread = middle_and_spread(np.delete(values, place))
        found.append((middle, (float(value) - middle) / max(spread, least_spread)))
    return found
