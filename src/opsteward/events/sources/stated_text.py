"""A line for people that says itself how it stands, as "[FIRING:2] Disk full" or "Backup failed for db1":
whether it is over, how bad it is, and what is left without those words and without measurements, which is the same for
the trouble and for its end. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from opsteward.events.sources.values import outcome_of, severity_word

#: Words that are about the state when they are shouted, stand in brackets or behind "is".
_STATED = re.compile(
    r"\b[A-Z]{2,20}\b|[\[(]([A-Z]{2,20}|[A-Z]?[a-z]{1,19})(?::\d+)?[\])]|\b(?:is|now|went|came|has)\s+([A-Za-z]{2,20})\b"
)
#: The same in small letters between others: what came of it ("Backup failed for db1"); and how monit says it of things.
_CAME_OF_IT = re.compile(r"\b(?:failed|succeeded|recovered|restored)\b|(?<=-- )(?:does not exist|exists)\b", re.I)
_OUTCOMES = {"exists": True, "restored": True, "does not exist": False}
_UNITS = (
    r"(?:%|percent\b|°\s?[CFK]?|[kKMGTP]i?(?:B|bit)(?:/s|ps)?|bytes?|[kKMG]?bps|/s|[mµun]s|s|secs?|seconds?|mins?|minutes?"
    r"|h|hrs?|hours?|days?|weeks?|[kM]?W|[km]?V|[kMG]?Hz|rpm)"
)
_NUMBER = r"[-+]?\d[\d,]*(?:\.\d+)?"
_ENDS = r"(?![\w-]|[.:/]\d)"
_BEGINS = r"(?<![\w.:/#-])"
#: A number is a measurement by its unit, by how it is written or by what stands before it. Any other may be the name of
#: a thing ("Node 4", "job 17", "port 443"), and stays.
_MEASURED = re.compile(
    rf"{_BEGINS}(?:{_NUMBER}(?:\s?{_UNITS}|[md]){_ENDS}|\d{{1,3}}(?:,\d{{3}})+{_ENDS}|\d\d:\d\d(?::\d\d)?{_ENDS})"
    rf"|(?<=[(,:;])\s?[-+]?\d+\.\d+(?:\s?{_UNITS})?{_ENDS}"
    rf"|(?:(?<=[=<>≤≥~])|(?<=[=<>≤≥~]\s)){_NUMBER}(?:\s?{_UNITS})?{_ENDS}"
)
_COMPARED = re.compile(
    r"\b(at|is|was|than|above|below|over|under|exceed(?:s|ed|ing)?|reach(?:es|ed)|holds|has|value|average|load|usage)"
    rf"\s+{_NUMBER}{_ENDS}",
    re.IGNORECASE,
)


def words_about_state(text: str) -> list[str]:
    """The words of the text that may be about its state, what came of it last."""
    return _stated(text) + [found[0] for found in _CAME_OF_IT.finditer(text)]


def _stated(text: str) -> list[str]:
    return [word for found in _STATED.finditer(text) if (word := found[1] or found[2] or found[0])]


def is_over(words: Sequence[str]) -> bool | None:
    """What the last word about the state says; None where none says anything."""
    told = [outcome for word in words if (outcome := _outcome(word)) is not None]
    return told[-1] if told else None


def severity_in(text: str) -> str | None:
    """high or medium, where a word says so. That something failed says not how bad it is."""
    ranked = [severity_word(word) for word in _stated(text)]
    return next((level for level in ("high", "medium") if level in ranked), None)


def without_state(text: str, words: Sequence[str]) -> str:
    """What the text is about, in small letters; empty where it says nothing but a state."""
    text = _COMPARED.sub(r"\1 #", _MEASURED.sub("#", text))
    for word in words:
        if _outcome(word) is not None or severity_word(word) is not None:
            text = re.sub(rf"\b{re.escape(word)}\b(?::[0-9#]+\])?", "", text)
    return " ".join(re.findall(r"[\w#.@/-]+", text)).casefold()


def _outcome(word: str) -> bool | None:
    return _OUTCOMES.get(word.casefold(), outcome_of(word))
