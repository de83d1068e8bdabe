"""On call: who is, who comes next, whom incidents are escalated to, by which routes, and what was told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts import queries as accounts
from opsteward.console.languages import _
from opsteward.console.page import Done, Page, Route, Undo, Visit, does, shows
from opsteward.console.pages.oncall_policies import STEPS_IN_FORM
from opsteward.console.sorting import sorting
from opsteward.core.clock import now
from opsteward.core.errors import Conflict, Invalid
from opsteward.oncall import policies, schedules
from opsteward.oncall.routes import NewRoute
from opsteward.oncall.types import Begins, Rotation, RouteView

_NOTICES = 15
_TURN_LIMIT = 52  # days or weeks


async def oncall(visit: Visit, session: AsyncSession) -> Page:
    """One page for all of it."""
    services, me = visit.services, visit.identity
    escalations = await services.oncall.escalations.running(session, limit=50)
    refs = await services.incidents.refs(session, {one.incident_id for one in escalations})
    titles = {key: f"#{one.number} {one.title}" for key, one in refs.items()}
    order = sorting(visit, {"name": False, "last": True})
    routes = order.rows(
        await services.oncall.routes.read_all(session),
        {"name": lambda one: one.name.casefold(), "last": lambda one: one.last_at},
    )
    return Page(
        template="oncall.html",
        title=_("On call"),
        about=("incident",),
        values={
            "schedules": await schedules.list_schedules(session),
            "escalations": [(one, titles.get(one.incident_id, _("an incident"))) for one in escalations],
            "policies": await policies.list_policies(session),
            "routes": routes,
            "routes_by": order.heads,
            "notices": await services.oncall.notices.page(session, limit=_NOTICES),
            "operators": [one.name for one in await accounts.list_operators(session, status="active", limit=500)],
            "steps_in_form": STEPS_IN_FORM,
            "nobody_told": not routes and not services.oncall_is_told,
            "may_write": me.may("oncall.write"),
            "may_notify": me.may("notifications.write"),
        },
    )


def unproven(routes: Sequence[RouteView]) -> RouteView | None:
    """The first of the routes, if none of them has ever been seen to deliver."""
    return None if any(one.last_status == "sent" for one in routes) else next(iter(routes), None)


async def _save_route(visit: Visit, session: AsyncSession) -> Done:
    """A route of this name, made or changed; without addresses, those that it has stay."""
    begins: dict[str, Begins] = {"opened": "opened", "escalated": "escalated"}
    saved = await visit.services.oncall.routes.save(
        session,
        new=NewRoute(
            name=visit.text("name", limit=100, required=True),
            urls=visit.text("urls", limit=20_000).split() or None,
            operator=visit.text("operator", limit=320) or None,
            matchers=[line.strip() for line in visit.text("matchers", limit=10_000).splitlines() if line.strip()],
            begins=begins.get(visit.text("begins"), "escalated"),
        ),
        by=visit.identity,
    )
    undo = Undo(path=f"/notifications/{saved.id}/test", words=_("Send a test"))
    return Done(
        to="/oncall#routes", words=_("%(name)s is saved; a test shows whether it delivers", name=saved.name), undo=undo
    )


async def _remove_route(visit: Visit, session: AsyncSession) -> Done:
    await visit.services.oncall.routes.remove(session, route_id=visit.id("route_id", "route"), by=visit.identity)
    return Done(to="/oncall#routes", words=_("Nobody is told by it any more"))


async def _save_schedule(visit: Visit, session: AsyncSession) -> Done:
    """One rotation of people, in the order in which they are written. What has several is kept in a file."""
    unit: dict[str, Literal["day", "week"]] = {"day": "day", "week": "week"}
    every = visit.text("every", limit=2) or "1"
    if not (every.isascii() and every.isdecimal() and 1 <= int(every) <= _TURN_LIMIT):
        raise Invalid.field("every", "is no usable length of a turn", f"write 1 to {_TURN_LIMIT}")
    people = [one.strip() for one in visit.text("participants", limit=10_000, required=True).splitlines()]
    rotation = Rotation(
        name="primary",
        participants=tuple(one for one in people if one),
        unit=unit.get(visit.text("unit"), "week"),
        every=int(every),
        starts_on=f"{now():%Y-%m-%d}",
        handover=visit.text("handover", limit=5) or "09:00",
    )
    name = visit.text("name", limit=100, required=True)
    if name in [one.name for one in await schedules.list_schedules(session)]:
        raise Conflict(f"there is a schedule {name} already", remedy="change it by `opsteward oncall apply FILE`")
    saved = await schedules.save_schedule(
        session,
        name=name,
        timezone=visit.text("timezone", limit=60) or "UTC",
        rotations=[rotation],
        by=visit.identity,
    )
    return Done(to=f"/oncall#c-{saved.id}", words=_("The schedule %(name)s is made", name=saved.name))


async def _override(visit: Visit, session: AsyncSession) -> Done:
    try:
        length = timedelta(hours=float(visit.text("hours", limit=20, required=True)))
        ends_at = now() + length
    except (ValueError, OverflowError):
        raise Invalid.field("hours", "is no number of hours", "write 8") from None
    who = visit.text("operator", limit=320, required=True)
    changed = await schedules.add_override(
        session,
        schedule_id=visit.id("schedule_id", "schedule"),
        operator=who,
        starts_at=now(),
        ends_at=ends_at,
        reason=visit.reason,
        by=visit.identity,
    )
    return Done(to="/oncall", words=_("%(who)s is on call in %(name)s", who=who, name=changed.name))


async def _remove_override(visit: Visit, session: AsyncSession) -> Done:
    await schedules.remove_override(session, override_id=visit.id("override_id", "override"), by=visit.identity)
    return Done(to="/oncall", words=_("The rotation counts again"))


async def _test(visit: Visit, session: AsyncSession) -> Done:
    sent = await visit.services.oncall.notices.test(session, route_id=visit.id("route_id", "route"), by=visit.identity)
    return Done(
        to="/oncall#notices",
        words=_("A test by %(route)s is under way; what became of it stands below", route=sent.route),
    )


ROUTES: tuple[Route, ...] = (
    shows("/oncall", oncall, "oncall.read"),
    does("/oncall", _save_schedule, "oncall.write"),
    does("/oncall/{schedule_id}/override", _override, "oncall.write"),
    does("/oncall/overrides/{override_id}/remove", _remove_override, "oncall.write"),
    does("/notifications", _save_route, "notifications.write"),
    does("/notifications/{route_id}/remove", _remove_route, "notifications.write"),
    does("/notifications/{route_id}/test", _test, "notifications.write"),
)
