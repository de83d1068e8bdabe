"""Sources: what arrives from where, and the page of one with its address, what is set for it and its last bodies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.addresses import id_of, is_id
from opsteward.console.page import Done, Page, Route, Visit, computes, does, shows
from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import Conflict, Invalid
from opsteward.core.json_types import Json
from opsteward.events.sources import kept_bodies
from opsteward.events.sources.catalogue import all_sources
from opsteward.events.sources.mapping import Reading
from opsteward.events.sources.own_forms import shapes_of, text_of, tried
from opsteward.events.sources.own_sources import KnownSource, SourceSettings
from opsteward.events.sources.taking import Received
from opsteward.events.sources.tallies import Tally, counts

_BODIES = 20
_SECRET_LENGTH = 8  # characters at least, as the API has it
_TEXT_LIMIT = 262_144  # characters of a sample or of forms
_SHOWN = {"used": "in use", "trouble": "not understood or refused", "all": "all that are known"}
_ORDERS = {"": "latest first", "name": "name", "bodies": "most bodies"}
_COLUMNS = {"last": "", "name": "name", "bodies": "bodies"}


async def sources(visit: Visit, session: AsyncSession) -> Page:
    """Those from which something came or for which something is set; by filter all that are known."""
    await visit.services.source_tallies.flush()
    shipped = await in_thread(all_sources)
    set_up = {one.slug: one for one in await visit.services.own_sources.all(session)}
    plain = (KnownSource(mapping=one, shipped=True, settings=SourceSettings()) for one in shipped.values())
    known = {one.slug: one for one in plain} | set_up
    counted = await counts(session)
    rows = [(one, counted.get(slug, Tally())) for slug, one in sorted(known.items())]
    used = [row for row in rows if row[0].slug in set_up or row[0].slug in counted]
    shown = visit.choice("show", _SHOWN) or ("used" if used else "all")
    order, called = visit.choice("order", _ORDERS), visit.query("ref", limit=100)
    found = {
        "used": used,
        "trouble": [row for row in used if row[1].unmapped or row[1].refused],
        "all": rows,
    }[shown]
    if called:
        found = [row for row in found if called.casefold() in f"{row[0].slug} {_title(row[0])}".casefold()]
    if order == "bodies":
        found = sorted(found, key=lambda row: -row[1].bodies)
    elif order == "name":
        found = sorted(found, key=lambda row: _title(row[0]).casefold())
    else:
        found = sorted(found, key=lambda row: -(at.timestamp() if (at := row[1].last_received_at) else 0))
    return Page(
        template="sources.html",
        title="Sources",
        values={
            "rows": [(one, _title(one), tally) for one, tally in found],
            "tabs": [(f"{words} {len(rows)}" if name == "all" else words, visit.address(show=name), name == shown)
                     for name, words in _SHOWN.items()],
            "filters": [("order", "Sort by", _ORDERS, order)],
            "order": order,
            "by": {name: visit.address(order=value) for name, value in _COLUMNS.items()},
            "kept": {"show": visit.query("show")},
            "called": called,
            "anything": bool(counted),
            "may_write": visit.identity.may("systems.write"),
        },
    )  # fmt: skip


def _title(source: KnownSource) -> str:
    return source.settings.title or source.mapping.title


async def one(visit: Visit, session: AsyncSession) -> Page:
    """Where it is sent, how to set the sender up, what came, what is set."""
    await visit.services.source_tallies.flush()
    source = await _source(visit, session)
    before = visit.cursor("before")
    bodies = await kept_bodies.page(session, slug=source.slug, before=before, limit=_BODIES + 1)
    return Page(
        template="source.html",
        title=_title(source),
        values={
            **_head(visit, source),
            "tally": (await counts(session)).get(source.slug, Tally()),
            "is_set": source.changed_at is not None,
            "topics": "\n".join(source.settings.topics),
            "bodies": bodies[:_BODIES],
            "next": visit.address(before=str(bodies[_BODIES - 1].id)) if len(bodies) > _BODIES else "",
            "first": visit.address() if before else "",
            "sample": '{"title": "A test", "severity": "low", "message": "Sent from the console"}',
        },
    )


def _head(visit: Visit, source: KnownSource) -> dict[str, object]:
    return {
        "source": source,
        "source_title": _title(source),
        "address": f"{visit.own_address}/api/v1/intake/{source.slug}",
        "may_write": visit.identity.may("systems.write"),
        "may_send": visit.identity.may("events.write"),
        "signed": _is_signed(source),
    }


def _is_signed(source: KnownSource) -> bool:
    return source.has_secret or bool(source.settings.topics)


async def _source(visit: Visit, session: AsyncSession) -> KnownSource:
    return await visit.services.own_sources.known(session, visit.arguments["source"])


async def body(visit: Visit, session: AsyncSession) -> Page:
    """A kept body as it came, and what it became."""
    source = await _source(visit, session)
    kept = await kept_bodies.one(session, slug=source.slug, body_id=visit.id("body_id", "body"))
    return Page(
        template="source_body.html",
        title=f"A body from {_title(source)}",
        values={**_head(visit, source), "kept": kept},
    )


async def mapping(visit: Visit, session: AsyncSession) -> Page:
    """The forms that are set, beside a sample or a kept body on which they can be tried."""
    source = await _source(visit, session)
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
        title=f"How {_title(source)} is read",
        status=status,
        values={
            **_head(visit, source),
            **vars(attempt),
            "shipped": text_of(source.mapping.shapes),
            "reading": reading,
            "problems": problems,
        },
    )


async def _try(visit: Visit) -> Page:
    given = _given(visit)
    async with visit.unit_of_work() as session:
        source = await _source(visit, session)
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
    if max(map(len, texts)) > _TEXT_LIMIT:
        raise Invalid.field("text", f"is longer than {_TEXT_LIMIT} characters", "shorten it")
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
    words = f"{number} of your own forms now go before those that ship" if number else "Read as it ships"
    return Done(to=f"/sources/{source.slug}" + (f"/bodies/{given.kept_id}" if given.kept_id else ""), words=words)


async def _send(visit: Visit) -> Done:
    """As the product would send it. What has to be signed can't be sent from here."""
    sample = visit.form.get("sample", "")
    if len(sample) > _TEXT_LIMIT:
        raise Invalid.field("sample", f"is longer than {_TEXT_LIMIT} characters", "shorten it")
    raw, kind = sample.encode(), "application/json"
    async with visit.unit_of_work() as session:
        if _is_signed(await _source(visit, session)):
            raise Conflict("this source takes only what its sender signs", remedy="try the body under its mapping")
    holds = await in_thread(visit.services.read_body, raw, kind)
    taken = await visit.services.source_intake.take(
        tenant_id=visit.identity.tenant_id,
        name=visit.arguments["source"],
        received=Received(raw=raw, body=holds, kind=kind, headers={}),
        limit=visit.services.events_limit,
        actor=visit.identity.actor,
    )
    return Done(to=f"/sources/{taken.source}", words=_became(taken.accepted, mapped=taken.mapped))


