"""What was indexed, into the tables; and out of them. The rows of one tenant change one transaction after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict
from opsteward.core.ids import uuid7
from opsteward.core.storable_text import storable
from opsteward.help.indexing import Indexed, IndexedDocument
from opsteward.help.models import HelpChunk, HelpCorpus, HelpDocument, HelpDocumentVersion, HelpPostings
from opsteward.help.postings import PLACE_BITS, moved

_MERGED_TOGETHER = 8  # segments of about one size become one
_SMALLEST_TIER = 16 * 1024  # bytes
_LARGEST_MERGED = 64 * 1024 * 1024  # bytes
_PAGE_LIMIT = (1 << (32 - PLACE_BITS)) - 1
_BATCH = 2_000

_ADD_POSTINGS = sa.text(
    "insert into opsteward.help_postings (tenant_id, term, segment, records)"
    " select :tenant, one.term, :segment, one.records"
    " from unnest(cast(:terms as text[]), cast(:records as bytea[])) as one(term, records)"
)
_MERGE = sa.text(
    "with old as (delete from opsteward.help_postings"
    " where tenant_id = :tenant and segment = any(:segments) returning term, segment, records)"
    " insert into opsteward.help_postings (tenant_id, term, segment, records)"
    " select :tenant, term, :into, string_agg(records, ''::bytea order by segment) from old group by term"
)


async def make_corpus(session: AsyncSession) -> None:
    """So that the tenant has one."""
    await session.execute(
        insert(HelpCorpus)
        .values(tenant_id=tenant_of(session), version=0, next_page=0, next_segment=0, segments=[])
        .on_conflict_do_nothing()
    )


async def locked_corpus(session: AsyncSession, *, wait: bool = True) -> HelpCorpus:
    """The tenant's corpus, kept from others until the transaction ends; made if there is none.

    Raises Conflict where another transaction has it and nobody is to `wait`.
    """
    own = HelpCorpus.tenant_id == tenant_of(session)
    wanted = sa.select(HelpCorpus).where(own)
    found = await session.scalar(wanted.with_for_update(skip_locked=not wait))
    if found is None:
        if not wait and await session.scalar(sa.select(HelpCorpus.version).where(own)) is not None:
            raise Conflict("documents are being added at this moment", remedy="try again in a moment")
        await make_corpus(session)
        found = await session.scalar(wanted.with_for_update())
    assert found is not None
    return found


async def store(
    session: AsyncSession,
    indexed: Indexed,
    *,
    by: str,
    access: Sequence[str] | None,
    urls: dict[str, str],
    document_limit: int,
) -> list[HelpDocument]:
    """Keep these documents in the place of earlier ones of the same names. `access` None: as it was, or nobody's only.

    Raises Conflict beyond the limit.
    """
    corpus = await locked_corpus(session)
    names = [document.name for document in indexed.documents]
    before = {row.name: row for row in await rows_by_name(session, names)}
    count = await session.scalar(sa.select(sa.func.count()).where(HelpDocument.tenant_id == corpus.tenant_id))
    if (count or 0) + len(set(names) - before.keys()) > document_limit:
        raise Conflict(f"there are {document_limit} documents already", remedy="remove those that nobody needs")
    if corpus.next_page + indexed.pages > _PAGE_LIMIT:
        raise Conflict("page numbers are used up", remedy="keep further documents in another tenant")
    base = corpus.next_page
    rows = []
    for document in indexed.documents:
        row = before.get(document.name)
        if row is not None and document.refused and row.status == "indexed" and not document.digest:
            continue
        rows.append(await _keep_document(session, document, row, base=base, by=by, access=access, urls=urls))
    await _keep_chunks(session, indexed.documents, {row.name: row.id for row in rows}, base)
    if indexed.postings:
        segment, total = corpus.next_segment, 0
        batch: list[tuple[str, bytes]] = []
        for term, records in moved(indexed.postings, base):
            total += len(records)
            batch.append((storable(term), records))
            if len(batch) == _BATCH:
                await _add_postings(session, segment, batch)
                batch = []
        await _add_postings(session, segment, batch)
        corpus.segments = [*corpus.segments, [segment, total]]
        corpus.next_segment += 1
        await _merge_segments(session, corpus)
    corpus.next_page += indexed.pages
    corpus.version += 1
    await session.flush()
    return rows


async def rows_by_name(session: AsyncSession, names: Sequence[str]) -> list[HelpDocument]:
    """The documents of these names."""
    found = await session.scalars(
        sa.select(HelpDocument).where(HelpDocument.tenant_id == tenant_of(session), HelpDocument.name.in_(names))
    )
    return list(found)


async def remove(session: AsyncSession, row: HelpDocument) -> None:
    """Take a document out of everything that is found. Its postings name a page that nobody has any more."""
    corpus = await locked_corpus(session)
    await _drop_chunks(session, row.id)
    await session.delete(row)
    corpus.version += 1
    await session.flush()


async def _keep_document(
    session: AsyncSession,
    document: IndexedDocument,
    row: HelpDocument | None,
    *,
    base: int,
    by: str,
    access: Sequence[str] | None,
    urls: dict[str, str],
) -> HelpDocument:
    if row is None:
        row = HelpDocument(
            id=uuid7(),
            tenant_id=tenant_of(session),
            name=document.name,
            version=0,
            added_by=by,
            access=[],
            added_at=now(),
        )
        session.add(row)
    else:
        await _drop_chunks(session, row.id)
    row.version += 1
    row.title = storable(document.title or document.name, limit=300)
    row.url = urls.get(document.name, row.url)
    row.media_type, row.bytes, row.digest = document.media_type, document.bytes, document.digest
    row.status = "refused" if document.refused else "indexed"
    row.note = storable(document.refused or document.note, limit=500)
    row.first_page = base + document.first_page
    row.page_chunks = [size.chunks for size in document.pages]
    row.page_tokens = [size.tokens for size in document.pages]
    row.added_by, row.changed_at = by, now()
    if access is not None:
        row.access = list(access)
    session.add(
        HelpDocumentVersion(
            id=uuid7(), tenant_id=row.tenant_id, document_id=row.id, version=row.version, digest=row.digest,
            bytes=row.bytes, note=row.note, added_by=by, added_at=row.changed_at,
        )
    )  # fmt: skip
    await session.flush()
    return row


async def _keep_chunks(
    session: AsyncSession, documents: Sequence[IndexedDocument], ids: dict[str, UUID], base: int
) -> None:
    tenant = tenant_of(session)
    values: list[dict[str, Any]] = []
    for document in documents:
        for chunk in document.chunks:
            values.append(
                {
                    "tenant_id": tenant,
                    "number": chunk.number + (base << PLACE_BITS),
                    "document_id": ids[document.name],
                    "heading": storable(chunk.heading),
                    "anchor": storable(chunk.anchor),
                    "text": storable(chunk.text),
                    "vector": chunk.vector,
                }
            )
            if len(values) == _BATCH:
                await session.execute(sa.insert(HelpChunk), values)
                values = []
    if values:
        await session.execute(sa.insert(HelpChunk), values)


async def _drop_chunks(session: AsyncSession, document_id: UUID) -> None:
    row = await session.scalar(
        sa.select(HelpDocument).where(HelpDocument.tenant_id == tenant_of(session), HelpDocument.id == document_id)
    )
    if row is None or not row.page_chunks:
        return
    await session.execute(
        sa.delete(HelpChunk).where(
            HelpChunk.tenant_id == row.tenant_id,
            HelpChunk.number >= row.first_page << PLACE_BITS,
            HelpChunk.number < (row.first_page + len(row.page_chunks)) << PLACE_BITS,
        )
    )


async def _add_postings(session: AsyncSession, segment: int, batch: list[tuple[str, bytes]]) -> None:
    if batch:
        await session.execute(
            _ADD_POSTINGS,
            {
                "tenant": tenant_of(session),
                "segment": segment,
                "terms": [term for term, _ in batch],
                "records": [records for _, records in batch],
            },
        )


def _tier(size: int) -> int:
    tier = 0
    while size > _SMALLEST_TIER:
        size //= _MERGED_TOGETHER
        tier += 1
    return tier


async def _merge_segments(session: AsyncSession, corpus: HelpCorpus) -> None:
    """Join the last segments, where enough of about one size stand at the end: a question reads each segment."""
    segments = [(number, size) for number, size in corpus.segments]
    while True:
        tier = _tier(segments[-1][1])
        tail = 0
        while tail < len(segments) and _tier(segments[-1 - tail][1]) <= tier:
            tail += 1
        size = sum(size for _, size in segments[len(segments) - tail :])
        if tail < _MERGED_TOGETHER or size > _LARGEST_MERGED:
            break
        joined = segments[len(segments) - tail :]
        into = joined[0][0]
        await session.execute(
            _MERGE, {"tenant": corpus.tenant_id, "segments": [number for number, _ in joined], "into": into}
        )
        segments = [*segments[: len(segments) - tail], (into, size)]
    corpus.segments = [[number, size] for number, size in segments]


async def read_postings_of(session: AsyncSession, terms: Sequence[str]) -> dict[str, bytes]:
    """The joined records of these terms."""
    rows = await session.execute(
        sa.select(HelpPostings.term, HelpPostings.records)
        .where(HelpPostings.tenant_id == tenant_of(session), HelpPostings.term.in_(terms))
        .order_by(HelpPostings.term, HelpPostings.segment)
    )
    found: dict[str, list[bytes]] = {}
    for term, records in rows:
        found.setdefault(term, []).append(records)
    return {term: b"".join(several) for term, several in found.items()}
