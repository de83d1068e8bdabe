"""A tenant's documents as one asker may see them. What all askers share is kept until a document changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.core.db import tenant_of
from opsteward.help.corpus import FoundChunk
from opsteward.help.models import HelpChunk, HelpCorpus, HelpDocument
from opsteward.help.postings import read_postings
from opsteward.help.storing import read_postings_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from opsteward.help.postings import Postings

CASE_PREFIX = "case:"
OWNER = "owner"
_KEPT_TENANTS = 20


def may_read(access: Sequence[str], identity: Identity) -> bool:
    """Whether somebody has one of these roles or permissions, or none is asked for; owners may read all."""
    return not access or OWNER in identity.roles or any(one in identity.roles or identity.may(one) for one in access)


@dataclass(frozen=True)
class _Pages:
    """Of all pages: tokens (0: gone), chunks, and which of `rules` says who may read it."""

    version: int
    tokens: NDArray[np.float32]
    chunks: NDArray[np.int64]
    rule: NDArray[np.int32]
    rules: list[tuple[str, ...]]


class TenantCorpora:
    """One per process."""

    def __init__(self) -> None:
        self._kept: OrderedDict[UUID, _Pages] = OrderedDict()
        self._lock = threading.Lock()

    async def open(self, session: AsyncSession, identity: Identity) -> TenantCorpus:
        """The corpus of this unit of work's tenant, for this asker."""
        import numpy as np

        pages = await self._pages(session)
        allowed = np.array([may_read(rule, identity) for rule in pages.rules], dtype=bool)
        tokens = pages.tokens
        if len(allowed) and not allowed.all():
            tokens = np.where(allowed[pages.rule], tokens, np.float32(0))
        return TenantCorpus(session, tokens, pages.chunks)

    async def _pages(self, session: AsyncSession) -> _Pages:
        tenant = tenant_of(session)
        version = await session.scalar(sa.select(HelpCorpus.version).where(HelpCorpus.tenant_id == tenant)) or 0
        with self._lock:
            kept = self._kept.get(tenant)
            if kept is not None and kept.version == version:
                self._kept.move_to_end(tenant)
                return kept
        read = await _read_pages(session, tenant, version)
        with self._lock:
            self._kept[tenant] = read
            self._kept.move_to_end(tenant)
            while len(self._kept) > _KEPT_TENANTS:
                self._kept.popitem(last=False)
        return read


async def _read_pages(session: AsyncSession, tenant: UUID, version: int) -> _Pages:
    import numpy as np

    rows = (
        await session.execute(
            sa.select(
                HelpDocument.first_page, HelpDocument.page_tokens, HelpDocument.page_chunks, HelpDocument.access
            ).where(HelpDocument.tenant_id == tenant, HelpDocument.status == "indexed")
        )
    ).all()
    count = max((row.first_page + len(row.page_tokens) for row in rows), default=0)
    tokens = np.zeros(count, dtype=np.float32)
    chunks = np.zeros(count, dtype=np.int64)
    rule = np.zeros(count, dtype=np.int32)
    rules: dict[tuple[str, ...], int] = {(): 0}
    for row in rows:
        own = slice(row.first_page, row.first_page + len(row.page_tokens))
        tokens[own], chunks[own] = row.page_tokens, row.page_chunks
        rule[own] = rules.setdefault(tuple(sorted(row.access)), len(rules))
    return _Pages(version, tokens, chunks, rule, list(rules))


class TenantCorpus:
    """See `corpus.Corpus`; within one unit of work."""

    def __init__(self, session: AsyncSession, tokens: NDArray[np.float32], chunks: NDArray[np.int64]) -> None:
        self._session = session
        self.tokens, self.chunks = tokens, chunks

    async def postings(self, terms: Sequence[str]) -> Mapping[str, Postings]:
        """As the protocol says."""
        found = await read_postings_of(self._session, terms)
        return {term: self._known(read_postings(records)) for term, records in found.items()}

    def _known(self, records: Postings) -> Postings:
        """Without those of pages beyond: documents that came while the question was answered, or that are gone."""
        from opsteward.help.postings import PLACE_BITS

        beyond = len(self.tokens) << PLACE_BITS
        return records if not len(records) or records["chunk"][-1] < beyond else records[records["chunk"] < beyond]

    async def read(self, numbers: Sequence[int]) -> Mapping[int, FoundChunk]:
        """As the protocol says."""
        tenant = tenant_of(self._session)
        rows = await self._session.execute(
            sa.select(
                HelpChunk.number, HelpChunk.heading, HelpChunk.anchor, HelpChunk.text, HelpChunk.vector,
                HelpDocument.id, HelpDocument.title, HelpDocument.name, HelpDocument.url,
            )
            .join(HelpDocument, HelpDocument.id == HelpChunk.document_id)
            .where(HelpChunk.tenant_id == tenant, HelpDocument.tenant_id == tenant, HelpChunk.number.in_(numbers))
        )  # fmt: skip
        found = {}
        for number, heading, anchor, text, vector, document_id, title, name, url in rows:
            case = name.startswith(CASE_PREFIX)
            address = (
                f"/incidents/{name.removeprefix(CASE_PREFIX)}" if case else _address(document_id, number, anchor, url)
            )
            kind = "case" if case else "document"
            found[number] = FoundChunk(title, name, address, kind, heading, anchor, text, vector)
        return found


def _address(document_id: UUID, number: int, anchor: str, url: str | None) -> str:
    """Where a person reads it: at its source, else as we keep it."""
    if url:
        return f"{url.partition('#')[0]}#{anchor}" if anchor else url
    return f"/help/documents/{document_id}#c{number}"
