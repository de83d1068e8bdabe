"""Help: questions with their answers and sources, the documents they rest on, and Opsteward's own pages."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.addresses import id_of
from opsteward.console.page import Done, Page, Route, Visit, computes, does, shows
from opsteward.core.errors import NotFound
from opsteward.help.product_pages import page_sections, page_text
from opsteward.help.service import QUESTION_LIMIT

_RECENT = 12
_PAGE = 50
EXAMPLES = (
    "Which incidents are open?",
    "What waits for my approval?",
    "Who is on call?",
    "Which tasks failed today?",
    "How do I add a second person's approval?",
)


async def _help(visit: Visit, session: AsyncSession) -> Page:
    """The questions that this operator asked last."""
    return await _page(visit, session)


async def _page(visit: Visit, session: AsyncSession) -> Page:
    return Page(
        template="help.html",
        title="Help",
        values={
            "answers": await visit.services.help.recent(session, by=visit.identity, limit=_RECENT),
            "examples": EXAMPLES,
            "limit": QUESTION_LIMIT,
            "asked": visit.query("q", limit=QUESTION_LIMIT) if visit.request.method == "GET" else "",
        },
    )


async def _ask(visit: Visit, session: AsyncSession) -> Done:
    question = visit.text("question", limit=QUESTION_LIMIT, required=True)
    await visit.services.help.ask(session, question=question, by=visit.identity)
    return Done(to="/help", words="")


async def _rate(visit: Visit, session: AsyncSession) -> Done:
    answer_id = visit.id("answer_id", "answer")
    await visit.services.help.rate(
        session,
        answer_id=answer_id,
        helpful=visit.text("helpful", required=True) == "yes",
        comment=visit.text("comment", limit=2000),
        by=visit.identity,
    )
    return Done(to=f"/help#a-{answer_id}", words="Thank you: it is kept beside the answer")


async def _documents(visit: Visit, session: AsyncSession) -> Page:
    search, after = visit.query("ref", limit=100), visit.cursor("after")
    found = await visit.services.help.documents.page(
        session, by=visit.identity, search=search, after=after, limit=_PAGE + 1
    )
    return Page(
        template="help_documents.html",
        title="Documents",
        values={
            "documents": found[:_PAGE],
            "search": search,
            "may_write": visit.identity.may("help.write"),
            "next": visit.address(after=str(found[_PAGE - 1].id)) if len(found) > _PAGE else "",
            "first": visit.address() if after else "",
        },
    )


async def _document(visit: Visit, session: AsyncSession) -> Page:
    document, pieces = await visit.services.help.documents.read(
        session, document_id=visit.id("document_id", "document"), by=visit.identity
    )
    return Page(
        template="help_document.html",
        title=document.title,
        values={"document": document, "pieces": pieces, "may_write": visit.identity.may("help.write")},
    )


async def _remove(visit: Visit, session: AsyncSession) -> Done:
    document_id = id_of(visit.arguments["document_id"], "document")
    await visit.services.help.documents.remove(session, document_id=document_id, by=visit.identity)
    return Done(to="/help/documents", words="Removed")


async def _fetch(visit: Visit) -> Done:
    added = await visit.services.help.documents.fetch(
        visit.services.db, url=visit.text("url", limit=2000, required=True), by=visit.identity
    )
    if any(one.status == "refused" for one in added.documents):
        return Done(to="/help/documents", words=f"Refused: {added.documents[0].note}", warns=True)
    return Done(to="/help/documents", words="Added" if not added.unchanged else "It is the same as before")


async def _product(visit: Visit, session: AsyncSession) -> Page:
    text = page_text(visit.arguments["folder"], visit.arguments["name"])
    if text is None:
        raise NotFound("there is no such page of the documentation", remedy="ask on the page Help")
    title, sections = page_sections(text)
    return Page(template="help_product.html", title=title, values={"heading": title, "sections": sections})


ROUTES: tuple[Route, ...] = (
    shows("/help", _help, "help.read"),
    does("/help", _ask, "help.read"),
    does("/help/answers/{answer_id}/rate", _rate, "help.read"),
    shows("/help/documents", _documents, "help.read"),
    computes("/help/documents", _fetch, "help.write"),
    shows("/help/documents/{document_id}", _document, "help.read"),
    does("/help/documents/{document_id}/remove", _remove, "help.write"),
    shows("/help/product/{folder}/{name}", _product, "help.read"),
)
