"""Answers from documents: the best passages, quoted with their sources, or that nothing is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from opsteward.help.quoting import quote_of
from opsteward.help.search import Findings, Hit
from opsteward.help.types import Citation

CITATION_LIMIT = 3
_NEAR = 0.75  # of the best hit's score, below which another is not quoted beside it
#: How sure the first hits make that the corpus answers the question: fitted on questions of evals/help that may be
#: looked at and on half of its unanswerable ones; the constant so that nine of ten of all those are refused.
_CONSTANT, _COVERAGE, _MEANING, _STRANGE, _SHORT = -3.95, 5.25, 5.86, -4.88, -7.17
#: A page of Opsteward's own is likelier meant, the more so by its headings: fitted on questions for them in people's
#: own words, so that 19 of 20 questions for nobody are still refused.
_OWN, _OWN_HEADINGS = 0.9, 2.0


def confidence(found: Findings) -> float:
    """How likely the best of these hits answers the question, from 0 to 1."""
    if not found.hits:
        return 0.0
    best = max(_speaking_for(hit) for hit in found.hits[:3])
    sure = _CONSTANT + best + _STRANGE * found.strange + _SHORT / max(1, found.terms)
    return 1 / (1 + math.exp(-sure))


def _speaking_for(hit: Hit) -> float:
    own = _OWN + _OWN_HEADINGS * hit.headings if hit.chunk.kind == "product" else 0.0
    return _COVERAGE * hit.coverage + _MEANING * hit.meaning + own


@dataclass(frozen=True)
class Quoted:
    """What is quoted, and the whole of each passage."""

    citations: list[Citation]
    passages: list[str]


def quoted_of(question: str, found: Findings) -> Quoted:
    """The first hit and those that are nearly as good, each with what of it is quoted."""
    hits = [hit for hit in found.hits[:CITATION_LIMIT] if hit.score >= _NEAR * found.hits[0].score]
    citations = [
        Citation(
            title=_title(hit), url=_url(hit), quote=quote_of(question, hit.chunk.text, found.idf), kind=hit.chunk.kind
        )
        for hit in hits
    ]
    return Quoted(citations, [f"{_title(hit)}\n{hit.chunk.text}" for hit in hits])


def in_words(citations: Sequence[Citation]) -> str:
    """The quotes as one text, each with its source's number."""
    return "\n\n".join(
        f"{f'Seen before, in {one.title}. ' if one.kind == 'case' else ''}{one.quote} [{number}]"
        for number, one in enumerate(citations, 1)
    )


def _title(hit: Hit) -> str:
    title, heading = hit.chunk.title, hit.chunk.heading.split(" > ")[-1]
    return title if not heading or heading == title else f"{title}: {heading}"


def _url(hit: Hit) -> str:
    chunk = hit.chunk
    return f"{chunk.url}#{chunk.anchor}" if chunk.kind == "product" and chunk.anchor else chunk.url
