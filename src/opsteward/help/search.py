"""Passages for a question: by words over pages, chunks and titles, then the nearest in meaning of the best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opsteward.core.blocking_calls import in_thread
from opsteward.help.corpus import Corpus, FoundChunk
from opsteward.help.postings import TITLE
from opsteward.help.ranking import DEFAULT, PageHit, PageTable, Weights, rank_pages
from opsteward.help.vectors import nearness, shipped_vectors
from opsteward.help.words import terms

_READ_PAGES = 60
_READ_CHUNKS = 2  # of each page
QUERY_TERM_LIMIT = 40


@dataclass(frozen=True, slots=True)
class Hit:
    """A page that was found, with its best chunk. `coverage`: the share, by weight, of the question's terms in the
    chunk; `meaning`: how near it is, from -1 to 1; `score`: among the hits of one question."""

    page: int
    chunk: FoundChunk
    score: float
    coverage: float
    meaning: float


async def search(corpus: Corpus, question: str, *, limit: int = 10, weights: Weights = DEFAULT) -> list[Hit]:
    """The best pages for a question, best first."""
    query = list(dict.fromkeys(terms(question)))[:QUERY_TERM_LIMIT]
    if not query or not len(corpus.tokens):
        return []
    postings = await corpus.postings([*query, *(TITLE + term for term in query)])
    table = PageTable.of(corpus.tokens, corpus.chunks)
    pages = await in_thread(rank_pages, query, postings, table, weights)
    wanted = [number for page in pages[:_READ_PAGES] for number in page.chunks[:_READ_CHUNKS]]
    chunks = await corpus.read(wanted)
    return await in_thread(_ranked, question, pages[:_READ_PAGES], chunks, weights, limit)


def _ranked(
    question: str, pages: list[PageHit], chunks: Mapping[int, FoundChunk], weights: Weights, limit: int
) -> list[Hit]:
    """The pages by words and meaning together."""
    pages = [page for page in pages if any(number in chunks for number in page.chunks)]
    if not pages:
        return []
    vectors = shipped_vectors()
    near: dict[int, float] = {}
    if vectors is not None and weights.meaning:
        numbers = [n for page in pages for n in page.chunks if n in chunks]
        values = nearness(vectors.vector(question), [chunks[n].vector for n in numbers])
        near = dict(zip(numbers, values.tolist(), strict=True))
    most = max(page.score for page in pages)
    hits = []
    for page in pages:
        own = [number for number in page.chunks if number in chunks]
        meaning = max((near.get(number, 0.0) for number in own), default=0.0)
        score = page.score / most + weights.meaning * meaning
        hits.append(Hit(page.page, chunks[own[0]], score, page.coverage, meaning))
    return sorted(hits, key=lambda hit: -hit.score)[:limit]
