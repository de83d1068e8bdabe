"""What checks have measured, as figures by name: from their evidence, by what each of them declares."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from opsteward.contracts.check import CheckStatus, Measure
from opsteward.systems.types import CheckOutcome

_NAME_LIMIT = 200
_EACH_LIMIT = 50  # of one list


@dataclass(frozen=True, kw_only=True)
class Figure:
    """How much of something is used or left, and where it has run out."""

    name: str
    value: float
    limit: float


def figures_of(outcome: CheckOutcome, measures: Sequence[Measure]) -> list[Figure]:
    """The figures of one look; none of a check that could not look."""
    if outcome.result.status is CheckStatus.UNKNOWN:
        return []
    return [figure for measure in measures for figure in _found(outcome.result.evidence, measure)]


def _found(evidence: Mapping[str, object], measure: Measure) -> Iterator[Figure]:
    parts: list[tuple[str, Mapping[str, object]]] = [("", evidence)]
    if measure.each is not None:
        several, named_by = evidence.get(measure.each[0]), measure.each[1]
        if not isinstance(several, list | tuple):
            return
        parts = [(f"{part.get(named_by)} ", part) for part in several[:_EACH_LIMIT] if isinstance(part, Mapping)]
    for of_what, part in parts:
        limit = measure.limit if isinstance(measure.limit, float) else part.get(measure.limit)
        value, limit = _number(part.get(measure.value)), _number(limit)
        if value is not None and limit is not None:
            yield Figure(name=f"{of_what}{measure.value}"[:_NAME_LIMIT], value=value, limit=limit)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
