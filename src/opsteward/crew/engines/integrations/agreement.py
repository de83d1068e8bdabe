"""On how many records of both sides two fields have the same value: all pairs of fields at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from opsteward.crew.engines.arrays import Floats, Ints, np
from opsteward.crew.engines.integrations.formats import day_of

_RECORDS = 300  # are enough to tell
_MIN_DIGITS = 5  # fewer agree by accident
_BETTER = 0.02  # by so much a transform has to be better than a plainer one
Values = Sequence[str | None]


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)[-9:]  # country codes are written or not


def _day(text: str) -> str:
    found = day_of(text)
    return str(found) if found else ""


#: The plain ones first.
_TRANSFORMS: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("copy", lambda text: text), ("lower", lambda text: text.strip().lower()), ("digits", _digits), ("date", _day),
)  # fmt: skip


class Agreement:
    """Of all fields of one side (rows) with all of the other (columns)."""

    def __init__(self, source: Sequence[Values], target: Sequence[Values], rows: Sequence[tuple[int, int]]) -> None:
        """`rows` are pairs of records that are the same one."""
        rows = rows[:: max(1, len(rows) // _RECORDS)]
        left = [[values[one] for one, _ in rows] for values in source]
        right = [[values[other] for _, other in rows] for values in target]
        there = np.array([[value is not None for value in values] for values in left], dtype=float).reshape(
            -1, len(rows)
        )
        here = np.array([[value is not None for value in values] for values in right], dtype=float).reshape(
            -1, len(rows)
        )
        #: records on which both have a value
        self.both: Floats = there @ here.T
        #: different values of each field of the target
        self.distinct = [len({value for value in values if value is not None}) for values in right]
        self._shares = [self._share(left, right, apply, name) for name, apply in _TRANSFORMS]

    def best(self, one: int, other: int, otherwise: str) -> tuple[float, str]:
        """The largest share of records on which a transform makes two fields the same, and that transform."""
        best, found = 0.0, otherwise
        for (name, _), shares in zip(_TRANSFORMS, self._shares, strict=True):
            if shares[one, other] > best + _BETTER:
                best, found = float(shares[one, other]), name
        return best, found if best >= 0.5 else otherwise

    def _share(self, left: Sequence[Values], right: Sequence[Values], apply: Callable[[str], str], name: str) -> Floats:
        codes: dict[str, int] = {"": 0}
        lefts, rights = _coded(left, apply, codes), _coded(right, apply, codes)
        if name == "digits":
            short = {code for text, code in codes.items() if len(text) < _MIN_DIGITS}
            lefts = np.where(np.isin(lefts, list(short)), 0, lefts)
        hits = np.zeros(self.both.shape)
        for place, values in enumerate(lefts):
            hits[place] = ((rights == values) & (values > 0)).sum(axis=1)
        return np.asarray(hits / np.maximum(self.both, 1))


def _coded(side: Sequence[Values], apply: Callable[[str], str], codes: dict[str, int]) -> Ints:
    """Equal texts have equal numbers; nothing is 0."""
    made = [
        [codes.setdefault(apply(value), len(codes)) if value is not None else 0 for value in values] for values in side
    ]
    return np.array(made, dtype=np.int64).reshape(len(side), -1)
