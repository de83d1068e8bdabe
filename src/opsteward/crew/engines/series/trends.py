"""Whether values rise or fall, how fast, and how sure that is: slopes by Theil and Sen, tested by Mann and Kendall."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from opsteward.crew.engines.arrays import Floats, np

_PAIRS_OF = 1000  # values; of longer series evenly chosen ones are compared


@dataclass(frozen=True)
class Trend:
    """The rise of one step with its 95 % interval, and how likely such a one is by chance."""

    slope: float
    low: float
    high: float
    p_value: float


def trend_of(values: Floats) -> Trend:
    """Of at least 3 values; noise that carries over makes it less sure."""
    size = len(values)
    places = np.unique(np.linspace(0, size - 1, min(size, _PAIRS_OF)).astype(int))
    chosen = values[places]
    left, right = np.triu_indices(len(chosen), 1)
    slopes = np.sort((chosen[right] - chosen[left]) / (places[right] - places[left]))
    slope = float(np.median(slopes))
    # Signs of all pairs: their variance is known where nothing rises.
    score = float(np.sign(chosen[right] - chosen[left]).sum())
    count = len(chosen)
    _, ties = np.unique(chosen, return_counts=True)
    variance = (count * (count - 1) * (2 * count + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18
    left_over = values - slope * np.arange(size)
    left_over = left_over - left_over.mean()
    whole = float(left_over @ left_over)
    carry = max(0.0, min(float(left_over[1:] @ left_over[:-1]) / whole, 0.95)) if whole > 0 else 0.0
    variance *= (1 + carry) / (1 - carry)
    if variance <= 0:
        return Trend(slope, slope, slope, 1.0)
    z = (score - math.copysign(1, score)) / math.sqrt(variance) if score else 0.0
    reach = 1.96 * math.sqrt(variance)
    low = float(slopes[max(0, int((len(slopes) - reach) / 2))])
    high = float(slopes[min(len(slopes) - 1, int((len(slopes) + reach) / 2))])
    return Trend(slope, low, high, 2 * (1 - NormalDist().cdf(abs(z))))
