"""What is paused, by whom and why, with what lifts it; and what may be paused."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts import queries
from opsteward.accounts.types import Identity
from opsteward.console.languages import _
from opsteward.console.page import Done, Route, Undo, Visit, does
from opsteward.console.services import ConsoleServices
from opsteward.console.wording import actor_in_words, pause_in_words
from opsteward.core.errors import Invalid
from opsteward.tasks import controls
from opsteward.tasks.types import PauseInfo

READ, WRITE, EVERYTHING = "controls.read", "controls.write", "controls.everything"


@dataclass(frozen=True, kw_only=True)
class PauseRow:
    """A pause in words, with whether this operator may lift it."""

    pause: PauseInfo
    words: str
    paused_by: str
    may_resume: bool


async def read_pauses(session: AsyncSession, me: Identity) -> list[PauseRow]:
    """The pauses in force for this tenant; none for who may not see them."""
    found = await controls.in_force(session) if me.may(READ) else []
    if not found:
        return []
    names = {str(one.id): one.name for one in await queries.list_operators(session)}
    return [
        PauseRow(
            pause=one,
            words=pause_in_words(one.scope, one.target),
            paused_by=_who(one, names),
            may_resume=me.may(EVERYTHING if one.scope == "everything" else WRITE),
        )
        for one in found
    ]


def _who(pause: PauseInfo, names: dict[str, str]) -> str:
    kind, _colon, operator = pause.paused_by.partition(":")
    if pause.scope == "everything" and kind == "operator" and operator not in names:
        return _("a platform operator")  # of another tenant, whose name is not ours to know
    return actor_in_words(pause.paused_by, names)


def what_can_be_paused(services: ConsoleServices, me: Identity) -> list[tuple[str, str]]:
    """As value and words of a choice."""
    found: list[tuple[str, str]] = []
    if me.may(WRITE):
        found = [("tenant", ""), *(("task_type", slug) for slug in sorted(services.task_types.types))]
        found += [("action", slug) for slug in sorted(services.registry.actions)]
    if me.may(EVERYTHING):
        found.append(("everything", ""))
    return [(f"{scope}:{target}", pause_in_words(scope, target, tenant=me.tenant_name)) for scope, target in found]


async def _pause(visit: Visit, session: AsyncSession) -> Done:
    scope, target = _given(visit)
    me = visit.identity
    if scope == "everything":
        await controls.pause_everything(visit.services.db, reason=visit.reason, actor=me.actor, home=me.tenant_id)
    else:
        await controls.pause(session, scope=scope, target=target, reason=visit.reason, actor=me.actor)
    undo = Undo(path="/console/resume", fields={"what": f"{scope}:{target}"}, words=_("Resume"))
    return Done(to="/", words=_("%(what)s is paused", what=pause_in_words(scope, target)), undo=undo)


async def _resume(visit: Visit, session: AsyncSession) -> Done:
    scope, target = _given(visit)
    me = visit.identity
    if scope == "everything":
        await controls.resume_everything(visit.services.db, actor=me.actor, home=me.tenant_id)
    else:
        await controls.resume(session, scope=scope, target=target, actor=me.actor)
    undo = Undo(path="/console/pause", fields={"what": f"{scope}:{target}"}, words=_("Pause again"))
    return Done(to="/", words=_("%(what)s goes on", what=pause_in_words(scope, target)), undo=undo)


def _given(visit: Visit) -> tuple[str, str]:
    scope, _, target = visit.text("what", required=True).partition(":")
    if scope not in ("tenant", "task_type", "action", "everything"):
        raise Invalid.field("what", "can't be paused", "choose one of the list")
    visit.identity.require(EVERYTHING if scope == "everything" else WRITE)
    return scope, target


ROUTES: tuple[Route, ...] = (
    does("/console/pause", _pause, READ),
    does("/console/resume", _resume, READ),
)
