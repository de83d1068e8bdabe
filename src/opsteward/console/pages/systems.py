"""Systems: what is watched and how it is, one of them, and its registration."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.actions import RunRow
from opsteward.console.languages import _
from opsteward.console.names import Names
from opsteward.console.page import Done, Page, Route, Undo, Visit, does, shows
from opsteward.console.sorting import sorting
from opsteward.console.sync_rows import mapping_rows
from opsteward.console.system_history import response_times, strips
from opsteward.console.vocabulary import spoken_as_kept
from opsteward.console.wording import HEALTH
from opsteward.core.clock import now
from opsteward.core.errors import Invalid
from opsteward.provisioning.sync.summaries import mappings_of
from opsteward.provisioning.sync.types import SYNC_CHANGED
from opsteward.systems.early_warning.service import warnings
from opsteward.systems.maintenance import NewWindow, end_window, list_windows, plan_window
from opsteward.systems.service import NewSystem
from opsteward.systems.summaries import dependents_of

_PAGE = 100
_LATELY = 10
_COLUMNS = {"name": False, "health": False, "type": False, "criticality": False, "response_time": True, "since": True}
STATUSES = {"down": "down", "degraded": "degraded", "healthy": "healthy", "unknown": "unknown"}
TYPES = {n: n for n in ("database", "api", "ldap", "scim", "file_system", "webhook", "service")}
CRITICALITIES = {n: n for n in ("critical", "standard", "backup")}


def _spoken(words: Mapping[str, str]) -> dict[str, str]:
    return {one: spoken_as_kept(one) for one in words}


async def systems(visit: Visit, session: AsyncSession) -> Page:
    """All of them, by name; filters stand in the address."""
    status, kind = visit.choice("status", STATUSES), visit.choice("type", TYPES)
    criticality, called = visit.choice("criticality", CRITICALITIES), visit.query("ref", limit=100)
    order, after = sorting(visit, _COLUMNS), visit.cursor("after")
    found = await visit.services.inventory.page(
        session,
        status=status or None,
        system_type=kind or None,
        criticality=criticality or None,
        ref=called or None,
        by=order.column,
        descending=order.descending,
        after_id=after,
        limit=_PAGE + 1,
    )
    return Page(
        template="systems.html",
        title=_("Systems"),
        about=("system", "inventory"),
        values={
            "systems": found[:_PAGE],
            "strips": await strips(session, [one.id for one in found[:_PAGE]]),
            "health": HEALTH,
            "filters": [
                ("status", _("Health"), _spoken(STATUSES), status),
                ("type", _("Type"), _spoken(TYPES), kind),
                ("criticality", _("Criticality"), _spoken(CRITICALITIES), criticality),
            ],
            "by": order.heads,
            "sorting": order,
            "called": called,
            "filtered": bool(status or kind or criticality or called),
            "may_write": visit.identity.may("systems.write"),
            "next": visit.address(after=str(found[_PAGE - 1].id)) if len(found) > _PAGE else "",
            "first": visit.address() if after else "",
        },
    )


async def one(visit: Visit, session: AsyncSession) -> Page:
    """One system: its health with the evidence, what it needs, what was done to it."""
    services, me = visit.services, visit.identity
    system = await services.inventory.get(session, system_id=visit.id("system_id", "system"))
    needed_by = await dependents_of(session, system_id=system.id)
    names = await Names.read(session, services.inventory, [system.id, *system.depends_on])
    runs = await services.action_service.list_runs(session, limit=200) if me.may("actions.read") else []
    of_it = [RunRow.of(run, names) for run in runs if run.system_id == system.id][:_LATELY]
    may_see = me.may("troubleshooting.read")
    looked = await services.sessions.page(session, system_id=system.id, limit=1) if may_see else []
    return Page(
        template="system.html",
        title=system.name,
        about=("system", "inventory", SYNC_CHANGED),
        values={
            "system": system,
            "strip": (await strips(session, [system.id]))[system.id],
            "course": await response_times(session, system.id),
            "warnings": await warnings(session, system_id=system.id),
            "windows": await list_windows(session, system_id=system.id, limit=_LATELY),
            "health": HEALTH,
            "needs": [(i, names.system(i)) for i in system.depends_on],
            "needed_by": list(needed_by.items()),
            "runs": of_it,
            "looked": looked[0] if looked else None,
            "syncs": await mapping_rows(session, services.inventory, await mappings_of(session, system_id=system.id)),
            "may_write": me.may("systems.write"),
            "may_run": me.may("troubleshooting.run"),
        },
    )


async def new(visit: Visit, _session: AsyncSession) -> Page:
    """The form for a new system."""
    return Page(
        template="system_new.html",
        title=_("Register a system"),
        values={"types": TYPES, "criticalities": CRITICALITIES},
    )


async def _register(visit: Visit, session: AsyncSession) -> Done:
    names = [name.strip() for name in visit.text("depends_on", limit=2000).split(",") if name.strip()]
    system = await visit.services.inventory.register(
        session,
        new=NewSystem(
            name=visit.text("name", limit=100, required=True),
            type=visit.text("type", limit=40, required=True),
            endpoint=visit.text("endpoint", limit=2000, required=True),
            health_check_url=visit.text("health_check_url", limit=2000) or None,
            criticality=visit.text("criticality", limit=40) or "standard",
            credentials={k: v for k in ("username", "password", "token") if (v := visit.text(k, limit=10_000))},
            depends_on=names,
        ),
        actor=visit.identity.actor,
    )
    return Done(to=f"/systems/{system.id}", words=_("%(name)s is watched from now on", name=system.name))


async def _remove(visit: Visit, session: AsyncSession) -> Done:
    await visit.services.inventory.remove(
        session, system_id=visit.id("system_id", "system"), actor=visit.identity.actor
    )
    return Done(to="/systems", words=_("The system and its credentials are forgotten"))


async def _start_maintenance(visit: Visit, session: AsyncSession) -> Done:
    system_id = visit.id("system_id", "system")
    minutes = visit.text("minutes", limit=6, required=True)
    if not (minutes.isascii() and minutes.isdigit() and 1 <= int(minutes) <= 10_080):
        raise Invalid.field("minutes", "is no usable length", "give a number from 1 to 10080")
    new = NewWindow(
        system_id=system_id,
        reason=visit.text("what", limit=500, required=True),
        ends_at=now() + timedelta(minutes=int(minutes)),
    )
    window = await plan_window(session, new=new, actor=visit.identity.actor)
    undo = Undo(path=f"/systems/{system_id}/maintenance/{window.id}/end")
    return Done(
        to=f"/systems/{system_id}", words=_("It raises no alerts for %(minutes)s minutes", minutes=minutes), undo=undo
    )


async def _end_maintenance(visit: Visit, session: AsyncSession) -> Done:
    await end_window(session, window_id=visit.id("window_id", "maintenance window"), actor=visit.identity.actor)
    return Done(to=f"/systems/{visit.id('system_id', 'system')}", words=_("The maintenance has ended"))


async def _troubleshoot(visit: Visit, session: AsyncSession) -> Done:
    system_id = visit.id("system_id", "system")
    await visit.services.inventory.get(session, system_id=system_id)
    await visit.services.sessions.start(
        session,
        trigger="operator",
        requested_by=visit.identity.actor,
        system_id=system_id,
        complaint=visit.reason or _("asked for by an operator"),
    )
    return Done(to=f"/systems/{system_id}", words=_("Troubleshooting has begun"))


ROUTES: tuple[Route, ...] = (
    shows("/systems", systems, "systems.read"),
    shows("/systems/new", new, "systems.write"),
    does("/systems/new", _register, "systems.write"),
    shows("/systems/{system_id}", one, "systems.read"),
    does("/systems/{system_id}/remove", _remove, "systems.write"),
    does("/systems/{system_id}/maintenance", _start_maintenance, "systems.write"),
    does("/systems/{system_id}/maintenance/{window_id}/end", _end_maintenance, "systems.write"),
    does("/systems/{system_id}/troubleshoot", _troubleshoot, "troubleshooting.run"),
)
