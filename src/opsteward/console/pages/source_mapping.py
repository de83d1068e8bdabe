"""How a source's bodies are read: its own forms beside a sample or a kept body, tried first and then saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.addresses import id_of, is_id
from opsteward.console.languages import _
from opsteward.console.page import Done, Page, Route, Visit, computes, does, shows
from opsteward.console.pages.sources import TEXT_LIMIT, source_head, source_of, title_of
from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import Invalid
from opsteward.events.sources import kept_bodies
from opsteward.events.sources.mapping import Reading
from opsteward.events.sources.own_forms import shapes_of, text_of, tried
from opsteward.events.sources.own_sources import KnownSource


async def mapping(visit: Visit, session: AsyncSession) -> Page:
    """The forms that are set, beside a sample or a kept body on which they can be tried."""
    source = await source_of(visit, session)
    kept_id = visit.query("body", limit=40)
    sample, kind = "", "application/json"
    if kept_id:
        kept = await kept_bodies.one(session, slug=source.slug, body_id=id_of(kept_id, "body"))
        sample, kind = kept.body or "", kept.kind
    text = text_of(source.settings.shapes)
    return _mapping(visit, source, _Attempt(text=text, sample=sample, kind=kind, kept_id=kept_id))


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """Forms beside a body, as a person has them on the page."""

    text: str
    sample: str
    kind: str
    kept_id: str


def _mapping(
    visit: Visit,
    source: KnownSource,
    attempt: _Attempt,
    *,
    reading: Reading | None = None,
    problems: Sequence[Mapping[str, object]] = (),
    status: int = 200,
) -> Page:
    return Page(
        template="source_mapping.html",
        title=_("How %(name)s is read", name=title_of(source)),
        status=status,
        values={
            **source_head(visit, source),
            **vars(attempt),
            "shipped": text_of(source.mapping.shapes),
            "reading": reading,
            "problems": problems,
        },
    )


async def _try(visit: Visit) -> Page:
    given = _given(visit)
    async with visit.unit_of_work() as session:
        source = await source_of(visit, session)
    try:
        shapes = await in_thread(shapes_of, given.text)
        if not given.sample.strip():
            raise Invalid.field("sample", "is empty", "paste a body as the product sends it, or take a kept one")
        holds = await in_thread(visit.services.read_body, given.sample.encode(), given.kind)
        reading = await tried(source, holds, {}, shapes=shapes)
    except Invalid as error:
        # a script shows only an answer that says yes
        status = 200 if visit.request.headers.get("hx-request") else error.http_status
        problems = [one.as_dict() for one in error.problems] or [{"problem": error.detail, "remedy": error.remedy}]
        return _mapping(visit, source, given, problems=problems, status=status)
    return _mapping(visit, source, given, reading=reading)


def _given(visit: Visit) -> _Attempt:
    texts = [visit.form.get(name, "").replace("\r\n", "\n") for name in ("text", "sample")]
    if max(map(len, texts)) > TEXT_LIMIT:
        raise Invalid.field("text", f"is longer than {TEXT_LIMIT} characters", "shorten it")
    kind, kept_id = visit.text("kind") or "application/json", visit.text("body", limit=40)
    return _Attempt(text=texts[0], sample=texts[1], kind=kind, kept_id=kept_id if is_id(kept_id) else "")


async def _save(visit: Visit, session: AsyncSession) -> Done:
    given = _given(visit)
    source = await visit.services.own_sources.change(
        session,
        name=visit.arguments["source"],
        changes={"shapes": await in_thread(shapes_of, given.text)},
        actor=visit.identity.actor,
    )
    number = len(source.settings.shapes)
    words = (
        _("%(number)s of your own forms now go before those that ship", number=number)
        if number
        else _("Read as it ships")
    )
    return Done(to=f"/sources/{source.slug}" + (f"/bodies/{given.kept_id}" if given.kept_id else ""), words=words)


ROUTES: tuple[Route, ...] = (
    shows("/sources/{source}/mapping", mapping, "events.read"),
    computes("/sources/{source}/mapping/try", _try, "events.read"),
    does("/sources/{source}/mapping", _save, "systems.write"),
)
