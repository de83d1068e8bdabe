"""Help: questions with their answers and sources, the documents they rest on, and Opsteward's own pages."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.addresses import id_of
from opsteward.console.languages import N_, _, ngettext
from opsteward.console.page import Done, Page, Route, Visit, computes, does, shows, takes_files
from opsteward.console.sorting import sorting
from opsteward.console.written_pages import html_of
from opsteward.core.computing import in_fair_thread
from opsteward.core.errors import Invalid, NotFound
from opsteward.help.product_pages import page_sections, page_text
from opsteward.help.service import QUESTION_LIMIT

_RECENT = 12
_PAGE = 50
_TOLD = 3  # refused files that are named
EXAMPLES = (
    N_("Which incidents are open?"),
    N_("What waits for my approval?"),
    N_("Who is on call?"),
    N_("Which tasks failed today?"),
    N_("How do I add a second person's approval?"),
)


async def _help(visit: Visit, session: AsyncSession) -> Page:
    """The questions that this operator asked last."""
    return await _page(visit, session)


async def _page(visit: Visit, session: AsyncSession) -> Page:
    return Page(
        template="help.html",
        title=_("Help"),
        values={
            "answers": await visit.services.help.recent(session, by=visit.identity, limit=_RECENT),
            "examples": [_(one) for one in EXAMPLES],
            "limit": QUESTION_LIMIT,
            "asked": visit.query("q", limit=QUESTION_LIMIT) if visit.request.method == "GET" else "",
        },
    )


async def _ask(visit: Visit) -> Done:
    question = visit.text("question", limit=QUESTION_LIMIT, required=True)
    await visit.services.help.ask(visit.services.db, question=question, by=visit.identity)
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
    return Done(to=f"/help#a-{answer_id}", words=_("Thank you: it is kept beside the answer"))


async def _documents(visit: Visit, session: AsyncSession) -> Page:
    search, after = visit.query("ref", limit=100), visit.cursor("after")
    order = sorting(visit, {"added": False, "title": False, "state": False, "version": True, "changed": True})
    found = await visit.services.help.documents.page(
        session,
        by=visit.identity,
        search=search,
        after=after,
        limit=_PAGE + 1,
        order=order.column,
        descending=order.descending,
    )
    return Page(
        template="help_documents.html",
        title=_("Documents"),
        values={
            "documents": found[:_PAGE],
            "search": search,
            "columns": order.heads,
            "sorting": order,
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
    return Done(to="/help/documents", words=_("Removed"))


async def _fetch(visit: Visit) -> Done:
    added = await visit.services.help.documents.fetch(
        visit.services.db, url=visit.text("url", limit=2000, required=True), by=visit.identity
    )
    if any(one.status == "refused" for one in added.documents):
        return Done(to="/help/documents", words=_("Refused: %(note)s", note=added.documents[0].note), warns=True)
    return Done(to="/help/documents", words=_("Added") if not added.unchanged else _("It is the same as before"))


async def _upload(visit: Visit) -> Done:
    if not visit.files:
        raise Invalid.field("file", "is missing", "choose a file first")
    access = [one.strip() for one in visit.text("access", limit=2000).split(",") if one.strip()]
    unchanged, refused = 0, list[str]()
    for file in visit.files:
        done = await visit.services.help.documents.add(
            visit.services.db,
            name=file.name,
            data=file.content,
            by=visit.identity,
            media_type=file.media_type,
            access=access or None,
        )
        unchanged += done.unchanged
        refused += [f"{one.name}: {one.note}" for one in done.documents if one.status == "refused"]
    if refused:
        return Done(to="/help/documents", words=_("Refused: %(names)s", names="; ".join(refused[:_TOLD])), warns=True)
    count = len(visit.files)
    words = ngettext("%(num)s file read", "%(num)s files read", count)
    same = f", {_('%(count)s the same as before', count=unchanged)}" if unchanged else ""
    return Done(to="/help/documents", words=words + same)


async def _product(visit: Visit, session: AsyncSession) -> Page:
    folder = visit.arguments["folder"]
    text = page_text(folder, visit.arguments["name"])
    if text is None:
        raise NotFound("there is no such page of the documentation", remedy="ask on the page Help")
    title, _sections = page_sections(text)
    html = await in_fair_thread(html_of, text, folder)
    return Page(template="help_product.html", title=title, values={"heading": title, "html": html})


ROUTES: tuple[Route, ...] = (
    shows("/help", _help, "help.read"),
    computes("/help", _ask, "help.read"),
    does("/help/answers/{answer_id}/rate", _rate, "help.read"),
    shows("/help/documents", _documents, "help.read"),
    computes("/help/documents", _fetch, "help.write"),
    takes_files(
        "/help/documents/upload", _upload, "help.write", limit=lambda services: services.help.documents.bytes_limit
    ),
    shows("/help/documents/{document_id}", _document, "help.read"),
    does("/help/documents/{document_id}/remove", _remove, "help.write"),
    shows("/help/product/{folder}/{name}", _product, "help.read"),
)
