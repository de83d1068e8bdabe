"""Sources: what arrives from where, and the page of one with its address, what is set for it and its last bodies."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.languages import N_, _, ngettext, said
from opsteward.console.page import Done, Page, Route, Visit, computes, does, shows
from opsteward.console.sorting import sorting
from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import Conflict, Invalid
from opsteward.core.json_types import Json
from opsteward.events.sources import kept_bodies
from opsteward.events.sources.catalogue import all_sources
from opsteward.events.sources.own_sources import KnownSource, SourceSettings
from opsteward.events.sources.taking import Received
from opsteward.events.sources.tallies import Tally, counts

_BODIES = 20
_SECRET_LENGTH = 8  # characters at least, as the API has it
TEXT_LIMIT = 262_144  # characters of a sample or of forms
_SHOWN = {"used": N_("in use"), "trouble": N_("not understood or refused"), "all": N_("all that are known")}
_COLUMNS = {"last": True, "name": False, "bodies": True, "events": True, "unmapped": True, "refused": True}


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
    order, called = sorting(visit, _COLUMNS), visit.query("ref", limit=100)
    found = {
        "used": used,
        "trouble": [row for row in used if row[1].unmapped or row[1].refused],
        "all": rows,
    }[shown]
    if called:
        found = [row for row in found if called.casefold() in f"{row[0].slug} {title_of(row[0])}".casefold()]
    found = order.rows(
        found,
        {
            "last": lambda row: row[1].last_received_at,
            "name": lambda row: title_of(row[0]).casefold(),
            "bodies": lambda row: row[1].bodies,
            "events": lambda row: row[1].events,
            "unmapped": lambda row: row[1].unmapped,
            "refused": lambda row: row[1].refused,
        },
    )
    return Page(
        template="sources.html",
        title=_("Sources"),
        values={
            "rows": [(one, title_of(one), tally) for one, tally in found],
            "tabs": [(f"{words} {len(rows)}" if name == "all" else words, visit.address(show=name), name == shown)
                     for name, words in said(_SHOWN).items()],
            "by": order.heads,
            "sorting": order,
            "kept": {"show": visit.query("show")},
            "called": called,
            "anything": bool(counted),
            "may_write": visit.identity.may("systems.write"),
        },
    )  # fmt: skip


def title_of(source: KnownSource) -> str:
    """What people call it."""
    return source.settings.title or source.mapping.title


async def one(visit: Visit, session: AsyncSession) -> Page:
    """Where it is sent, how to set the sender up, what came, what is set."""
    await visit.services.source_tallies.flush()
    source = await source_of(visit, session)
    before = visit.cursor("before")
    bodies = await kept_bodies.page(session, slug=source.slug, before=before, limit=_BODIES + 1)
    return Page(
        template="source.html",
        title=title_of(source),
        values={
            **source_head(visit, source),
            "tally": (await counts(session)).get(source.slug, Tally()),
            "is_set": source.changed_at is not None,
            "topics": "\n".join(source.settings.topics),
            "bodies": bodies[:_BODIES],
            "next": visit.address(before=str(bodies[_BODIES - 1].id)) if len(bodies) > _BODIES else "",
            "first": visit.address() if before else "",
            "sample": '{"title": "A test", "severity": "low", "message": "Sent from the console"}',
        },
    )


def source_head(visit: Visit, source: KnownSource) -> dict[str, object]:
    """What each page about a source shows of it."""
    return {
        "source": source,
        "source_title": title_of(source),
        "address": f"{visit.own_address}/api/v1/intake/{source.slug}",
        "may_write": visit.identity.may("systems.write"),
        "may_send": visit.identity.may("events.write"),
        "signed": _is_signed(source),
    }


def _is_signed(source: KnownSource) -> bool:
    return source.has_secret or bool(source.settings.topics)


async def source_of(visit: Visit, session: AsyncSession) -> KnownSource:
    """The one in the address. Raises NotFound."""
    return await visit.services.own_sources.known(session, visit.arguments["source"])


async def body(visit: Visit, session: AsyncSession) -> Page:
    """A kept body as it came, and what it became."""
    source = await source_of(visit, session)
    kept = await kept_bodies.one(session, slug=source.slug, body_id=visit.id("body_id", "body"))
    return Page(
        template="source_body.html",
        title=_("A body from %(name)s", name=title_of(source)),
        values={**source_head(visit, source), "kept": kept},
    )


async def _send(visit: Visit) -> Done:
    """As the product would send it. What has to be signed can't be sent from here."""
    sample = visit.form.get("sample", "")
    if len(sample) > TEXT_LIMIT:
        raise Invalid.field("sample", f"is longer than {TEXT_LIMIT} characters", "shorten it")
    raw, kind = sample.encode(), "application/json"
    async with visit.unit_of_work() as session:
        if _is_signed(await source_of(visit, session)):
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
        source = await source_of(visit, session)
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
    events = ngettext("%(num)s event is taken", "%(num)s events are taken", number)
    found = _("the body has no known form, so fields were found by their common names")
    return events if mapped else f"{events}; {found}"


async def _create(visit: Visit, session: AsyncSession) -> Done:
    made = await visit.services.own_sources.create(
        session,
        name=visit.text("slug", limit=40, required=True),
        changes={"title": visit.text("title", limit=100) or None},
        actor=visit.identity.actor,
    )
    return Done(to=f"/sources/{made.slug}", words=_("Point its sender at the address below"))


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
    return Done(to=f"/sources/{source.slug}", words=_("It is set"))


async def _reset(visit: Visit, session: AsyncSession) -> Done:
    source = await source_of(visit, session)
    await visit.services.own_sources.remove(session, name=source.slug, actor=visit.identity.actor)
    to = f"/sources/{source.slug}" if source.shipped else "/sources"
    return Done(to=to, words=_("What was set for it is taken away"))


ROUTES: tuple[Route, ...] = (
    shows("/sources", sources, "events.read"),
    does("/sources", _create, "systems.write"),
    shows("/sources/{source}", one, "events.read"),
    does("/sources/{source}/settings", _settings, "systems.write"),
    does("/sources/{source}/reset", _reset, "systems.write"),
    computes("/sources/{source}/test", _send, "events.write"),
    shows("/sources/{source}/bodies/{body_id}", body, "events.read"),
    computes("/sources/{source}/bodies/{body_id}/read", _read_again, "events.write"),
)
