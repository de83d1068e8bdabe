"""Why an incident's events are one group, and what people decide about it: its category, a merge, a split."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.languages import _
from opsteward.console.page import Done, Route, Undo, Visit, does
from opsteward.console.vocabulary import spoken
from opsteward.core.errors import Invalid, NotFound
from opsteward.events.classification import Category
from opsteward.events.group_decisions import GroupDecisions

CATEGORIES = [one.value for one in Category]


async def _correct(visit: Visit, session: AsyncSession) -> Done:
    incident_id, category = visit.id("incident_id", "incident"), visit.text("category")
    if category not in CATEGORIES:
        raise Invalid.field("category", f"{category[:40]!r} is none", f"use one of {', '.join(CATEGORIES)}")
    before = await visit.services.incidents.get(session, incident_id=incident_id)
    await GroupDecisions(visit.services.incidents).correct(
        session, incident_id=incident_id, category=Category(category), by=visit.identity, reason=visit.reason
    )
    undo = Undo(path=f"/incidents/{incident_id}/correct", fields={"category": before.category})
    words = _("Its events are %(category)s, and later ones like them are judged so", category=spoken(category))
    return Done(to=f"/incidents/{incident_id}", words=words, undo=undo)


async def _merge(visit: Visit, session: AsyncSession) -> Done:
    number = visit.text("into", limit=12, required=True).removeprefix("#")
    if not (number.isascii() and number.isdecimal()):
        raise Invalid.field("into", "is no number of an incident", "write the number that stands before its title")
    found = await visit.services.incidents.page(session, ref=number, limit=20)
    other = next((one for one in found if one.number == int(number)), None)
    if other is None:
        raise NotFound(f"there is no incident {number}", remedy="see the list of incidents")
    await GroupDecisions(visit.services.incidents).merge(
        session,
        incident_id=visit.id("incident_id", "incident"),
        into=other.id,
        by=visit.identity,
        reason=visit.reason,
    )
    return Done(to=f"/incidents/{other.id}", words=_("Merged into this incident, which gets the later events too"))


async def _split(visit: Visit, session: AsyncSession) -> Done:
    incident_id = visit.id("incident_id", "incident")
    await GroupDecisions(visit.services.incidents).split(
        session,
        incident_id=incident_id,
        fingerprint=visit.text("fingerprint", limit=64, required=True),
        by=visit.identity,
        reason=visit.reason,
    )
    return Done(to=f"/incidents/{incident_id}", words=_("Later events of it open an incident of their own"))


ROUTES: tuple[Route, ...] = (
    does("/incidents/{incident_id}/correct", _correct, "incidents.write"),
    does("/incidents/{incident_id}/merge", _merge, "incidents.write"),
    does("/incidents/{incident_id}/split", _split, "incidents.write"),
)
