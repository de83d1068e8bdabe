"""How well the early warning foretells: generated series with a known time to full, and flat ones that fill up never.

`make evals` prints, for shapes that were looked at while it was written and for those that were not (other seasons,
other noise, gaps, several steps): the median error of the time left at half way (aim: under 10 %), how often the true
time lies within the bounds, how many give no forecast, and alarms on flat series (aim: none).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opsteward.systems.early_warning.forecasting import DAY, forecast

Floats = NDArray[np.float64]
LIMIT = 100.0
HORIZON = 14 * DAY
Shape = Callable[[np.random.Generator, Floats], Floats]


@dataclass(frozen=True)
class Kind:
    """A season and a noise of unit size over given times."""

    season: Shape
    noise: Shape
    steps: int = 1
    gaps: bool = False


def sine(rng: np.random.Generator, at: Floats) -> Floats:
    return np.sin(2 * np.pi * (at / DAY + rng.random()))


def working_hours(rng: np.random.Generator, at: Floats) -> Floats:
    hour = at % DAY / 3600
    return np.where((hour >= 8) & (hour < 18) & (at // DAY % 7 < 5), 1.0, 0.0) - 0.3


def nightly_job(rng: np.random.Generator, at: Floats) -> Floats:
    return np.where((at % DAY / 3600 - 2) % 24 < 1.5, 1.5, 0.0)


def weekly(rng: np.random.Generator, at: Floats) -> Floats:
    return 0.7 * np.sin(2 * np.pi * at / (7 * DAY) + 6 * rng.random()) + 0.5 * sine(rng, at)


def nothing(rng: np.random.Generator, at: Floats) -> Floats:
    return np.zeros_like(at)


def gauss(rng: np.random.Generator, at: Floats) -> Floats:
    return rng.normal(size=len(at))


def heavy(rng: np.random.Generator, at: Floats) -> Floats:
    return rng.standard_t(2, size=len(at))


def sticky(rng: np.random.Generator, at: Floats, keep: float = 0.9) -> Floats:
    found, level = np.empty(len(at)), 0.0
    for place, push in enumerate(rng.normal(size=len(at)) * np.sqrt(1 - keep**2)):
        level = found[place] = keep * level + push
    return found


def bursts(rng: np.random.Generator, at: Floats) -> Floats:
    return 0.3 * rng.normal(size=len(at)) + np.where(rng.random(len(at)) < 0.03, 8 * rng.random(len(at)), 0.0)


#: Looked at while the forecast was written.
KNOWN: Mapping[str, Kind] = {
    "sine, gauss, one step": Kind(sine, gauss),
    "no season, gauss": Kind(nothing, gauss, steps=0),
    "working hours, gauss": Kind(working_hours, gauss, steps=0),
}
#: Not looked at.
HELD_OUT: Mapping[str, Kind] = {
    "working hours, sticky, two steps": Kind(working_hours, sticky, steps=2),
    "nightly job, heavy tails, one step": Kind(nightly_job, heavy),
    "weekly, gauss, gaps": Kind(weekly, gauss, steps=0, gaps=True),
    "sine, bursts, three steps, gaps": Kind(sine, bursts, steps=3, gaps=True),
    "no season, sticky": Kind(nothing, sticky, steps=0),
}


def times_of(rng: np.random.Generator, kind: Kind, seconds: float) -> Floats:
    every = float(rng.choice([300.0, 900.0, 3600.0]))
    at = np.arange(0.0, seconds, every) + rng.random() * 1000 * DAY // every * every
    if kind.gaps:
        kept = rng.random(len(at)) > 0.1
        begin = rng.integers(0, len(at))
        kept[begin : begin + len(at) // 8] = False
        at = at[kept] + rng.uniform(-0.2, 0.2, int(kept.sum())) * every
    return at


def disturbed(rng: np.random.Generator, kind: Kind, at: Floats) -> Floats:
    return rng.uniform(0, 8) * kind.season(rng, at) + rng.uniform(0.1, 3) * kind.noise(rng, at)


def filling(rng: np.random.Generator, kind: Kind) -> tuple[Floats, Floats, float]:
    """Times and values up to half way, and the true seconds left."""
    full = rng.uniform(3, 40) * DAY
    at = times_of(rng, kind, full / 2)
    begin = at[0]
    places = np.sort(rng.uniform(0.15, 0.85, kind.steps)) * full / 2 + begin
    sizes = rng.uniform(8, 20, kind.steps) * rng.choice([-1, 1], kind.steps)
    base = rng.uniform(15, 40)
    slope = (LIMIT - base - sizes.sum()) / full
    trend = base + slope * (at - begin)
    for place, size in zip(places, sizes, strict=True):
        trend += np.where(at >= place, size, 0.0)
    return at, trend + disturbed(rng, kind, at), float(begin + full - at[-1])


def flat(rng: np.random.Generator, kind: Kind) -> tuple[Floats, Floats]:
    at = times_of(rng, kind, rng.uniform(2, 30) * DAY)
    values = np.full(len(at), rng.uniform(20, 95))
    if kind.steps:
        values += np.where(at > at[0] + rng.random() * (at[-1] - at[0]), rng.uniform(-15, 3), 0.0)
    return at, values + disturbed(rng, kind, at)


def measured(kinds: Mapping[str, Kind], *, seed: int, each: int) -> None:
    for name, kind in kinds.items():
        rng = np.random.default_rng([seed, *name.encode()])
        errors: list[float] = []
        within = none = 0
        for _ in range(each):
            at, values, left = filling(rng, kind)
            found = forecast(at, values, LIMIT)
            if found is None:
                none += 1
                continue
            errors.append(abs(found.seconds_left - left) / left)
            within += found.soonest <= left <= found.latest
        alarms = 0
        for _ in range(each):
            at, values = flat(rng, kind)
            found = forecast(at, values, LIMIT)
            alarms += found is not None and found.seconds_left < HORIZON
        shown = f"{100 * float(np.median(errors)):.1f} % (p90 {100 * float(np.quantile(errors, 0.9)):.0f} %)"
        print(
            f"{name:36} error {shown:20} within bounds {within} of {len(errors)}, no forecast {none}, "
            f"alarms on flat {alarms} of {each}"
        )


def main(seed: int = 20261127, each: int = 100) -> None:
    print("early warning: shapes that were looked at")
    measured(KNOWN, seed=seed, each=each)
    print("early warning: shapes that were not")
    if "known" not in sys.argv:
        measured(HELD_OUT, seed=seed + 1, each=each)


if __name__ == "__main__":
    main()
