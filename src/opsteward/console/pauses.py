"""The emergency controls on every page: what is paused, by whom and why, with its Resume; and the Pause button."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from nicegui.element import Element
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts import queries
from opsteward.accounts.types import Identity
from opsteward.console.elements import ago, button, icon, select, tag, text
from opsteward.console.keyed import KeyedList
from opsteward.console.services import ConsoleServices
from opsteward.console.sheet import Sheet, storable
from opsteward.console.wording import actor_in_words, pause_in_words
from opsteward.core.errors import NotFound
from opsteward.tasks import controls
from opsteward.tasks.types import PauseInfo

READ, WRITE, EVERYTHING = "controls.read", "controls.write", "controls.everything"

#: Does work with a permission in one unit of work, and tells how it went.
Act = Callable[[str, Callable[[AsyncSession, Identity], Awaitable[object]], str], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class PauseRow:
    """A pause with what its drawing needs: who it was, and whether this operator may lift it."""

    pause: PauseInfo
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
            paused_by=_who(one, names),
            may_resume=me.may(EVERYTHING if one.scope == "everything" else WRITE),
        )
        for one in found
    ]


def _who(pause: PauseInfo, names: dict[str, str]) -> str:
    kind, _, operator = pause.paused_by.partition(":")
    if pause.scope == "everything" and kind == "operator" and operator not in names:
        return "a platform operator"  # of another tenant, whose name is not ours to know
    return actor_in_words(pause.paused_by, names)


class PauseBanner:
    """Drawn where it is made; empty, and so not seen, while nothing is paused."""

    def __init__(self, services: ConsoleServices, act: Act) -> None:
        self._services = services
        self._act = act
        self._list = KeyedList[PauseRow](
            key=lambda row: (row.pause.scope, row.pause.target),
            render=self._draw,
            empty=lambda: None,
            classes="paused",
        )

    def show(self, rows: list[PauseRow]) -> None:
        """Bring it up to date."""
        self._list.show(rows)

    def _draw(self, row: PauseRow) -> None:
        pause = row.pause
        with tag("div", "paused-inside") as drawn:
            icon("pause_circle")
            with tag("div", "paused-words"):
                text(f"{pause_in_words(pause.scope, pause.target)} is paused", "title")
                with tag("p", "why"):
                    text(f"by {row.paused_by}")
                    ago(pause.paused_at)
                    if pause.reason:
                        text(pause.reason)
            if row.may_resume:
                button("Resume", partial(self._resume, pause), picture="play_arrow", kind="resume")
        drawn.props["role"] = "alert"

    async def _resume(self, pause: PauseInfo) -> None:
        async def work(session: AsyncSession, by: Identity) -> None:
            if pause.scope == "everything":
                await controls.resume_everything(self._services.db, actor=by.actor, home=by.tenant_id)
            else:
                await controls.resume(session, scope=pause.scope, target=pause.target, actor=by.actor)

        permission = EVERYTHING if pause.scope == "everything" else WRITE
        await self._act(permission, work, f"{pause_in_words(pause.scope, pause.target)} goes on")


def pause_button(services: ConsoleServices, me: Identity, act: Act) -> Element | None:
    """The button that stops things; nothing for who may not."""
    if not (me.may(WRITE) or me.may(EVERYTHING)):
        return None
    sheet = Sheet()
    drawn = button("Pause", partial(_ask, services, me, act, sheet), picture="pause", kind="small")
    drawn.props["aria-label"] = "Pause…"
    return drawn


def _what_can_be_paused(services: ConsoleServices, me: Identity) -> list[tuple[str, str]]:
    found = []
    if me.may(WRITE):
        found = [("tenant", ""), *(("task_type", slug) for slug in sorted(services.task_types.types))]
        found += [("action", slug) for slug in sorted(services.registry.actions)]
    if me.may(EVERYTHING):
        found.insert(0, ("everything", ""))
    return found


async def _ask(services: ConsoleServices, me: Identity, act: Act, sheet: Sheet) -> None:
    offered = _what_can_be_paused(services, me)
    chosen = ("tenant", "") if ("tenant", "") in offered else offered[0]

    def choose(number: str) -> None:
        nonlocal chosen
        if not number.isdecimal() or int(number) >= len(offered):
            raise NotFound("this can't be paused")
        chosen = offered[int(number)]

    def fill() -> None:
        text("Nothing new of it begins any more; what runs waits before its next step. Nothing is lost.", name="p")
        words = [
            (str(number), pause_in_words(scope, target, tenant=me.tenant_name))
            for number, (scope, target) in enumerate(offered)
        ]
        select("What to pause", words, choose, chosen=str(offered.index(chosen)))

    reason = await sheet.ask("Pause", fill=fill, yes="Pause it", picture="pause", kind="bad")
    if reason is None:
        return
    scope, target = chosen

    async def work(session: AsyncSession, by: Identity) -> object:
        why = storable(reason)
        if scope == "everything":
            return await controls.pause_everything(services.db, reason=why, actor=by.actor, home=by.tenant_id)
        return await controls.pause(session, scope=scope, target=target, reason=why, actor=by.actor)

    permission = EVERYTHING if scope == "everything" else WRITE
    await act(permission, work, f"{pause_in_words(scope, target)} is paused")
