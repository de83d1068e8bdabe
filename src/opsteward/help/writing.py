"""Answers in a model's words, of passages that were found. A sentence stays where it names passages that hold its words
and all its numbers; the others are cut."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from opsteward.help.languages import language_of
from opsteward.help.words import terms

_SENTENCE_LIMIT = 600  # characters
_HELD = 0.5  # of a sentence's terms, that the passages it names must hold
_MARK = re.compile(r"\s*\[\d+(?:\s*,\s*\d+)*\]")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


@dataclass(frozen=True, kw_only=True)
class WrittenSentence:
    """A sentence, and the numbers (from 1) of the passages that it rests on, as the model says."""

    text: str
    sources: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Written:
    """What a model wrote."""

    sentences: Sequence[WrittenSentence]
    model: str


class Writer(Protocol):
    """Asks a model, within what the tenant may spend. Raises OpsError where none gives an answer."""

    async def __call__(self, tenant_id: UUID, *, question: str, passages: Sequence[str]) -> Written:
        """An answer from these passages alone."""
        ...


def supported(written: Written, passages: Sequence[str]) -> str:
    """The sentences that their passages bear out, with marks of these; empty for none."""
    language = language_of(" ".join(passages))
    kept = []
    for sentence in written.sentences:
        text = _MARK.sub("", " ".join(sentence.text.split()))[:_SENTENCE_LIMIT]
        named = [number for number in dict.fromkeys(sentence.sources) if 1 <= number <= len(passages)]
        source = " ".join(passages[number - 1] for number in named)
        if text and named and _bears_out(source, text, language):
            kept.append(f"{text} {''.join(f'[{number}]' for number in named)}")
    return " ".join(kept)


def _bears_out(source: str, text: str, language: str) -> bool:
    wanted, there = set(terms(text, language)), set(terms(source, language))
    if not wanted or not set(_NUMBER.findall(text)) <= set(_NUMBER.findall(source)):
        return False
    return len(wanted & there) >= _HELD * len(wanted)
