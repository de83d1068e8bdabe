"""Which term stands where: postings as fixed-width records, so that those of two batches are joined end to end.

A chunk's number is its page's number and its place in the page. A page is a document, or a part of a long one; pages
are numbered within a tenant and never again. `t:` before a term marks those of the title and
the headings, one record for a page.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from opsteward.help.chunking import Chunk
from opsteward.help.languages import ENGLISH
from opsteward.help.words import terms

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Postings: TypeAlias = NDArray[np.void]

PLACE_BITS = 10
CHUNKS_PER_PAGE = 1 << PLACE_BITS
TITLE = "t:"
LENGTH_UNIT = 2  # tokens


def posting_type() -> np.dtype[np.void]:
    """One record: the chunk's number, how often the term stands in it (to 255), and the chunk's length in pairs of
    tokens (to 255)."""
    import numpy as np

    return np.dtype([("chunk", "<u4"), ("count", "u1"), ("length", "u1")])


@dataclass(frozen=True, slots=True)
class PageSize:
    """How many chunks and tokens a page has."""

    chunks: int
    tokens: int


class PostingsWriter:
    """Gathers the postings of pages, numbered from 0 in the order in which they are added."""

    def __init__(self) -> None:
        self.pages: list[PageSize] = []
        self._chunks: defaultdict[str, list[int]] = defaultdict(list)

    def add_page(self, title: str, chunks: Sequence[Chunk], language: str = ENGLISH, asked_as: str = "") -> PageSize:
        """A page of up to CHUNKS_PER_PAGE chunks in this language. `asked_as`: words of its subject beside its text."""
        page = len(self.pages) << PLACE_BITS
        total = 0
        for place, chunk in enumerate(chunks):
            found = terms(chunk.heading, language)
            found += terms(chunk.text, language)
            if place == 0:
                found += terms(asked_as, language)
            total += len(found)
            self._note(page + place, Counter(found), len(found))
        named = terms(" ".join((title, asked_as, *dict.fromkeys(chunk.heading for chunk in chunks))), language)
        self._note(page, Counter(TITLE + term for term in named), len(named))
        size = PageSize(len(chunks), max(1, total))
        self.pages.append(size)
        return size

    def packed(self) -> dict[str, bytes]:
        """All postings by term."""
        import numpy as np

        packed = {}
        for term, flat in self._chunks.items():
            records = np.empty(len(flat) // 3, dtype=posting_type())
            values = np.array(flat, dtype=np.uint32)
            records["chunk"], records["count"], records["length"] = values[0::3], values[1::3], values[2::3]
            packed[term] = records.tobytes()
        return packed

    def _note(self, number: int, counts: Counter[str], length: int) -> None:
        short = min(255, length // LENGTH_UNIT)
        for term, count in counts.items():
            self._chunks[term] += (number, min(255, count), short)


def read_postings(data: bytes) -> Postings:
    """The records of a term."""
    import numpy as np

    return np.frombuffer(data, dtype=posting_type())


def moved(packed: Mapping[str, bytes], pages: int) -> Iterable[tuple[str, bytes]]:
    """The postings with their pages' numbers raised by so many."""
    for term, data in packed.items():
        records = read_postings(data).copy()
        records["chunk"] += pages << PLACE_BITS
        yield term, records.tobytes()