async def _read_again(visit: Visit) -> Done:
    async with visit.unit_of_work() as session:
        source = await _source(visit, session)
        kept = await kept_bodies.one(session, slug=source.slug, body_id=visit.id("body_id", "body"))
    holds: Json = await in_thread(visit.services.read_body, (kept.body or "").encode(), kept.kind)
    taken = await visit.services.source_intake.read_again(
        tenant_id=visit.identity.tenant_id,
        name=source.slug,
        kept=kept,
        body=holds,
        limit=visit.services.events_limit,
        actor=visit.identity.actor,
    )
    words = _became(taken.accepted, mapped=taken.mapped)
    return Done(to=f"/sources/{source.slug}/bodies/{kept.id}", words=words)


def _became(number: int, *, mapped: bool) -> str:
    events = "1 event is taken" if number == 1 else f"{number} events are taken"
    return events + ("" if mapped else "; the body has no known form, so fields were found by their common names")


async def _create(visit: Visit, session: AsyncSession) -> Done:
    made = await visit.services.own_sources.create(
        session,
        name=visit.text("slug", limit=40, required=True),
        changes={"title": visit.text("title", limit=100) or None},
        actor=visit.identity.actor,
    )
    return Done(to=f"/sources/{made.slug}", words="Point its sender at the address below")


async def _settings(visit: Visit, session: AsyncSession) -> Done:
    changes: dict[str, object] = {"title": visit.text("title", limit=100) or None}
    changes["topics"] = visit.text("topics", limit=30_000).split() or None
    if secret := visit.text("secret", limit=1000):
        if len(secret) < _SECRET_LENGTH:
            raise Invalid.field("secret", f"has fewer than {_SECRET_LENGTH} characters", "use a longer one")
        changes["secret"] = secret
    elif visit.form.get("no_secret"):
        changes["secret"] = None
    source = await visit.services.own_sources.change(
        session, name=visit.arguments["source"], changes=changes, actor=visit.identity.actor
    )
    return Done(to=f"/sources/{source.slug}", words="It is set")


async def _reset(visit: Visit, session: AsyncSession) -> Done:
    source = await _source(visit, session)
    await visit.services.own_sources.remove(session, name=source.slug, actor=visit.identity.actor)
    to = f"/sources/{source.slug}" if source.shipped else "/sources"
    return Done(to=to, words="What was set for it is taken away")


ROUTES: tuple[Route, ...] = (
    shows("/sources", sources, "events.read"),
    does("/sources", _create, "systems.write"),
    shows("/sources/{source}", one, "events.read"),
    does("/sources/{source}/settings", _settings, "systems.write"),
    does("/sources/{source}/reset", _reset, "systems.write"),
    computes("/sources/{source}/test", _send, "events.write"),
    shows("/sources/{source}/mapping", mapping, "events.read"),
    computes("/sources/{source}/mapping/try", _try, "events.read"),
    does("/sources/{source}/mapping", _save, "systems.write"),
    shows("/sources/{source}/bodies/{body_id}", body, "events.read"),
    computes("/sources/{source}/bodies/{body_id}/read", _read_again, "events.write"),
)
