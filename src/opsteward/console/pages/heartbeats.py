"""Heartbeats: work that calls when it is done, and is missed when it does not; each with an address to call."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.languages import _
from opsteward.console.page import Done, Page, Route, Visit, does, shows
from opsteward.console.sorting import sorting
from opsteward.core.errors import Invalid
from opsteward.systems import heartbeats as service
from opsteward.systems.heartbeats import NewHeartbeat, NewKey

_PAGE = 50
_COLUMNS = {"late": False, "name": False, "state": False, "last": True}
_UNITS = {"minutes": 60, "hours": 3600, "days": 86_400}
_CRITICALITIES = ("critical", "standard", "backup")


async def heartbeats(visit: Visit, session: AsyncSession) -> Page:
    """Those that are missed first come first; a head sorts otherwise."""
    order, after = sorting(visit, _COLUMNS), visit.cursor("after")
    found = await service.list_heartbeats(
        session, by=order.column, descending=order.descending, after=after, limit=_PAGE + 1
    )
    return Page(
        template="heartbeats.html",
        title=_("Heartbeats"),
        about=("system",),
        values={
            "heartbeats": found[:_PAGE],
            "by": order.heads,
            "units": list(_UNITS),
            "criticalities": _CRITICALITIES,
            "may_write": visit.identity.may("systems.write"),
            "next": visit.address(after=str(found[_PAGE - 1].id)) if len(found) > _PAGE else "",
            "first": visit.address() if after else "",
        },
    )


async def _register(visit: Visit, session: AsyncSession) -> Page:
    cron = visit.text("cron", limit=200)
    _, key = await service.register(
        session,
        visit.services.inventory,
        new=NewHeartbeat(
            name=visit.text("name", limit=100, required=True),
            period=None if cron else _number(visit, "every") * _unit(visit),
            cron=cron or None,
            timezone=visit.text("timezone", limit=60) or "UTC",
            grace=_number(visit, "grace") * 60,
            criticality=visit.text("criticality", limit=40) or "standard",
        ),
        actor=visit.identity.actor,
    )
    return _told(visit, key)


def _unit(visit: Visit) -> int:
    given = visit.text("unit", limit=20)
    if given not in _UNITS:
        raise Invalid.field("unit", f"{given!r} is none", f"use {', '.join(_UNITS)}")
    return _UNITS[given]


def _number(visit: Visit, name: str) -> int:
    given = visit.text(name, limit=6, required=True)
    if not (given.isascii() and given.isdecimal()):
        raise Invalid.field(name, "is no whole number", "write digits only")
    return int(given)


async def _new_key(visit: Visit, session: AsyncSession) -> Page:
    heartbeat_id = visit.id("heartbeat_id", "heartbeat")
    return _told(visit, await service.new_key(session, system_id=heartbeat_id, actor=visit.identity.actor))


def _told(visit: Visit, new: NewKey) -> Page:
    address = f"{visit.own_address}/ping/{new.key}"
    return Page(
        template="secret.html",
        title=_("An address to call"),
        values={
            "secret": address,
            "words": _(
                "Call it at the end of the work; /start at the beginning and /fail or an exit code are taken too."
            ),
            "examples": [
                (
                    _("In a crontab"),
                    f"0 2 * * * /usr/local/bin/backup.sh; curl -fsS --retry 3 {address}/$?",
                ),
                (_("At the end of a script"), f"curl -fsS --retry 3 {address}"),
            ],
            "back_to": "/heartbeats",
        },
    )


async def _remove(visit: Visit, session: AsyncSession) -> Done:
    found = await service.get(session, system_id=visit.id("heartbeat_id", "heartbeat"))
    await visit.services.inventory.remove(session, system_id=found.id, actor=visit.identity.actor)
    return Done(to="/heartbeats", words=_("%(name)s is expected no more", name=found.name))


ROUTES: tuple[Route, ...] = (
    shows("/heartbeats", heartbeats, "systems.read"),
    does("/heartbeats", _register, "systems.write"),
    does("/heartbeats/{heartbeat_id}/key", _new_key, "systems.write"),
    does("/heartbeats/{heartbeat_id}/remove", _remove, "systems.write"),
)
