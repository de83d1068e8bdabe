"""`/api/v1/help`: questions with answers and their sources, and the documents that they rest on."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.api import uploads
from opsteward.api.capacity import Capacity, party_of
from opsteward.api.concurrency_limit import give_up_turn
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input, Page, page_of
from opsteward.api.routes import Routes
from opsteward.core.errors import Invalid, Malformed
from opsteward.help.documents import ACCESS_LIMIT, NAME_LIMIT
from opsteward.help.service import QUESTION_LIMIT
from opsteward.help.types import Added, Answer, DocumentVersion, DocumentView, Passage

_BODY_WITHIN = 120.0  # seconds

router = Routes(prefix="/api/v1/help", tags=["help"])

_Access = Annotated[
    list[Annotated[str, Field(max_length=100)]],
    Field(max_length=ACCESS_LIMIT, description="roles or permissions of which a reader needs one; none: everybody"),
]


class QuestionIn(Input):
    question: Annotated[str, Field(min_length=1, max_length=QUESTION_LIMIT)]


class FeedbackIn(Input):
    helpful: Annotated[bool, Field(strict=True)]
    comment: Annotated[str, Field(max_length=2000)] = ""


class FetchIn(Input):
    """`access`: left out, it stays as it was. `name`: left out, it is made of the address."""

    url: Annotated[str, Field(min_length=1, max_length=2000)]
    name: Annotated[str | None, Field(max_length=NAME_LIMIT)] = None
    access: _Access | None = None


class AccessIn(Input):
    access: _Access


async def _file(request: Request, limit: int) -> bytes:
    """The body, which is no text that the guard reads. Raises TooLarge, Malformed when it does not come."""
    body = uploads.Body(request.stream())
    try:
        async with asyncio.timeout(_BODY_WITHIN):
            await body.look(limit)
    except TimeoutError:
        late = f"the body did not come within {_BODY_WITHIN:g} s"
        raise Malformed.field("body", late, "send it faster, or less at once") from None
    if not body.whole:
        raise uploads.too_large(limit)
    if not body.begun:
        raise Invalid.field("body", "is empty", "send a document")
    return body.begun


@router.post("/ask")
async def ask(
    body: QuestionIn,
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("help.read")],
) -> Answer:
    """Answer a question from live state, documents and the product's own pages, with what it rests on; `known` false
    where none of them say anything of it. Nothing is told that the asker may not read."""
    if services.help.asks_a_model:
        give_up_turn(request)  # it waits for another's server
    return await services.help.ask(services.db, question=body.question, by=identity)


@router.get("/search")
async def search_passages(
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("help.read")],
    q: Annotated[str, Query(min_length=1, max_length=QUESTION_LIMIT)],
    limit: Annotated[int, Query(ge=1, le=50)] = 10,
) -> Page[Passage]:
    """The passages that fit best, best first."""
    return Page(items=await services.help.search(session, question=q, by=identity, limit=limit))


@router.post("/answers/{answer_id}/feedback", status_code=204)
async def rate_answer(
    answer_id: UUID,
    body: FeedbackIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("help.read")],
) -> None:
    """Whether an answer of yours helped."""
    await services.help.rate(session, answer_id=answer_id, helpful=body.helpful, comment=body.comment, by=identity)


@router.post("/documents", status_code=201)
async def add_document(
    request: Request,
    services: ServicesDep,
    identity: Annotated[Identity, needs("help.write")],
    name: Annotated[str, Query(min_length=1, max_length=NAME_LIMIT, description="a path, as guides/backup.md")],
    url: Annotated[str | None, Query(max_length=2000, description="where people read it")] = None,
    access: Annotated[list[str] | None, Query(max_length=ACCESS_LIMIT)] = None,
) -> Added:
    """Add a document (the body: Markdown, HTML, PDF, DOCX, reStructuredText or text), or all of a ZIP archive. One of
    the same name is replaced; the same once more changes nothing. What can't be read is kept as refused, with why."""
    return await services.help.documents.add(
        services.db,
        name=name,
        data=await _file(request, services.help.documents.bytes_limit),
        by=identity,
        media_type=request.headers.get("content-type", ""),
        url=url,
        access=access,
    )


@router.post("/documents/fetch", status_code=201)
async def fetch_document(
    body: FetchIn, request: Request, services: ServicesDep, identity: Annotated[Identity, needs("help.write")]
) -> Added:
    """Add what is at a public web address; again later, its new version."""
    give_up_turn(request)  # it waits for another's server, as an upload waits for its sender
    capacity: Capacity = request.app.state.capacity
    async with capacity.uploads.of(party_of(identity), patience=capacity.patience):
        return await services.help.documents.fetch(
            services.db, url=body.url, by=identity, access=body.access, name=body.name
        )


@router.get("/documents")
async def list_documents(
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("help.read")],
    search: Annotated[str, Query(max_length=200)] = "",
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Page[DocumentView]:
    """Those that the asker may read, oldest first."""
    found = await services.help.documents.page(session, by=identity, search=search, after=after, limit=limit)
    return page_of(found, limit=limit)


@router.get("/digests")
async def document_digests(
    services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("help.write")]
) -> dict[str, str]:
    """The SHA-256 of each document by name: what need not be sent again."""
    return await services.help.documents.digests(session)


@router.get("/documents/{document_id}/versions")
async def document_versions(
    document_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("help.read")],
) -> Page[DocumentVersion]:
    """Newest first: when and by whom each version came."""
    return Page(items=await services.help.documents.versions(session, document_id=document_id, by=identity))


@router.put("/documents/{document_id}/access")
async def open_document(
    document_id: UUID,
    body: AccessIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("help.write")],
) -> DocumentView:
    """Say who may read it."""
    return await services.help.documents.open_to(session, document_id=document_id, access=body.access, by=identity)


@router.delete("/documents/{document_id}", status_code=204)
async def remove_document(
    document_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("help.write")],
) -> None:
    """Nobody finds it any more, and nothing of it is kept."""
    await services.help.documents.remove(session, document_id=document_id, by=identity)
