"""Phrases: what rules look for, written as people write it, and found fast in any text.

A phrase is a row of words. Case, punctuation, camelCase and the apostrophe of "doesn't" do not count, so that
`out of memory` is found in "Out of memory", "out-of-memory" and "OutOfMemoryError". In a phrase

    fail*     a word that begins so          (a|b c)    either of them
    ..        up to five words between       (a|b)?     may be missing; groups may hold groups

An index by the beginnings of words picks the few phrases worth trying, so the time grows with the length of
the text and hardly with the number of phrases. Nothing here knows what a phrase means.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

# Long numbers and the parts of addresses and versions are no words: only codes such as 503 or 13 are.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|(?<![0-9.])[0-9]{1,3}(?![0-9]|[.:][0-9])")
_TOKEN = re.compile(r"\(|\)\??|\||\.\.|[a-z0-9]+\*?")
_GAP = r"(?: [a-z0-9]+){0,5}?"
_STEM = 4  # letters of a word by which phrases are indexed
# Poor keys: so common in troubled logs that they would pick most phrases each time.
_COMMON = frozenset(
    word[:_STEM] for word in ("error", "failed", "invalid", "connection", "user", "not", "no", "is", "was", "are", "be")
)


def words_of(text: str) -> str:
    """The words of a text in lower case, each with one space before and one after the last: " a b "."""
    joined = " ".join(_WORD.findall(text.replace("n't", "nt").replace("n’t", "nt")))
    return f" {joined.lower()} "


class PhraseIndex:
    """Finds which of many phrases occur. Each is known by the number its caller gave it (its rank)."""

    def __init__(self, phrases: Iterable[tuple[int, str]]) -> None:
        """`phrases`: (rank, phrase). Raises ValueError naming a phrase that can't be read."""
        self._by_stem: dict[str, list[tuple[int, re.Pattern[str]]]] = {}
        #: All numbers that a phrase names.
        self.numbers: frozenset[str] = frozenset()
        for rank, phrase in phrases:
            self.numbers |= {token.rstrip("*") for token in _TOKEN.findall(phrase) if token[0].isdigit()}
            pattern, keys = _Reader(phrase).read()
            for key in keys:
                self._by_stem.setdefault(key, []).append((rank, pattern))

    def ranks(self, words: str) -> set[int]:
        """The ranks of all phrases that occur in `words` (as `words_of` gives them)."""
        found: set[int] = set()
        by_stem = self._by_stem
        for stem in {word[:_STEM] for word in words.split()} & by_stem.keys():
            for rank, pattern in by_stem[stem]:
                if rank not in found and pattern.search(words):
                    found.add(rank)
        return found


class _Reader:
    """Reads one phrase into a regular expression and the stems of which any text that holds it has one."""

    def __init__(self, phrase: str) -> None:
        self._phrase = phrase
        self._tokens = _TOKEN.findall(phrase)
        numbers = [token for token in self._tokens if token[0].isdigit() and token.endswith("*")]
        if numbers or "".join(self._tokens) != phrase.replace(" ", ""):
            raise ValueError(f"phrase {phrase!r} can't be read")

    def read(self) -> tuple[re.Pattern[str], frozenset[str]]:
        pattern, keys = self._row()
        if self._tokens or not keys:
            raise ValueError(f"phrase {self._phrase!r} can't be read, or has no word to find it by")
        return re.compile(pattern + "(?= )"), keys

    def _row(self) -> tuple[str, frozenset[str]]:
        """Elements up to the end, "|" or ")". The keys are those of its most telling element."""
        pattern = ""
        choices: list[frozenset[str]] = []
        while self._tokens and self._tokens[0] not in ("|", ")", ")?"):
            word = self._tokens.pop(0)
            if word == "..":
                pattern += _GAP
            elif word == "(":
                part, keys, optional = self._group()
                pattern += part
                if keys and not optional:
                    choices.append(keys)
            else:
                pattern += " " + word.replace("*", "[a-z0-9]*")
                if len(word) > _STEM or not word.endswith("*"):  # "max*" begins many stems: no key
                    choices.append(frozenset([word.rstrip("*")[:_STEM]]))
        return pattern, min(choices, key=self._cost, default=frozenset())

    def _group(self) -> tuple[str, frozenset[str], bool]:
        patterns: list[str] = []
        keys: frozenset[str] = frozenset()
        sure = True  # every alternative has a key
        while True:
            part, part_keys = self._row()
            patterns.append(part)
            keys |= part_keys
            sure = sure and bool(part_keys)
            end = self._tokens.pop(0) if self._tokens else ""
            if end != "|":
                break
        if not end:
            raise ValueError(f"phrase {self._phrase!r}: a bracket is not closed")
        optional = end == ")?"
        return f"(?:{'|'.join(patterns)})" + "?" * optional, keys if sure else frozenset(), optional

    @staticmethod
    def _cost(keys: frozenset[str]) -> tuple[bool, int]:
        return not keys.isdisjoint(_COMMON), len(keys)
