"""Which pages answer a question best: BM25 over pages, their chunks and their titles, then nearness of meaning."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opsteward.help.postings import LENGTH_UNIT, PLACE_BITS, TITLE, posting_type

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from opsteward.help.postings import Postings


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How much each sign counts. Chosen on questions of evals/help, and so that questions in
    a document's own words are answered no worse than by BM25 alone."""

    k1: float = 1.2
    page_b: float = 0.5
    chunk_b: float = 0.6
    #: BM25 of the page and of its best chunk; both together divided by `scale`.
    page: float = 1.0
    chunk: float = 1.0
    scale: float = 10.0
    #: Shares of the question's terms, by their weight, in the title and headings, and in how the page begins.
    headings: float = 0.4
    lead: float = 0.4
    #: Nearness of meaning of the best chunk, of the second best, and of the first in the page.
    meaning: float = 2.5
    second: float = 0.4
    gist: float = 0.3
    candidates: int = 100


DEFAULT = Weights()
BEST_CHUNKS = 3


@dataclass(frozen=True)
class PageTable:
    """The pages of a corpus by number: their tokens (0: none that may be read) and where their chunks begin if all are
    numbered through."""

    tokens: NDArray[np.float32]
    first_chunk: NDArray[np.int64]

    @classmethod
    def of(cls, tokens: NDArray[np.float32], chunks: NDArray[np.int64]) -> PageTable:
        """From each page's tokens and its number of chunks."""
        import numpy as np

        first = np.zeros(len(chunks) + 1, dtype=np.int64)
        np.cumsum(chunks, out=first[1:])
        return cls(tokens, first)


@dataclass(frozen=True, slots=True)
class PageHit:
    """A page, its score by words, and the numbers of its best chunks, best first. `coverage`, `headings`: the share of
    the question's terms, by their weight, that its best chunk and its headings hold."""

    page: int
    score: float
    chunks: tuple[int, ...]
    coverage: float
    headings: float


@dataclass(frozen=True, slots=True)
class RankedPages:
    """The best pages by words, best first, and the weight of each of the question's terms."""

    pages: list[PageHit]
    idf: Mapping[str, float]


def rank_pages(
    query: Sequence[str], postings: Mapping[str, Postings], table: PageTable, weights: Weights = DEFAULT
) -> RankedPages:
    """The best pages by words. `postings`: of each term of the query, and of `t:` before it."""
    import numpy as np

    live = table.tokens > 0
    pages, chunks = len(table.tokens), int(table.first_chunk[-1])
    if not pages or not live.any():
        return RankedPages([], {})
    by_page = np.zeros(pages, dtype=np.float32)
    by_heading = np.zeros(pages, dtype=np.float32)
    by_chunk = np.zeros(chunks, dtype=np.float32)
    covered = np.zeros(chunks, dtype=np.float32)
    live_pages = int(live.sum())
    per_chunk = max(1.0, float(table.tokens[live].sum()) / max(1, chunks))
    page_norm = weights.k1 * (1 - weights.page_b + weights.page_b * table.tokens / float(table.tokens[live].mean()))
    idf = {}
    for term in query:
        page, records = _readable(postings.get(term), live)
        count = records["count"].astype(np.float32)
        in_page = np.bincount(page, weights=count, minlength=pages).astype(np.float32)
        holding = int(np.count_nonzero(in_page))
        weight = idf[term] = math.log(1 + (live_pages - holding + 0.5) / (holding + 0.5))
        by_page += weight * in_page * (weights.k1 + 1) / (in_page + page_norm)
        number = table.first_chunk[page] + (records["chunk"] & ((1 << PLACE_BITS) - 1))
        length = records["length"].astype(np.float32) * LENGTH_UNIT
        norm = weights.k1 * (1 - weights.chunk_b + weights.chunk_b * length / per_chunk)
        by_chunk[number] += weight * count * (weights.k1 + 1) / (count + norm)
        covered[number] += weight
        by_heading[_readable(postings.get(TITLE + term), live)[0]] += weight
    total = max(sum(idf.values()), 1e-6)
    return RankedPages(_best(by_page, by_chunk, by_heading / total, covered / total, table, weights), idf)


def _readable(records: Postings | None, live: NDArray[np.bool_]) -> tuple[NDArray[np.uint32], Postings]:
    """The records of pages that may be read, and their pages."""
    import numpy as np

    if records is None:
        records = np.empty(0, dtype=posting_type())
    page = records["chunk"] >> PLACE_BITS
    keep = live[page]
    return page[keep], records[keep]


def _best(
    by_page: NDArray[np.float32],
    by_chunk: NDArray[np.float32],
    by_heading: NDArray[np.float32],
    covered: NDArray[np.float32],
    table: PageTable,
    weights: Weights,
) -> list[PageHit]:
    import numpy as np

    best_chunk = np.zeros(len(by_page), dtype=np.float32)
    filled = np.flatnonzero(np.diff(table.first_chunk))
    if len(filled):
        best_chunk[filled] = np.maximum.reduceat(by_chunk, table.first_chunk[filled])
    score = (weights.page * by_page + weights.chunk * best_chunk) / weights.scale
    count = min(weights.candidates, int(np.count_nonzero(score)))
    if not count:
        return []
    order = np.argpartition(-score, count - 1)[:count]
    order = order[np.argsort(-score[order], kind="stable")]
    hits = []
    for page in order.tolist():
        begin, end = int(table.first_chunk[page]), int(table.first_chunk[page + 1])
        places = np.argsort(-by_chunk[begin:end], kind="stable")[:BEST_CHUNKS].tolist()
        numbers = tuple((page << PLACE_BITS) + place for place in places)
        coverage = float(covered[begin + places[0]])
        hits.append(PageHit(page, float(score[page]), numbers, coverage, float(by_heading[page])))
    return hits
