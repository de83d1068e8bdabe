"""Shapes of texts: the text with all its digits alike. Lines of a log differ mostly in their digits.

What was worked out for one line is remembered for its shape, so that the next ones cost a look-up. That is done only
where it changes no result; what is remembered is bounded, and forgotten when it is full.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

#: Longer texts are not remembered, nor what has more parts: together these take at most some tens of megabytes.
REMEMBERED_LENGTH = 500
REMEMBERED_PARTS = 32
_SHAPES_KEPT = 8_192
_ALIKE = bytes.maketrans(b"123456789", b"000000000")
_DIGIT = re.compile("[0-9]")
_KEPT_DIGIT = re.compile("[０-９]").search  # what templates make of digits that stay

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")
#: Of each part: where it stands in the text, or the part itself where it has no digit.
_Plan = tuple[str | slice, ...]


def shape_of(text: str) -> bytes:
    """The text with all ASCII digits as zeros, in UTF-8."""
    return text.encode("utf-8", "surrogatepass").translate(_ALIKE)


class Remembered(dict[KeyT, ValueT]):
    """Forgets everything when it is full."""

    def __init__(self, limit: int = _SHAPES_KEPT) -> None:
        super().__init__()
        self._limit = limit

    def keep(self, key: KeyT, value: ValueT) -> ValueT:
        """Remember it; gives the value."""
        if len(self) >= self._limit:
            self.clear()
        self[key] = value
        return value


class PartsByShape:
    """What `find` takes out of a text as parts of it, by the text's shape from the third text of a shape on.

    `find` must treat all digits alike, but for texts whose shape matches `digits_tell`. That a part stands at one place
    of the text is found by giving `find` the same text with other digits, which number the places.
    """

    def __init__(self, find: Callable[[str], list[str]], digits_tell: re.Pattern[bytes]) -> None:
        self._find = find
        self._digits_tell = digits_tell
        #: None: seen once; False: it goes by more than the shape.
        self._plans: Remembered[bytes, _Plan | bool | None] = Remembered()

    def __call__(self, text: str) -> list[str]:
        if len(text) > REMEMBERED_LENGTH:
            return self._find(text)
        shape = shape_of(text)
        plan = self._plans.get(shape, True)
        if isinstance(plan, tuple):
            return [part if isinstance(part, str) else text[part] for part in plan]
        found = self._find(text)
        if plan is True:
            self._plans.keep(shape, None)
        elif plan is None:
            by_shape = len(found) <= REMEMBERED_PARTS and not self._digits_tell.search(shape)
            made = self._plan(text) if by_shape else None
            holds = made is not None and [p if isinstance(p, str) else text[p] for p in made] == found
            self._plans.keep(shape, made if made is not None and holds else False)
        return found

    def _plan(self, text: str) -> _Plan | None:
        places = [match.start() for match in _DIGIT.finditer(text)]
        width = len(str(len(places)))
        rounds: list[list[str]] = []
        for column in range(width):
            filled = list(text)
            for number, place in enumerate(places):
                filled[place] = f"{number:0{width}}"[column]
            rounds.append(self._find("".join(filled)))
        if len({len(parts) for parts in rounds}) > 1:
            return None
        found = [_source(parts, places, text) for parts in zip(*rounds, strict=True)]
        return None if None in found else tuple(part for part in found if part is not None)


def _source(parts: Sequence[str], places: Sequence[int], text: str) -> str | slice | None:
    """Where the part stands of which these are the forms with numbered places; None where that can't be told."""
    part = parts[0]
    if _KEPT_DIGIT(part) or len({len(form) for form in parts}) > 1:
        return None
    digit = _DIGIT.search(part)
    if digit is None:
        return part if all(form == part for form in parts) else None
    place = places[int("".join(form[digit.start()] for form in parts))]
    start = place - digit.start()
    stands = slice(start, start + len(part))
    return stands if start >= 0 and shape_of(text[stands]) == shape_of(part) else None
