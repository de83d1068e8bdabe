"""How complex a piece of work is, with the reasons, where its caller does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opsteward.crew.delegation.types import LEVELS
from opsteward.crew.types import Complexity

#: From so many records on it is at least this complex.
_BY_VOLUME = ((10_000, Complexity.COMPLEX), (1_000, Complexity.MODERATE))
_MANY_FIELDS = 40
_DEEP = 6


@dataclass(frozen=True)
class Derived:
    complexity: Complexity
    reasons: tuple[str, ...]


def derive(
    *, default: Complexity, task_type: str, volume: int, domains: int, parameters: Mapping[str, object]
) -> Derived:
    """From its type, the records, the domains it touches, and what its parameters ask for."""
    level, reasons = default, [f"{task_type} is {default} work"]
    if domains > 1:
        return Derived(Complexity.EXPERT, (*reasons, f"it touches {domains} domains: expert"))
    for records, least in _BY_VOLUME:
        if volume >= records:
            if LEVELS.index(least) > LEVELS.index(level):
                level = least
                reasons.append(f"{volume:,} records are {records:,} or more: at least {least}")
            break
    if (fields := _options(parameters)) > _MANY_FIELDS and level is not Complexity.EXPERT:
        level = LEVELS[LEVELS.index(level) + 1]
        reasons.append(f"it sets {fields} options, more than {_MANY_FIELDS}: {level}")
    return Derived(level, tuple(reasons))


def volume_of(parameters: Mapping[str, object]) -> int:
    """The records in these parameters: the entries of all lists of objects, at least 1."""
    return max(1, _records(parameters, _DEEP))


def _records(value: object, depth: int) -> int:
    if depth == 0:
        return 0
    if isinstance(value, Mapping):
        return sum(_records(one, depth - 1) for one in value.values())
    if isinstance(value, list):
        objects = sum(isinstance(one, Mapping) for one in value)
        return objects or len(value)
    return 0


def _options(parameters: Mapping[str, object]) -> int:
    """Values beside the records."""
    count = 0
    for value in parameters.values():
        if isinstance(value, Mapping):
            count += _options(value)
        elif not isinstance(value, list):
            count += 1
    return count
