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
from opsteward.help.indexing import CASE_PREFIX
from opsteward.help.models import HelpChunk, HelpCorpus, HelpDocument
from opsteward.help.postings import read_postings
from opsteward.help.storing import read_postings_of
from opsteward.help.types import PassageKind

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from opsteward.help.postings import Postings

OWNER = "owner"
_KEPT_TENANTS = 20
#: Number, tokens and chunks of each page, as big-endian integers in a row: as rows of their own they would hold up the
#: event loop.
_PAGES = sa.text(
    "select access, string_agg(int4send((first_page + page.place - 1)::int) || int4send(page.tokens)"
    " || int4send(page.chunks), ''::bytea) as pages"
    " from opsteward.help_documents,"
    " unnest(page_tokens, page_chunks) with ordinality as page(tokens, chunks, place)"
    " where tenant_id = :tenant and status = 'indexed' group by access"
)


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

    rows = (await session.execute(_PAGES, {"tenant": tenant})).all()
    found = [np.frombuffer(row.pages, dtype=">i4").reshape(-1, 3) for row in rows]
    count = max((int(pages[:, 0].max()) + 1 for pages in found), default=0)
    tokens = np.zeros(count, dtype=np.float32)
    chunks = np.zeros(count, dtype=np.int64)
    rule = np.zeros(count, dtype=np.int32)
    for number, pages in enumerate(found):
        own = pages[:, 0]
        tokens[own], chunks[own], rule[own] = pages[:, 1], pages[:, 2], number
    return _Pages(version, tokens, chunks, rule, [tuple(row.access) for row in rows])


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
            kind: PassageKind = "case" if case else "document"
            found[number] = FoundChunk(title, name, address, kind, heading, anchor, text, vector)
        return found


def _address(document_id: UUID, number: int, anchor: str, url: str | None) -> str:
    """Where a person reads it: at its source, else as we keep it."""
    if url:
        return f"{url.partition('#')[0]}#{anchor}" if anchor else url
    return f"/help/documents/{document_id}#c{number}"
