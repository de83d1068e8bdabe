"""What bounds a question beside times and names: that it denies, excepts or compares. An answer that passes over such
a word is wrong, mostly the very opposite of what was asked: see `answering`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from opsteward.help.live.wording import telling

_DENYING = """
    not never no nobody none without neither nor cannot isnt arent wasnt werent hasnt havent hadnt dont doesnt didnt
"""
_DENIALS = frozenset(_DENYING.split())
#: Such a word that denies nothing when it stands before one of these.
_DENIES_NOTHING = frozenset({"longer", "later", "matter", "doubt", "just", "only"})
_AT_THE_END = (("before",), ("earlier",))  # `in the past day but not before`
_EXCEPT = re.compile(
    r"\b(?:except(?:ing)?(?: for)?|excluding|besides|other than|a(?:part|side) from|but not(?! before| after)|all but)"
    r"\s+[\w.-]+",
    re.IGNORECASE,
)
_NUMBER = r"\d[\d.,]*|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|fifty|once|twice|half"
_COMPARED = re.compile(
    rf"\b(?:(?:\w+er|more|less)(?: \w+)? than|at least|at most|over|under|above|below|exceed(?:s|ing|ed)?|beyond|up to)"
    rf"\s+(?:{_NUMBER})\b(?:\s*%|\s+\w+)?",
    re.IGNORECASE,
)
_THAN = re.compile(r"\b(?:\w+er|more|less)(?: \w+){0,3} than\s+(?:\w+ )?[\w.-]+", re.IGNORECASE)
#: Words by which a length of time is an age, and so a period.
_AGED = re.compile(
    r"\b(?:older|(?:for|since) (?:over|more than|longer than)|open|waiting|down|joined|\w+ed) (?:\w+ )?(?:than|over)\b"
    r"|\bago\b|\bolder\b|\bfor (?:over|more than|longer than)\b",
    re.IGNORECASE,
)
_LASTING = re.compile(r"\b(?:took|take|takes|taken|lasts?|lasted|duration|ran|needed)\b", re.IGNORECASE)


def denial_in(words: Sequence[str]) -> str:
    """The word by which it denies something; empty where it does not, or says so in an expression that has a meaning
    of its own (`nobody picked up`)."""
    told = telling(words, at_least=2)
    for place, word in enumerate(words):
        if place not in told and (word in _DENIALS or word.endswith("n't")):
            after = words[place + 1] if place + 1 < len(words) else ""
            if after not in _DENIES_NOTHING and tuple(words[place + 1 :]) not in _AT_THE_END:
                return word
    return ""


def exception_in(text: str) -> str:
    """What it leaves out, as it says so; empty for nothing."""
    found = _EXCEPT.search(text)
    return found[0] if found else ""


def comparison_in(text: str, *, of_time: bool) -> str:
    """The amount or thing that it compares with, as it says so; empty for none. `of_time`: a period was read out of the
    text, so that an age (`more than two weeks ago`) is none."""
    found = _COMPARED.search(text) or _THAN.search(text)
    if found is None or (of_time and _AGED.search(text) and not _LASTING.search(text)):
        return ""
    return " ".join(found[0].split())
