"""Silences and inhibitions: what is kept quiet, until when and why; and a new silence, with what it would match."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.languages import N_, _, said
from opsteward.console.page import Done, Page, Route, Undo, Visit, does, shows
from opsteward.console.sorting import sorting
from opsteward.console.wording import begins_large
from opsteward.core.clock import now
from opsteward.core.errors import Invalid
from opsteward.events.muting.types import SilencePreview

_PAGE = 50
_STATUSES = {"active": N_("active"), "pending": N_("to come"), "expired": N_("over")}


async def silences(visit: Visit, session: AsyncSession) -> Page:
    """What is in force first; the rest by its state."""
    return await _page(visit, session)


async def _page(visit: Visit, session: AsyncSession, preview: SilencePreview | None = None) -> Page:
    status = visit.choice("status", _STATUSES)
    after, order = visit.cursor("after"), sorting(visit, {"made": True, "until": True})
    muting = visit.services.muting
    chosen = {"active": "active", "pending": "pending", "expired": "expired"}.get(status)
    found = await muting.silences(
        session,
        status=chosen,  # type: ignore[arg-type]  # one of these by `choice`
        after=after,
        limit=_PAGE + 1,
        by=order.column,
        descending=order.descending,
    )
    tabs = [(_("All"), "/silences", not status)]
    tabs += [
        (begins_large(words), f"/silences?status={name}", status == name) for name, words in said(_STATUSES).items()
    ]
    given = {name: visit.form.get(name, "") for name in ("matchers", "hours", "reason")}
    given["matchers"] = given["matchers"] or visit.query("matchers", limit=1000)
    return Page(
        template="silences.html",
        title=_("Silences"),
        about=("incident",),
        values={
            "silences": found[:_PAGE],
            "inhibitions": await muting.inhibitions(session, removed=True),
            "tabs": tabs,
            "by": order.heads,
            "given": given,
            "preview": preview,
            "may_write": visit.identity.may("incidents.write"),
            "next": visit.address(after=str(found[_PAGE - 1].id)) if len(found) > _PAGE else "",
            "first": visit.address() if after else "",
        },
    )


def _matchers(visit: Visit) -> list[str]:
    return _lines(visit, "matchers")


def _lines(visit: Visit, name: str) -> list[str]:
    lines = visit.text(name, limit=10_000, required=True).splitlines()
    return [line.strip() for line in lines if line.strip()]


async def _preview(visit: Visit, session: AsyncSession) -> Page:
    return await _page(visit, session, await visit.services.muting.preview(session, matchers=_matchers(visit)))


async def _silence(visit: Visit, session: AsyncSession) -> Done:
    try:
        length = timedelta(hours=float(visit.text("hours", limit=20, required=True)))
        ends_at = now() + length
    except (ValueError, OverflowError):
        raise Invalid.field("hours", "is no number of hours", "write 2, or 0.5") from None
    made = await visit.services.muting.silence(
        session,
        matchers=_matchers(visit),
        starts_at=None,
        ends_at=ends_at,
        reason=visit.reason,
        by=visit.identity,
    )
    words = _("Silenced; %(count)s open incidents are kept quiet", count=made.muted_incidents)
    return Done(to="/silences", words=words, undo=Undo(path=f"/silences/{made.id}/end"))


async def _end(visit: Visit, session: AsyncSession) -> Done:
    await visit.services.muting.end_silence(session, silence_id=visit.id("silence_id", "silence"), by=visit.identity)
    return Done(to="/silences", words=_("Ended: what it kept quiet and is open still is told now"))


async def _inhibit(visit: Visit, session: AsyncSession) -> Done:
    made = await visit.services.muting.inhibit(
        session,
        name=visit.text("name", limit=100, required=True),
        source=_lines(visit, "source"),
        target=_lines(visit, "target"),
        equal=visit.text("equal", limit=1000).replace(",", " ").split(),
        dependents=bool(visit.form.get("dependents")),
        reason=visit.reason,
        by=visit.identity,
    )
    undo = Undo(path=f"/inhibitions/{made.id}/remove")
    return Done(
        to="/silences#inhibitions", words=_("%(name)s keeps what follows quiet from now on", name=made.name), undo=undo
    )


async def _remove(visit: Visit, session: AsyncSession) -> Done:
    found = await visit.services.muting.remove_inhibition(
        session, inhibition_id=visit.id("inhibition_id", "inhibition"), by=visit.identity
    )
    return Done(to="/silences", words=_("%(name)s keeps nothing quiet any more", name=found.name))


ROUTES: tuple[Route, ...] = (
    shows("/silences", silences, "incidents.read"),
    does("/silences", _silence, "incidents.write"),
    does("/silences/preview", _preview, "incidents.read"),
    does("/silences/{silence_id}/end", _end, "incidents.write"),
    does("/inhibitions", _inhibit, "incidents.write"),
    does("/inhibitions/{inhibition_id}/remove", _remove, "incidents.write"),
)
