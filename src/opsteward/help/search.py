"""Passages for a question: by words over pages, chunks and titles, then the nearest in meaning of the best."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from opsteward.core.blocking_calls import in_thread
from opsteward.help.corpus import Corpus, FoundChunk
from opsteward.help.languages import LANGUAGES, language_of, stem
from opsteward.help.postings import PLACE_BITS, TITLE
from opsteward.help.ranking import DEFAULT, PageTable, RankedPages, Weights, rank_pages
from opsteward.help.spelling import corrected
from opsteward.help.vectors import nearness, shipped_vectors
from opsteward.help.words import terms, words_by_term

if TYPE_CHECKING:
    from opsteward.help.postings import Postings

QUERY_TERM_LIMIT = 40
_LEAD_CHARACTERS = 300
_RARE = 2e-4  # of all pages: a term on fewer is strange to the corpus


@dataclass(frozen=True, slots=True)
class Hit:
    """A page that was found, with its best chunk. `coverage`: the share, by weight, of the question's terms in the
    chunk, and in the page's headings (`headings`); `meaning`: how near it is, from -1 to 1; `score`: among
    the hits of one question."""

    page: int
    chunk: FoundChunk
    score: float
    coverage: float
    meaning: float
    headings: float


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found for a question. `terms`: how many words of it count; `strange`: the share of them, by weight, that
    stand nearly nowhere; `idf`: the weight of each."""

    hits: list[Hit]
    terms: int = 0
    strange: float = 1.0
    idf: Mapping[str, float] = field(default_factory=dict)


async def search(corpus: Corpus, question: str, *, limit: int = 10, weights: Weights = DEFAULT) -> Findings:
    """The best pages for a question, best first."""
    language = language_of(question)
    words = dict(islice(words_by_term(question, language).items(), QUERY_TERM_LIMIT))
    if not words or not len(corpus.tokens):
        return Findings([])
    postings = dict(await corpus.postings([*words, *(TITLE + term for term in words)]))
    query = await _as_meant(corpus, words, postings)
    table = PageTable.of(corpus.tokens, corpus.chunks)
    ranked = await in_thread(rank_pages, query, postings, table, weights)
    wanted = {number for page in ranked.pages for number in (page.page << PLACE_BITS, *page.chunks)}
    chunks = await corpus.read(sorted(wanted))
    hits = await in_thread(_by_meaning, question, ranked, chunks, weights, limit)
    return Findings(hits, len(query), _strange(ranked.idf, int((corpus.tokens > 0).sum())), ranked.idf)


async def _as_meant(corpus: Corpus, words: Mapping[str, str], postings: dict[str, Postings]) -> list[str]:
    """The terms to look for: one that stands nowhere gives way to what its word is in another language, or without a
    slip of the keys, where that stands somewhere; `postings` gets theirs. A compound gives way to its parts."""
    there = {word for term, word in words.items() if term in postings}
    others = {
        term: await in_thread(_other_forms, word, term)
        for term, word in words.items()
        if term not in postings and word not in there
    }
    forms = list(dict.fromkeys(form for several in others.values() for form in several))
    if forms:
        postings.update(await corpus.postings([*forms, *(TITLE + form for form in forms)]))
    found = []
    for term, word in words.items():
        if term in postings:
            found.append(term)
        elif word not in there:
            found.append(next((form for form in others[term] if form in postings), term))
    return list(dict.fromkeys(found))


def _other_forms(word: str, term: str) -> list[str]:
    vectors = shipped_vectors()
    meant = corrected(word, vectors.words) if vectors else None
    forms = [*(terms(meant) if meant else ()), *(stem(word, language) for language in LANGUAGES)]
    return [form for form in dict.fromkeys(forms) if form != term]


def _strange(idf: Mapping[str, float], pages: int) -> float:
    rare = math.log(1 + (pages + 0.5) / (_RARE * pages + 0.5)) - 1e-6
    return sum(weight for weight in idf.values() if weight >= rare) / max(sum(idf.values()), 1e-6)


def _by_meaning(
    question: str, ranked: RankedPages, chunks: Mapping[int, FoundChunk], weights: Weights, limit: int
) -> list[Hit]:
    """The pages by words, headings, beginnings and meaning together."""
    near = _nearness(question, chunks) if weights.meaning else {}
    total, language = max(sum(ranked.idf.values()), 1e-6), language_of(question)
    hits = []
    for page in ranked.pages:
        own = [number for number in page.chunks if number in chunks]
        first = chunks.get(page.page << PLACE_BITS)
        if not own or first is None:
            continue
        best = max(own[:2], key=lambda number: near.get(number, 0.0))
        nearest = sorted((near.get(number, 0.0) for number in own), reverse=True)
        meaning = nearest[0]
        score = page.score + weights.headings * page.headings + weights.meaning * meaning
        score += weights.second * nearest[min(1, len(nearest) - 1)]
        if weights.lead:
            begins = set(terms(f"{first.title} {first.heading} {first.text[:_LEAD_CHARACTERS]}", language))
            score += weights.lead * sum(weight for term, weight in ranked.idf.items() if term in begins) / total
        score += weights.gist * near.get(page.page << PLACE_BITS, 0.0)
        hits.append(Hit(page.page, chunks[best], score, page.coverage, meaning, page.headings))
    return sorted(hits, key=lambda hit: -hit.score)[:limit]


def _nearness(question: str, chunks: Mapping[int, FoundChunk]) -> dict[int, float]:
    """How near in meaning each chunk is, by its number; nothing without vectors."""
    vectors = shipped_vectors()
    if vectors is None or not chunks:
        return {}
    values = nearness(vectors.vector(question), [chunk.vector for chunk in chunks.values()])
    return dict(zip(chunks, values.tolist(), strict=True))
