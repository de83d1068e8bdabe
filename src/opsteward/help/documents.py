"""Documents: added from a file, an archive or an address; listed, opened to readers, and removed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import actors_of
from opsteward.accounts.permissions import ALL as PERMISSIONS
from opsteward.accounts.permissions import ROLES
from opsteward.accounts.types import Identity
from opsteward.core.blocking_calls import in_thread
from opsteward.core.computing import TooExpensive, compute
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import ConnectorError, Invalid, NotFound, TooLarge
from opsteward.core.http_client import HttpClient, NetworkPolicy
from opsteward.core.keyset import in_order
from opsteward.help import storing
from opsteward.help.indexing import CASE_PREFIX, Indexed, IndexedDocument, index_upload
from opsteward.help.models import HelpChunk, HelpCorpus, HelpDocument, HelpDocumentVersion
from opsteward.help.postings import PLACE_BITS
from opsteward.help.settings import HelpSettings
from opsteward.help.tenant_corpus import OWNER, may_read
from opsteward.help.types import Added, DocumentVersion, DocumentView
from opsteward.telemetry import audit

NAME_LIMIT = 500  # characters
ACCESS_LIMIT = 20
#: What documents can be ordered by.
ORDERS: dict[str, Any] = {
    "added": HelpDocument.id,
    "title": sa.func.lower(HelpDocument.title),
    "state": HelpDocument.status,
    "version": HelpDocument.version,
    "changed": HelpDocument.changed_at,
}
_URL_LIMIT = 2_000  # characters
_PARSE_SECONDS = 60.0  # of processor time
_FETCH_SECONDS = 30.0
_OTHER_ADDRESS = "give the public address of a page that is there"
_WEB = re.compile(r"https?://", re.IGNORECASE)


class Documents:
    """One per process."""

    def __init__(self, settings: HelpSettings) -> None:
        self._settings = settings

    @property
    def bytes_limit(self) -> int:
        """The largest document, or archive of some."""
        return self._settings.help_max_document_bytes

    async def add(
        self,
        db: Database,
        *,
        name: str,
        data: bytes,
        by: Identity,
        media_type: str = "",
        url: str | None = None,
        access: Sequence[str] | None = None,
    ) -> Added:
        """Keep a document, or each of a ZIP archive, in the place of an earlier one of the same name; one that is the
        same already stays as it is. What can't be read is kept as refused, with the reason.

        Raises Invalid naming the field, TooLarge, Conflict beyond the limit of documents.
        """
        name = _checked_name(name)
        check_access(access)
        if url is not None:
            _check_url(url)
        if len(data) > self.bytes_limit:
            larger = f"the document is larger than {self.bytes_limit} bytes"
            raise TooLarge(larger, remedy="split it, or raise the setting")
        async with db.unit_of_work(by.tenant_id) as session:
            known = await _known(session, None if data.startswith(b"PK") else name)
            await storing.make_corpus(session)
        indexed = await _indexed(name, data, media_type, known)
        async with db.unit_of_work(by.tenant_id) as session:
            same = [one for one in indexed.documents if one.digest and known.get(one.name) == one.digest]
            if same and len(same) == len(indexed.documents):
                if access is not None:
                    await _open_to(session, [one.name for one in same], access)
                rows: list[HelpDocument] = await storing.rows_by_name(session, [one.name for one in same])
                return Added(documents=await _views(session, rows), unchanged=indexed.unchanged + len(same))
            rows = await storing.store(
                session,
                indexed,
                by=by.actor,
                access=access,
                urls={name: url} if url else {},
                document_limit=self._settings.help_max_documents,
            )
            await audit.record(
                session,
                actor=by.actor,
                verb="help.documents.added",
                object_type="help_document",
                object_id=str(rows[0].id) if len(rows) == 1 else "",
                detail={"name": name, "documents": len(rows), "refused": sum(r.status == "refused" for r in rows)},
            )
            return Added(documents=await _views(session, rows), unchanged=indexed.unchanged)

    async def fetch(
        self, db: Database, *, url: str, by: Identity, access: Sequence[str] | None = None, name: str | None = None
    ) -> Added:
        """Read a public address and keep what is there. Raises Invalid, also for an address that gives nothing, and as
        `add`."""
        _check_url(url)
        client = HttpClient(NetworkPolicy(), timeout=_FETCH_SECONDS, max_bytes=self.bytes_limit)
        try:
            reply = await client.fetch(url, headers={"Accept": "text/html,text/markdown,application/pdf,*/*;q=0.5"})
        except ConnectorError as error:
            raise Invalid.field("url", f"gives no page: {error.detail}", _OTHER_ADDRESS) from None
        if reply.status != 200:
            raise Invalid.field("url", f"gives no page: {reply.url} answered {reply.status}", _OTHER_ADDRESS)
        if reply.truncated or reply.incomplete:
            raise TooLarge(f"{reply.url} is larger than a document may be, or broke off")
        path = unquote(urlsplit(url).path)
        title = f"{urlsplit(url).hostname or ''}{path}".rstrip("/")
        limit = self.bytes_limit
        body = await in_thread(reply.plain_body, limit + 1)
        if body is None:
            raise Invalid.field(
                "url", f"gives no page: {reply.url} sent an encoding that can't be undone", _OTHER_ADDRESS
            )
        if len(body) > limit:
            raise TooLarge(
                f"{reply.url} unpacks to more than {limit} bytes", remedy="give the address of a smaller page"
            )
        kind = reply.headers.get("content-type", "")
        if PurePosixPath(path).suffix == "" and not kind:
            kind = "text/html"
        return await self.add(db, name=name or title, data=body, by=by, media_type=kind, url=url, access=access)

    async def page(
        self,
        session: AsyncSession,
        *,
        by: Identity,
        search: str = "",
        after: UUID | None = None,
        limit: int = 100,
        order: str = "added",
        descending: bool = False,
    ) -> list[DocumentView]:
        """Those that this reader may open, by one of ORDERS; past incidents are none."""
        own = sa.select(HelpDocument).where(
            HelpDocument.tenant_id == tenant_of(session), ~HelpDocument.name.startswith(CASE_PREFIX)
        )
        if search:
            called = [column.icontains(search, autoescape=True) for column in (HelpDocument.name, HelpDocument.title)]
            own = own.where(sa.or_(*called))
        if OWNER not in by.roles:
            held = [*by.roles, *sorted(by.permissions)]
            own = own.where(sa.or_(HelpDocument.access == [], HelpDocument.access.overlap(held)))
        own = in_order(own, by=ORDERS[order], row_id=HelpDocument.id, descending=descending, after=after)
        return await _views(session, list(await session.scalars(own.limit(limit))))

    async def digests(self, session: AsyncSession) -> dict[str, str]:
        """The digest (SHA-256) of each document by name: what need not be sent again."""
        return await _known(session, None)

    async def read(
        self, session: AsyncSession, *, document_id: UUID, by: Identity
    ) -> tuple[DocumentView, list[tuple[int, str, str]]]:
        """A document and its pieces: number, heading, text. Raises NotFound, also where it is not for this reader."""
        row = await self._row(session, document_id, by)
        first = row.first_page << PLACE_BITS
        rows = await session.execute(
            sa.select(HelpChunk.number, HelpChunk.heading, HelpChunk.text)
            .where(
                HelpChunk.tenant_id == row.tenant_id,
                HelpChunk.number >= first,
                HelpChunk.number < first + (len(row.page_chunks) << PLACE_BITS),
            )
            .order_by(HelpChunk.number)
            .limit(2_000)
        )
        return (await _views(session, [row]))[0], [(number, heading, text) for number, heading, text in rows]

    async def versions(self, session: AsyncSession, *, document_id: UUID, by: Identity) -> list[DocumentVersion]:
        """Newest first. Raises NotFound."""
        row = await self._row(session, document_id, by)
        rows = list(
            await session.scalars(
                sa.select(HelpDocumentVersion)
                .where(HelpDocumentVersion.tenant_id == row.tenant_id, HelpDocumentVersion.document_id == row.id)
                .order_by(HelpDocumentVersion.version.desc())
                .limit(200)
            )
        )
        who = await actors_of(session, [one.added_by for one in rows])
        return [
            DocumentVersion(
                version=one.version, digest=one.digest, bytes=one.bytes, note=one.note, added_by=who(one.added_by),
                added_at=one.added_at,
            )
            for one in rows
        ]  # fmt: skip

    async def open_to(
        self, session: AsyncSession, *, document_id: UUID, access: Sequence[str], by: Identity
    ) -> DocumentView:
        """Say who may read it. Raises Invalid, NotFound."""
        check_access(access)
        row = await self._row(session, document_id, by)
        await _open_to(session, [row.name], access)
        await self._note(session, "opened_to", row, by, {"access": list(access)})
        return (await _views(session, [row]))[0]

    async def remove(self, session: AsyncSession, *, document_id: UUID, by: Identity) -> None:
        """Nobody finds it any more, and nothing of it is kept. Raises NotFound."""
        row = await self._row(session, document_id, by)
        await self._note(session, "removed", row, by, {})
        await storing.remove(session, row)

    async def _row(self, session: AsyncSession, document_id: UUID, by: Identity) -> HelpDocument:
        row = await session.scalar(
            sa.select(HelpDocument).where(HelpDocument.tenant_id == tenant_of(session), HelpDocument.id == document_id)
        )
        if row is None or not may_read(row.access, by):
            raise NotFound("no document of this id", remedy="see GET /api/v1/help/documents")
        return row

    async def _note(
        self, session: AsyncSession, what: str, row: HelpDocument, by: Identity, detail: dict[str, object]
    ) -> None:
        await audit.record(
            session,
            actor=by.actor,
            verb=f"help.document.{what}",
            object_type="help_document",
            object_id=str(row.id),
            detail={"name": row.name, **detail},
        )


def check_access(access: Sequence[str] | None) -> None:
    """Raises Invalid for what is neither a role nor a permission."""
    for one in access or ():
        if one not in ROLES and one not in PERMISSIONS:
            raise Invalid.field("access", f"{one[:60]!r} is no role or permission", "see docs/reference/permissions.md")
    if len(access or ()) > ACCESS_LIMIT:
        raise Invalid.field("access", "names too many", f"name up to {ACCESS_LIMIT}")


def _check_url(url: str) -> None:
    """Readers of an answer are led there."""
    if not _WEB.match(url) or len(url) > _URL_LIMIT or not url.isprintable():
        raise Invalid.field("url", "is no web address", "give one that begins with https:// or http://")


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise Invalid.field("name", "is empty, too long or no printable text", f"use up to {NAME_LIMIT} characters")
    if name.startswith(CASE_PREFIX):
        raise Invalid.field("name", f"begins with {CASE_PREFIX}, which is for past incidents", "choose another one")
    return name


async def _indexed(name: str, data: bytes, media_type: str, known: dict[str, str]) -> Indexed:
    try:
        return await compute(_PARSE_SECONDS, index_upload, name, data, media_type, known)
    except TooExpensive:
        why = f"reading it takes more than {_PARSE_SECONDS:g} s or too much memory; split it"
        return Indexed(documents=[IndexedDocument(name, "", len(data), refused=why)])


async def _known(session: AsyncSession, name: str | None) -> dict[str, str]:
    rows = sa.select(HelpDocument.name, HelpDocument.digest).where(
        HelpDocument.tenant_id == tenant_of(session), ~HelpDocument.name.startswith(CASE_PREFIX)
    )
    if name is not None:
        rows = rows.where(HelpDocument.name == name)
    return {row.name: row.digest for row in await session.execute(rows)}


async def _open_to(session: AsyncSession, names: Sequence[str], access: Sequence[str]) -> None:
    corpus: HelpCorpus = await storing.locked_corpus(session)
    for row in await storing.rows_by_name(session, names):
        row.access = list(access)
    corpus.version += 1
    await session.flush()


async def _views(session: AsyncSession, rows: Sequence[HelpDocument]) -> list[DocumentView]:
    who = await actors_of(session, [row.added_by for row in rows])
    return [
        DocumentView(
            id=row.id, name=row.name, title=row.title, url=row.url, media_type=row.media_type, bytes=row.bytes,
            digest=row.digest, status="refused" if row.status == "refused" else "indexed", note=row.note,
            access=list(row.access), version=row.version, chunks=sum(row.page_chunks), added_by=who(row.added_by),
            added_at=row.added_at, changed_at=row.changed_at,
        )
        for row in rows
    ]  # fmt: skip
