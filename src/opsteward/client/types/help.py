"""What the API takes and answers about help, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.client.types.events import Actor


class AccessIn(TypedDict):
    access: list[str]


class Added(TypedDict):
    """What became of the documents that were sent together."""

    documents: list[DocumentView]
    unchanged: int


class Answer(TypedDict):
    """An answer with its sources. `known` is false where neither documents nor live state say anything; `engine`:
    live (figures of this instance), passages (quoted from documents), written (by a model, of passages), or none."""

    id: str
    question: str
    answer: str
    known: bool
    engine: Literal["live", "passages", "written", "none"]
    citations: NotRequired[list[Citation]]
    asked_at: str


class Citation(TypedDict):
    """What an answer rests on. `kind`: a document, the product's own pages, a past incident, or live state."""

    title: str
    url: str
    quote: str
    kind: NotRequired[Literal["document", "product", "case", "live"]]


class DocumentVersion(TypedDict):
    """One version of a document: when and by whom it came."""

    version: int
    digest: str
    bytes: int
    note: str
    added_by: Actor
    added_at: str


class DocumentView(TypedDict):
    """A document and what became of it. `access`: roles or permissions of which a reader needs one; none: everybody
    of the tenant. `note`: what of it could not be read, or why it was refused."""

    id: str
    name: str
    title: str
    url: str | None
    media_type: str
    bytes: int
    digest: str
    status: Literal["indexed", "refused"]
    note: str
    access: list[str]
    version: int
    chunks: int
    added_by: Actor
    added_at: str
    changed_at: str


class FeedbackIn(TypedDict):
    helpful: bool
    comment: NotRequired[str]


class FetchIn(TypedDict):
    """`access`: left out, it stays as it was. `name`: left out, it is made of the address."""

    url: str
    name: NotRequired[str | None]
    access: NotRequired[list[str] | None]


class Passage(TypedDict):
    """A piece of a document that fits a question; `score` tells it from others of the same question only."""

    title: str
    heading: str
    url: str
    text: str
    score: float
    kind: NotRequired[Literal["document", "product", "case"]]


class QuestionIn(TypedDict):
    question: str
