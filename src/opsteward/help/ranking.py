"""Which pages answer a question best: BM25 over pages, their chunks and their titles, then nearness of meaning."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opsteward.help.postings import PLACE_BITS, TITLE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from opsteward.help.postings import Postings


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How much each sign counts. Fitted on the corpora that evals/help names for that, and on none of the others."""

    k1: float = 1.2
    page_b: float = 0.5
    chunk_b: float = 0.6
    page: float = 1.0
    chunk: float = 1.0
    title: float = 0.3
    meaning: float = 0.5
    candidates: int = 60


DEFAULT = Weights()


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
    """A page, its score, and the numbers of its best chunks, best first. `coverage`: the share of the question's terms,
    by their weight, that its best chunk holds."""

    page: int
    score: float
    chunks: tuple[int, ...]
    coverage: float


def rank_pages(
    query: Sequence[str], postings: Mapping[str, Postings], table: PageTable, weights: Weights = DEFAULT
) -> list[PageHit]:
    """The best pages by words, best first. `postings`: of each term of the query, and of `t:` before it."""
    import numpy as np

    live = table.tokens > 0
    pages, chunks = len(table.tokens), int(table.first_chunk[-1])
    if not pages or not live.any():
        return []
    average = float(table.tokens[live].mean())
    by_page = np.zeros(pages, dtype=np.float32)
    by_title = np.zeros(pages, dtype=np.float32)
    by_chunk = np.zeros(chunks, dtype=np.float32)
    covered = np.zeros(chunks, dtype=np.float32)
    live_pages, total_idf = int(live.sum()), 0.0
    per_chunk = max(1.0, float(table.tokens[live].sum()) / max(1, chunks))
    page_norm = weights.k1 * (1 - weights.page_b + weights.page_b * table.tokens / average)
    for term in dict.fromkeys(query):
        records = postings.get(term)
        idf = math.log(1 + live_pages)
        if records is not None and len(records):
            page = records["chunk"] >> PLACE_BITS
            keep = live[page]
            page, records = page[keep], records[keep]
            number = table.first_chunk[page] + (records["chunk"] & ((1 << PLACE_BITS) - 1))
            count = records["count"].astype(np.float32)
            in_page = np.bincount(page, weights=count, minlength=pages).astype(np.float32)
            holding = int(np.count_nonzero(in_page))
            idf = math.log(1 + (live_pages - holding + 0.5) / (holding + 0.5))
            by_page += idf * in_page * (weights.k1 + 1) / (in_page + page_norm)
            length = records["length"].astype(np.float32) * 2
            norm = weights.k1 * (1 - weights.chunk_b + weights.chunk_b * length / per_chunk)
            by_chunk[number] += idf * count * (weights.k1 + 1) / (count + norm)
            covered[number] += idf
        total_idf += idf
        named = postings.get(TITLE + term)
        if named is not None and len(named):
            page = named["chunk"] >> PLACE_BITS
            page = page[live[page]]
            by_title[page] += idf
    return _best(by_page, by_chunk, by_title, covered / max(total_idf, 1e-6), table, weights)


def _best(
    by_page: NDArray[np.float32],
    by_chunk: NDArray[np.float32],
    by_title: NDArray[np.float32],
    covered: NDArray[np.float32],
    table: PageTable,
    weights: Weights,
) -> list[PageHit]:
    import numpy as np

    best_chunk = np.zeros(len(by_page), dtype=np.float32)
    filled = np.flatnonzero(np.diff(table.first_chunk))
    if len(filled):
        best_chunk[filled] = np.maximum.reduceat(by_chunk, table.first_chunk[filled])
    score = weights.page * by_page + weights.chunk * best_chunk + weights.title * by_title
    count = min(weights.candidates, int(np.count_nonzero(score)))
    if not count:
        return []
    order = np.argpartition(-score, count - 1)[:count]
    order = order[np.argsort(-score[order], kind="stable")]
    hits = []
    for page in order.tolist():
        begin, end = int(table.first_chunk[page]), int(table.first_chunk[page + 1])
        own = by_chunk[begin:end]
        places = np.argsort(-own, kind="stable")[:3].tolist()
        numbers = tuple((page << PLACE_BITS) + place for place in places)
        coverage = float(covered[begin + places[0]]) if places else 0.0
        hits.append(PageHit(page, float(score[page]), numbers, coverage))
    return hits
