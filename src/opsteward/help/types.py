"""What other rooms see of documents, questions and answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from opsteward.accounts.types import Actor

DocumentStatus = Literal["indexed", "refused"]
#: A document, one of the product's own pages, or a past incident.
PassageKind = Literal["document", "product", "case"]


@dataclass(frozen=True, kw_only=True)
class DocumentView:
    """A document and what became of it. `access`: roles or permissions of which a reader needs one; none: everybody
    of the tenant. `note`: what of it could not be read, or why it was refused."""

    id: UUID
    name: str
    title: str
    url: str | None
    media_type: str
    bytes: int
    digest: str
    status: DocumentStatus
    note: str
    access: list[str]
    version: int
    chunks: int
    added_by: Actor
    added_at: datetime
    changed_at: datetime


@dataclass(frozen=True, kw_only=True)
class DocumentVersion:
    """One version of a document: when and by whom it came."""

    version: int
    digest: str
    bytes: int
    note: str
    added_by: Actor
    added_at: datetime


@dataclass(frozen=True, kw_only=True)
class Added:
    """What became of the documents that were sent together."""

    documents: list[DocumentView]
    unchanged: int


@dataclass(frozen=True, kw_only=True)
class Passage:
    """A piece of a document that fits a question; `score` tells it from others of the same question only."""

    title: str
    heading: str
    url: str
    text: str
    score: float
    kind: PassageKind = "document"


@dataclass(frozen=True, kw_only=True)
class Citation:
    """What an answer rests on. `kind`: a document, the product's own pages, a past incident, or live state."""

    title: str
    url: str
    quote: str
    kind: Literal["document", "product", "case", "live"] = "document"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """An answer with its sources. `known` is false where neither documents nor live state say anything; `engine`:
    live (figures of this instance), passages (quoted from documents), written (by a model, of passages), or none."""

    id: UUID
    question: str
    answer: str
    known: bool
    engine: Literal["live", "passages", "written", "none"]
    citations: list[Citation] = field(default_factory=list)
    asked_at: datetime
