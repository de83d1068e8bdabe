"""How long a regular expression from outside can take, before it is run.

Python's engine backtracks. A repeat inside a repeat, alternatives inside a repeat and back-references can cost
time exponential in the text: such patterns are refused. What is left costs at most a polynomial of the length,
whose degree is the number of parts that can match more or less; so a caller can say no to a text that is too
long for its pattern. The bound is coarse: it refuses some harmless patterns, and no harmful one is let through.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

PATTERN_LENGTH = 500

# A token of a regular expression: an escape, a class, the start of a group, or one character.
_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?:\?(?:P<\w+>|P=|<[=!]|[:=!>(#]|[a-zA-Z-]+[:)]?))?|.", re.DOTALL
)
_REFUSED = re.compile(r"\\[1-9]|\(\?(?:P=|\(|#|(?!P<)[a-zA-Z-])")
_QUANTIFIER = re.compile(r"(?:[*+?]|\{[0-9]*,?[0-9]*\})[?+]?")


class BadPattern(ValueError):
    """The pattern is no regular expression, or one that is refused."""


def steps(pattern: str, length: int) -> int:
    """An upper bound of the steps that searching a text of this length takes. Raises `BadPattern`."""
    parts, ways = _cost_of(pattern)
    return math.comb(length + parts, parts) * ways


@lru_cache(maxsize=1_024)
def _cost_of(pattern: str) -> tuple[int, int]:
    """What matching a pattern can cost, once nested repeats are ruled out: how many of its parts can match more
    or less of a text (the degree of the cost; one more where a match may begin anywhere), and in how many ways
    its alternatives and optional groups combine.

    Raises `BadPattern` for what is no regular expression, or could take exponential time.
    """
    shown = repr(pattern[:80])
    if len(pattern) > PATTERN_LENGTH:
        raise BadPattern(f"{shown} is longer than {PATTERN_LENGTH} characters")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadPattern(f"{shown} is no regular expression: {error}") from None
    parts, ways = 0, 1
    # For each group that is open: whether it can match in more than one way, and its alternatives.
    open_groups = [(False, 1)]
    position = 0
    while position < len(pattern):
        match = _TOKEN.match(pattern, position)
        assert match
        part, position = match.group(), match.end()
        if _REFUSED.match(part):
            raise BadPattern(f"{shown} uses {part!r}: back-references, conditions and flags are refused")
        if part[0] == "(":
            open_groups.append((False, 1))
            continue
        if part == "|":
            open_groups[-1] = (True, open_groups[-1][1] + 1)
            continue
        several, alternatives = open_groups.pop() if part == ")" else (False, 1)
        ways *= alternatives
        quantifier = _QUANTIFIER.match(pattern, position)
        if quantifier:
            position = quantifier.end()
            variable, repeats = _read_quantifier(quantifier.group())
            if several and repeats:
                raise BadPattern(f"{shown} repeats a part that itself has repeats or alternatives")
            parts += variable
            ways *= 2 if part == ")" else 1
            several = several or variable
        open_groups[-1] = (open_groups[-1][0] or several, open_groups[-1][1])
    return parts + (not pattern.startswith("^")), ways * open_groups[0][1]


def _read_quantifier(quantifier: str) -> tuple[bool, bool]:
    """Whether it can match more or less, and whether it can match more than once."""
    if quantifier[0] == "?":
        return True, False
    if quantifier[0] in "*+":
        return True, True
    low, comma, high = quantifier[1 : quantifier.index("}")].partition(",")
    if not comma:
        return False, low not in ("", "0", "1")
    return low != high, high not in ("0", "1")
