"""Schedules: what is submitted when, and a new one."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.named_actors import Said, with_actors
from opsteward.console.languages import _
from opsteward.console.page import Done, Page, Route, Undo, Visit, does, shows
from opsteward.console.sorting import sorting
from opsteward.console.wording import who
from opsteward.tasks.types import SCHEDULES

_PAGE = 100
_PARAMETERS_LIMIT = 20_000


async def schedules(visit: Visit, session: AsyncSession) -> Page:
    """All of them, by name."""
    order, after = sorting(visit, {"name": False, "next": False, "last": True}), visit.cursor("after")
    found = await visit.services.schedules.page(
        session, by=order.column, descending=order.descending, after_id=after, limit=_PAGE + 1
    )
    found = await with_actors(session, found, Said("created_by", "created_at", "creator"))
    return Page(
        template="schedules.html",
        title=_("Schedules"),
        about=(SCHEDULES,),
        values={
            "schedules": [(one, who(one.creator) if one.creator else "") for one in found[:_PAGE]],
            "by": order.heads,
            "types": sorted(visit.services.task_types.types),
            "may_write": visit.identity.may("tasks.write"),
            "next": visit.address(after=str(found[_PAGE - 1].id)) if len(found) > _PAGE else "",
            "first": visit.address() if after else "",
        },
    )


async def _create(visit: Visit, session: AsyncSession) -> Done:
    made = await visit.services.schedules.create(
        session,
        name=visit.text("name", limit=200, required=True),
        cron=visit.text("cron", limit=200, required=True),
        timezone=visit.text("timezone", limit=100) or "UTC",
        task={
            "task_type": visit.text("task_type", limit=100, required=True),
            "params": visit.json_object("parameters"),
        },
        actor=visit.identity.actor,
    )
    return Done(
        to="/schedules",
        words=_("%(name)s is scheduled", name=made.name),
        undo=Undo(path=f"/schedules/{made.id}/remove"),
    )


async def _pause(visit: Visit, session: AsyncSession) -> Done:
    return await _set(visit, session, paused=True)


async def _resume(visit: Visit, session: AsyncSession) -> Done:
    return await _set(visit, session, paused=False)


async def _set(visit: Visit, session: AsyncSession, *, paused: bool) -> Done:
    one = await visit.services.schedules.set_paused(
        session, schedule_id=visit.id("schedule_id", "schedule"), paused=paused, actor=visit.identity.actor
    )
    undo = Undo(path=f"/schedules/{one.id}/{'resume' if paused else 'pause'}")
    words = _("%(name)s is paused", name=one.name) if paused else _("%(name)s goes on", name=one.name)
    return Done(to="/schedules", words=words, undo=undo)


async def _remove(visit: Visit, session: AsyncSession) -> Done:
    await visit.services.schedules.remove(
        session, schedule_id=visit.id("schedule_id", "schedule"), actor=visit.identity.actor
    )
    return Done(to="/schedules", words=_("The schedule is gone; its tasks stay"))


ROUTES: tuple[Route, ...] = (
    shows("/schedules", schedules, "tasks.read"),
    does("/schedules", _create, "tasks.write"),
    does("/schedules/{schedule_id}/pause", _pause, "tasks.write"),
    does("/schedules/{schedule_id}/resume", _resume, "tasks.write"),
    does("/schedules/{schedule_id}/remove", _remove, "tasks.write"),
)
