"""A corpus that is searched: a tenant's in the database, or one in memory; several are searched as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from opsteward.help.indexing import Indexed, IndexedChunk, IndexedDocument
from opsteward.help.postings import PLACE_BITS, read_postings
from opsteward.help.types import PassageKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from opsteward.help.postings import Postings


@dataclass(frozen=True, slots=True)
class FoundChunk:
    """A chunk with what is needed to show and weigh it."""

    title: str
    name: str
    url: str
    kind: PassageKind
    heading: str
    anchor: str
    text: str
    vector: bytes


class Corpus(Protocol):
    """Pages by number from 0, as one asker may see them."""

    #: Tokens of each page, 0 for one that is gone or may not be read; and its number of chunks.
    tokens: NDArray[np.float32]
    chunks: NDArray[np.int64]

    async def postings(self, terms: Sequence[str]) -> Mapping[str, Postings]:
        """Of those terms that stand anywhere."""
        ...

    async def read(self, numbers: Sequence[int]) -> Mapping[int, FoundChunk]:
        """These chunks by number, without those that are gone."""
        ...


class MemoryCorpus:
    """What was indexed, kept as it is: the product's own pages, or a corpus that is measured."""

    def __init__(
        self, indexed: Indexed, *, urls: Mapping[str, str] | None = None, kind: PassageKind = "product"
    ) -> None:
        """`urls`: the addresses of documents by name."""
        import numpy as np

        sizes = [size for document in indexed.documents for size in document.pages]
        self.tokens = np.array([size.tokens for size in sizes], dtype=np.float32)
        self.chunks = np.array([size.chunks for size in sizes], dtype=np.int64)
        self._postings = indexed.postings
        self._urls, self._kind = urls or {}, kind
        self._chunks: dict[int, tuple[IndexedDocument, IndexedChunk]] = {
            chunk.number: (document, chunk) for document in indexed.documents for chunk in document.chunks
        }
        self.names = [document.name for document in indexed.documents for _ in document.pages]

    async def postings(self, terms: Sequence[str]) -> Mapping[str, Postings]:
        """As the protocol says."""
        return {term: read_postings(data) for term in terms if (data := self._postings.get(term)) is not None}

    async def read(self, numbers: Sequence[int]) -> Mapping[int, FoundChunk]:
        """As the protocol says."""
        return {number: self._found(*self._chunks[number]) for number in numbers if number in self._chunks}

    def _found(self, document: IndexedDocument, chunk: IndexedChunk) -> FoundChunk:
        return FoundChunk(
            document.title,
            document.name,
            self._urls.get(document.name, ""),
            self._kind,
            chunk.heading,
            chunk.anchor,
            chunk.text,
            chunk.vector,
        )


class JoinedCorpora:
    """Several corpora, their pages numbered through."""

    def __init__(self, corpora: Sequence[Corpus]) -> None:
        import numpy as np

        self._corpora = corpora
        self._first = np.cumsum([0, *(len(one.tokens) for one in corpora)]).tolist()
        self.tokens = np.concatenate([one.tokens for one in corpora])
        self.chunks = np.concatenate([one.chunks for one in corpora])

    async def postings(self, terms: Sequence[str]) -> Mapping[str, Postings]:
        """As the protocol says."""
        import numpy as np

        found: dict[str, list[Postings]] = {}
        for first, corpus in zip(self._first, self._corpora, strict=False):
            for term, records in (await corpus.postings(terms)).items():
                shifted = records.copy()
                shifted["chunk"] += first << PLACE_BITS
                found.setdefault(term, []).append(shifted)
        return {term: several[0] if len(several) == 1 else np.concatenate(several) for term, several in found.items()}

    async def read(self, numbers: Sequence[int]) -> Mapping[int, FoundChunk]:
        """As the protocol says."""
        found: dict[int, FoundChunk] = {}
        for first, end, corpus in zip(self._first, self._first[1:], self._corpora, strict=False):
            own = [number - (first << PLACE_BITS) for number in numbers if first <= number >> PLACE_BITS < end]
            if own:
                chunks = await corpus.read(own)
                found.update((number + (first << PLACE_BITS), chunk) for number, chunk in chunks.items())
        return found
