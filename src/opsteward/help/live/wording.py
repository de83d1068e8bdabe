"""What people mean by the words they choose: see `wording.yaml`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

#: `whats`, `who's`, `hows`: a question word and `is`.
_SHORTENED = re.compile(r"\b(what|who|how|where|when|why)['’]?s\b", re.IGNORECASE)

#: What people say before they ask.
_POLITE = re.compile(
    r"^\W*(?:(?:hi|hey|hello|good (?:morning|afternoon|evening|day)|hallo|moin|morning|ok(?:ay)?|so|and|well|um+|sorry"
    r"|quick question|just checking|just curious|one question|please|pls|folks|team|guys|there)\b[\s,.:;!-]*)*"
    r"(?:(?:(?:do|does|can|could|would|will) (?:you|we|anyone|anybody|someone|somebody)(?: please)?(?: happen to)?"
    r" (?:know|tell(?: me| us)?|say|check|look up|find out|let me know|remind me|see)"
    r"|(?:i(?:'d| would) (?:like|love|need) to know|i (?:wonder|was wondering|need to know|want to know|am wondering)"
    r"|i'm wondering|any idea|any clue|(?:please )?(?:tell|remind) (?:me|us)|let me know|not sure)"
    r")(?: (?:about|whether|if|please))?[\s,:-]+(?!about\b))?",
    re.IGNORECASE,
)
_OVERVIEW = re.compile(
    r"^(?:(?:can|could|would|will) you )?(?:please )?(?:give|show|get|send|fetch|bring) (?:me|us) (?:a|an|the|some)"
    r" (?:\w+ )?(?:overview|rundown|summary|list|idea|update|breakdown|picture)(?: (?:of|on|about))?\s+",
    re.IGNORECASE,
)


def in_full(text: str) -> str:
    """The text without what is said before it for politeness, and with shortened question words written out."""
    asked = _OVERVIEW.sub("show ", _POLITE.sub("", text))
    return _SHORTENED.sub(r"\1 is", asked if asked.strip(" ?!.") else text)


def meanings(words: Sequence[str]) -> list[str]:
    """What is meant by words in small letters, beside what they say."""
    return list(dict.fromkeys(meaning for _, _, meant in _found(words) for meaning in meant))


def telling(words: Sequence[str], *, at_least: int = 1) -> set[int]:
    """The places of those of the words by which something is meant, that many of them together."""
    return {place for begin, end, _ in _found(words) if end - begin >= at_least for place in range(begin, end)}


def _found(words: Sequence[str]) -> list[tuple[int, int, Sequence[str]]]:
    """From where to where what stands that means what; what is part of something longer means nothing by itself."""
    by_first = _variants()
    found = [
        (place, place + len(variant), meant)
        for place, word in enumerate(words)
        for variant, meant in by_first.get(word, ())
        if tuple(words[place : place + len(variant)]) == variant
    ]
    return [
        one
        for one in found
        if not any(other[0] <= one[0] and one[1] <= other[1] and other[:2] != one[:2] for other in found)
    ]


@cache
def _variants() -> Mapping[str, Sequence[tuple[tuple[str, ...], tuple[str, ...]]]]:
    """What is said, by its first word, with all that it means."""
    import yaml

    text = (files("opsteward.help.live") / "wording.yaml").read_text(encoding="utf-8")
    meant = defaultdict[str, list[str]](list)
    for meaning, variants in yaml.safe_load(text).items():
        for variant in variants:
            meant[variant].append(meaning)
    found = defaultdict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]](list)
    for variant, all_meant in meant.items():
        words = tuple(variant.split())
        found[words[0]].append((words, tuple(all_meant)))
    return dict(found)
