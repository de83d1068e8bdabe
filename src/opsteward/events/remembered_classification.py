"""Classification of events that come in masses: what was said of one is said of the next that differs in digits alone.

Of digits `classify` reads codes (whole numbers of up to three digits) that a rule names or that the model weighs, and
those that stand in what a few patterns look for; a text with one of the latter is classified by itself. So is one with
a stack trace. All else that it reads is compared as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, partial

from opsteward.core.json_types import Json
from opsteward.events.classification import Classification, classify, rule_set
from opsteward.events.text_shapes import REMEMBERED_LENGTH, REMEMBERED_PARTS, Remembered, shape_of

_WEIGHED = 3  # digits of a number that the model weighs
_NAME_LIMIT = 200
#: Numbers that are words to the rules or to the model.
_CODE = re.compile(r"(?<![0-9.])[0-9]{1,3}(?![0-9]|[.:][0-9])")
_CLASS = re.compile(r"\[[^\]]*\]")
_COUNT = re.compile(r"\{[0-9]{1,4}(?:,[0-9]{0,4})?\}")
_ESCAPED = re.compile(r"\\.")
_HAS_DIGIT = re.compile("[0-9]").search
#: Characters that are written by their numbers, and states of databases.
_DIGITS_TELL = re.compile(rb"%[0-9a-f]{2}|sqlstate")
#: In the place of where codes stand: digits tell more than that.
_ALONE = (slice(-1),)

_Key = tuple[bytes, tuple[str, ...], str | None, str | None, bool, tuple[object, ...]]


class _Memory:
    """One per process."""

    def __init__(self) -> None:
        rules = rule_set()
        self._numbers = rules.numbers
        self._telling = [
            shape_of(part)
            for hints, pattern, _ in rules.patterns
            for part in (*filter(_HAS_DIGIT, hints), *parts_where_digits_tell(pattern.pattern))
        ]
        self._fields = rules.fields
        self._facts = rules.facts
        #: Where the codes of a shape stand.
        self._codes: Remembered[bytes, tuple[slice, ...]] = Remembered()
        self._known: Remembered[_Key, Classification] = Remembered()

    def classify(
        self, error_type: str | None, message: str, context: Mapping[str, Json], severity: str | None, alert: bool
    ) -> Classification:
        """Of an event with a short text and no stack trace."""
        shape = shape_of(message)
        places = self._codes.get(shape)
        if places is None:
            places = self._codes.keep(shape, self._places(message))
        judge = partial(
            classify, error_type=error_type, message=message, context=context, severity=severity, alert=alert
        )
        if places is _ALONE:
            return judge()
        found = [message[place] for place in places]
        codes = tuple([code if len(code) == _WEIGHED or code in self._numbers else "" for code in found])
        facts = () if self._fields.isdisjoint(context) else self._facts(context)
        key = (shape, codes, error_type, severity, alert, facts)
        return self._known.get(key) or self._known.keep(key, judge())

    def _places(self, message: str) -> tuple[slice, ...]:
        lower = shape_of(message.lower())
        if _DIGITS_TELL.search(lower) or any(part in lower for part in self._telling):
            return _ALONE
        places = tuple(slice(*match.span()) for match in _CODE.finditer(message))
        return places if len(places) <= REMEMBERED_PARTS else _ALONE


def parts_where_digits_tell(pattern: str) -> list[str]:
    """What a text must have, but for its digits, where the pattern looks for some digits and not for others."""
    plain = _ESCAPED.sub(" ", pattern)
    one_of_some = ["0" for part in _CLASS.findall(plain) if _HAS_DIGIT(part.replace("0-9", ""))]
    literal = re.findall(r"[%\w]+", _COUNT.sub(" ", _CLASS.sub(" ", plain)))
    return one_of_some + [part for part in literal if _HAS_DIGIT(part)]


@cache
def _memory() -> _Memory:
    return _Memory()


def classify_remembered(
    *,
    error_type: str | None,
    message: str,
    stack_trace: str | None,
    context: Mapping[str, Json],
    severity: str | None,
    alert: bool,
) -> Classification:
    """What `classify` says."""
    if stack_trace or len(message) > REMEMBERED_LENGTH or (error_type and len(error_type) > _NAME_LIMIT):
        return classify(
            error_type=error_type,
            message=message,
            stack_trace=stack_trace,
            context=context,
            severity=severity,
            alert=alert,
        )
    return _memory().classify(error_type, message, context, severity, alert)
