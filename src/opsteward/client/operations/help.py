"""What each route about help is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call, Page, path_id

if TYPE_CHECKING:
    from typing import Unpack
    from uuid import UUID

    from opsteward.client import types


def ask(**fields: Unpack[types.QuestionIn]) -> Call[types.Answer]:
    """Answer a question from live state, documents and the product's own pages, with what it rests on; `known` false
    where none of them say anything of it. Nothing is told that the asker may not read."""
    return Call("POST", "/api/v1/help/ask", fields)


def search_passages(*, q: str, limit: int | None = None) -> Call[Page[types.Passage]]:
    """The passages that fit best, best first."""
    return Call("GET", "/api/v1/help/search", params={"q": q, "limit": limit})


def rate_answer(answer_id: str | UUID, **fields: Unpack[types.FeedbackIn]) -> Call[None]:
    """Whether an answer of yours helped."""
    return Call("POST", f"/api/v1/help/answers/{path_id(answer_id)}/feedback", fields)


def add_document(*, name: str, url: str | None = None, access: list[str] | None = None) -> Call[types.Added]:
    """Add a document (the body: Markdown, HTML, PDF, DOCX, reStructuredText or text), or all of a ZIP archive. One of
    the same name is replaced; the same once more changes nothing. What can't be read is kept as refused, with why."""
    return Call("POST", "/api/v1/help/documents", params={"name": name, "url": url, "access": access})


def list_documents(
    *, search: str | None = None, after: str | None = None, limit: int | None = None
) -> Call[Page[types.DocumentView]]:
    """Those that the asker may read, oldest first."""
    return Call("GET", "/api/v1/help/documents", params={"search": search, "after": after, "limit": limit})


def fetch_document(**fields: Unpack[types.FetchIn]) -> Call[types.Added]:
    """Add what is at a public web address; again later, its new version."""
    return Call("POST", "/api/v1/help/documents/fetch", fields)


def document_digests() -> Call[dict[str, str]]:
    """The SHA-256 of each document by name: what need not be sent again."""
    return Call("GET", "/api/v1/help/digests")


def document_versions(document_id: str | UUID) -> Call[Page[types.DocumentVersion]]:
    """Newest first: when and by whom each version came."""
    return Call("GET", f"/api/v1/help/documents/{path_id(document_id)}/versions")


def open_document(document_id: str | UUID, **fields: Unpack[types.AccessIn]) -> Call[types.DocumentView]:
    """Say who may read it."""
    return Call("PUT", f"/api/v1/help/documents/{path_id(document_id)}/access", fields)


def remove_document(document_id: str | UUID) -> Call[None]:
    """Nobody finds it any more, and nothing of it is kept."""
    return Call("DELETE", f"/api/v1/help/documents/{path_id(document_id)}")
