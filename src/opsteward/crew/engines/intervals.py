"""How sure shares are: Wilson's interval, and whether two shares differ."""

from __future__ import annotations

import math
from statistics import NormalDist


def share_interval(hits: float, whole: float, z: float = 1.96) -> tuple[float, float]:
    """Wilson's interval of a share; from 0 to 1 where nothing was counted."""
    if whole <= 0:
        return 0.0, 1.0
    share = hits / whole
    middle = (share + z * z / (2 * whole)) / (1 + z * z / whole)
    reach = z * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole)) / (1 + z * z / whole)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def shares_differ(hits: float, whole: float, other_hits: float, other_whole: float) -> float:
    """How likely such a difference is by chance (two proportions)."""
    if whole <= 0 or other_whole <= 0:
        return 1.0
    pooled = (hits + other_hits) / (whole + other_whole)
    spread = math.sqrt(pooled * (1 - pooled) * (1 / whole + 1 / other_whole))
    if spread == 0:
        return 1.0
    return 2 * (1 - NormalDist().cdf(abs(hits / whole - other_hits / other_whole) / spread))
