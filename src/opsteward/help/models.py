"""Tables of documents, their chunks and postings, and of answers. Private to this room."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core.clock import now
from opsteward.core.db import Base, TenantRow
from opsteward.core.json_types import JsonObject


class HelpCorpus(Base):
    """A tenant's documents as a whole: `version` rises with every change of what is found, pages and segments are
    numbered from here."""

    __tablename__ = "help_corpora"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(sa.BigInteger)
    next_page: Mapped[int] = mapped_column(sa.BigInteger)
    next_segment: Mapped[int]
    #: Those that there are, in the order of their pages: [number, bytes].
    segments: Mapped[list[list[int]]] = mapped_column(JSONB)


class HelpDocument(TenantRow, Base):
    """A document in its present version. Its pages are numbered from `first_page`."""

    __tablename__ = "help_documents"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "name"),
        sa.Index("ix_help_documents_tenant_page", "tenant_id", "first_page"),
    )

    name: Mapped[str]
    title: Mapped[str]
    url: Mapped[str | None]
    media_type: Mapped[str]
    bytes: Mapped[int] = mapped_column(sa.BigInteger)
    digest: Mapped[str]
    status: Mapped[str]
    note: Mapped[str]
    access: Mapped[list[str]]
    version: Mapped[int]
    first_page: Mapped[int] = mapped_column(sa.BigInteger)
    page_chunks: Mapped[list[int]] = mapped_column(ARRAY(sa.Integer))
    page_tokens: Mapped[list[int]] = mapped_column(ARRAY(sa.Integer))
    added_by: Mapped[str]
    added_at: Mapped[datetime] = mapped_column(default=now)
    changed_at: Mapped[datetime] = mapped_column(default=now)


class HelpDocumentVersion(TenantRow, Base):
    """When and by whom each version of a document came."""

    __tablename__ = "help_document_versions"
    __table_args__ = (sa.Index("ix_help_document_versions_document", "tenant_id", "document_id", "version"),)

    document_id: Mapped[UUID] = mapped_column(sa.ForeignKey("opsteward.help_documents.id", ondelete="cascade"))
    version: Mapped[int]
    digest: Mapped[str]
    bytes: Mapped[int] = mapped_column(sa.BigInteger)
    note: Mapped[str]
    added_by: Mapped[str]
    added_at: Mapped[datetime] = mapped_column(default=now)


class HelpChunk(Base):
    """A piece of a document, by its number: see `postings`."""

    __tablename__ = "help_chunks"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    document_id: Mapped[UUID]
    heading: Mapped[str]
    anchor: Mapped[str]
    text: Mapped[str]
    vector: Mapped[bytes]


class HelpPostings(Base):
    """Where a term stands in the documents of one segment (what was indexed together, or merged since)."""

    __tablename__ = "help_postings"
    __table_args__ = (sa.Index("ix_help_postings_segment", "tenant_id", "segment"),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    term: Mapped[str] = mapped_column(primary_key=True)
    segment: Mapped[int] = mapped_column(primary_key=True)
    records: Mapped[bytes]


class HelpAnswer(TenantRow, Base):
    """A question, what was answered, and whether it helped."""

    __tablename__ = "help_answers"
    __table_args__ = (sa.Index("ix_help_answers_tenant_asked", "tenant_id", "asked_by", "asked_at"),)

    asked_by: Mapped[str]
    asked_at: Mapped[datetime] = mapped_column(default=now)
    question: Mapped[str]
    answer: Mapped[JsonObject]
    helpful: Mapped[bool | None]
    comment: Mapped[str]
