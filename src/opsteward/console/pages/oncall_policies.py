"""Escalation policies: whom to page first, and who is next when nobody answers; and the end of a schedule."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.languages import _
from opsteward.console.page import Done, Route, Undo, Visit, does
from opsteward.core.errors import Conflict, Invalid
from opsteward.oncall import policies, schedules
from opsteward.oncall.types import Begins, Step

#: So many steps one form has; a policy of more is kept in a file.
STEPS_IN_FORM = 4
_BEGINS: dict[str, Begins] = {"opened": "opened", "escalated": "escalated"}
_POSITION = 100


async def _save(visit: Visit, session: AsyncSession) -> Done:
    name = visit.text("name", limit=100, required=True)
    if name in [one.name for one in await policies.list_policies(session)]:
        raise Conflict(f"there is a policy {name} already", remedy="change it by `opsteward oncall apply FILE`")
    steps = [step for number in range(STEPS_IN_FORM) if (step := _step(visit, number)) is not None]
    repeats = visit.text("repeats", limit=3) or "2"
    if not (repeats.isascii() and repeats.isdecimal()):
        raise Invalid.field("repeats", "is no number", "write how often all steps come again, as 2")
    saved = await policies.save_policy(
        session,
        name=name,
        matchers=[line.strip() for line in visit.text("matchers", limit=10_000).splitlines() if line.strip()],
        begins=_BEGINS.get(visit.text("begins"), "escalated"),
        steps=steps,
        repeats=int(repeats),
        position=_POSITION,
        by=visit.identity,
    )
    undo = Undo(path=f"/oncall/policies/{saved.id}/remove")
    return Done(to="/oncall#policies", words=_("The policy %(name)s is in force", name=saved.name), undo=undo)


def _step(visit: Visit, number: int) -> Step | None:
    """One step of the form, as `schedule:ops`; None where nobody is chosen."""
    kind, _, name = visit.text(f"step_{number}", limit=340).partition(":")
    if not name:
        return None
    given = visit.text(f"wait_{number}", limit=8) or "10"
    try:
        minutes = float(given)
    except ValueError:
        minutes = 0
    if not 0 < minutes <= policies.MAX_WAIT_MINUTES:
        raise Invalid.field(f"steps.{number}.wait_minutes", "is no usable number of minutes", "write 10")
    if kind == "schedule":
        return Step(schedules=(name,), wait_minutes=minutes)
    if kind == "operator":
        return Step(operators=(name,), wait_minutes=minutes)
    return Step(routes=(name,), wait_minutes=minutes)


async def _remove(visit: Visit, session: AsyncSession) -> Done:
    await policies.remove_policy(session, policy_id=visit.id("policy_id", "policy"), by=visit.identity)
    return Done(to="/oncall#policies", words=_("It is used for no further incident; what escalates by it goes on"))


async def _remove_schedule(visit: Visit, session: AsyncSession) -> Done:
    await schedules.remove_schedule(session, schedule_id=visit.id("schedule_id", "schedule"), by=visit.identity)
    return Done(to="/oncall", words=_("The schedule and its overrides are gone"))


ROUTES: tuple[Route, ...] = (
    does("/oncall/policies", _save, "oncall.write"),
    does("/oncall/policies/{policy_id}/remove", _remove, "oncall.write"),
    does("/oncall/schedules/{schedule_id}/remove", _remove_schedule, "oncall.write"),
)
