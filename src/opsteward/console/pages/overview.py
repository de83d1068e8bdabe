"""The overview: is all well, what waits for a person, what ran and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from nicegui import ui
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from opsteward.accounts.types import Identity
from opsteward.actions.types import FreezeView
from opsteward.console.actions import ApprovalRow, RunRow, draw_approval, draw_run
from opsteward.console.elements import advice, ago, at, button, chip, link, more, section, tag, text
from opsteward.console.keyed import KeyedList
from opsteward.console.live import LivePage
from opsteward.console.names import Names
from opsteward.console.services import ConsoleServices
from opsteward.console.sheet import Sheet
from opsteward.console.wording import (
    HEALTH,
    INCIDENT,
    SEVERITY,
    Look,
    counted,
    look_of,
    pause_in_words,
    response_time_in_words,
)
from opsteward.core.feed import Notice
from opsteward.events.types import IncidentStatus, IncidentView
from opsteward.systems.types import SystemInfo
from opsteward.tasks.controls import pause_of
from opsteward.tasks.types import PauseInfo

_OPEN = [status.value for status in IncidentStatus if status is not IncidentStatus.RESOLVED]
_MAX_INCIDENTS = 50
_LATELY = 15
_UP = Look("check_circle", "up", "good")
_STARTING = Look("hourglass_empty", "starting", "warn")


@dataclass(frozen=True, kw_only=True)
class FreezeRow:
    freeze: FreezeView
    system: str
    may_lift: bool


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that the overview shows."""

    systems: list[SystemInfo]
    incidents: list[IncidentView]
    open_count: int
    approvals: list[ApprovalRow]
    runs: list[RunRow]
    freezes: list[FreezeRow]
    parts: dict[str, bool]


def install(services: ConsoleServices) -> None:
    """Serve the page at `/`."""

    @ui.page("/")
    async def overview(request: Request) -> Response | None:
        return await OverviewPage(services, request).open()


class OverviewPage(LivePage[Seen]):
    """Health, open incidents, waiting approvals, and what ran lately and why."""

    needs = ("systems.read", "incidents.read", "approvals.read", "actions.read")

    def concerns(self, notice: Notice) -> bool:
        return notice.kind in ("incident", "action", "system", "inventory")

    async def read(self, session: AsyncSession) -> Seen:
        services, me = self.services, self.identity
        systems = await services.inventory.all(session)
        names = await Names.read(session, systems)
        approvals = await services.action_service.list_approvals(session)
        runs = await services.action_service.list_runs(session, limit=_LATELY)
        return Seen(
            systems=systems,
            incidents=await services.incidents.page(session, status=_OPEN, limit=_MAX_INCIDENTS),
            open_count=await services.incidents.count_open(session),
            approvals=[ApprovalRow.of(a, names, me) for a in approvals],
            runs=[RunRow.of(run, names) for run in runs],
            freezes=[_freeze_row(f, names, me) for f in await services.action_service.list_freezes(session)],
            parts=services.readiness(),
        )

    def lay_out(self, data: Seen) -> None:
        sheet = Sheet()
        with tag("div", "headline"):
            self._headline = text("", name="h1")
            self._headline.props["aria-live"] = "polite"
            self._count = text("", "quiet", name="p")
        with tag("div", "panes"):
            with tag("div", "pane"):
                with section("Waiting for approval", "pan_tool") as self._approval_section:
                    self._approvals = KeyedList[ApprovalRow](
                        key=lambda row: row.approval.id,
                        render=partial(draw_approval, self, sheet),
                        empty=lambda: advice("Nothing waits for an approval."),
                    )
                with section("Open incidents", "error"):
                    self._incidents = KeyedList[IncidentView](
                        key=lambda incident: incident.id, render=_draw_incident, empty=_no_incident
                    )
                with section("What ran, and why", "history", "late"):
                    self._runs = KeyedList[RunRow](
                        key=lambda row: row.run.id, render=partial(draw_run, whole=False), empty=_no_run
                    )
            with tag("div", "pane"):
                with section("Systems", "dns"):
                    self._systems = KeyedList[SystemInfo](
                        key=lambda system: system.id, render=_draw_system, empty=_no_system
                    )
                with section("Frozen actions", "ac_unit", "late"):
                    self._freezes = KeyedList[FreezeRow](
                        key=lambda row: row.freeze.id,
                        render=self._draw_freeze,
                        empty=lambda: advice("None: an action that did not help would rest here for a while."),
                    )
                with section("This process", "memory", "late"):
                    self._parts = KeyedList[tuple[str, bool]](
                        key=lambda part: part[0], render=_draw_part, empty=lambda: advice("It tells of no parts.")
                    )

    def show(self, data: Seen) -> None:
        self._headline.set_text(_headline(data, [row.pause for row in self.pauses]))
        self._count.set_text(_count(data))
        self._approvals.show(data.approvals)
        self._approval_section.set_visibility(bool(data.approvals))
        self._incidents.show(data.incidents)
        self._runs.show(data.runs)
        self._systems.show(sorted(data.systems, key=lambda s: (_RANK.get(s.health.status, 2), s.name.casefold())))
        self._freezes.show(data.freezes)
        self._parts.show(sorted(data.parts.items()))

    def _draw_freeze(self, row: FreezeRow) -> None:
        freeze = row.freeze
        with tag("div", "row-head"):
            text(freeze.action, "title")
            chip(Look("ac_unit", "frozen", "warn"))
        with tag("p", "why"):
            if row.system:
                text(f"on {row.system}")
            at(freeze.until, "until")
        text(freeze.reason, "quiet", name="p")
        if row.may_lift:
            with tag("div", "buttons"):
                button("Allow it again", partial(self._lift, freeze), picture="lock_open")

    async def _lift(self, freeze: FreezeView) -> None:
        async def work(session: AsyncSession, by: Identity) -> None:
            await self.services.action_service.lift_freeze(session, freeze_id=freeze.id, by=by)

        await self.act("freezes.lift", work, done=f"{freeze.action} may run again")


_RANK = {"down": 0, "degraded": 1, "healthy": 3}


def _freeze_row(freeze: FreezeView, names: Names, me: Identity) -> FreezeRow:
    return FreezeRow(freeze=freeze, system=names.system(freeze.system_id), may_lift=me.may("freezes.lift"))


def _headline(data: Seen, pauses: Sequence[PauseInfo]) -> str:
    """The one thing to know first."""
    stopped = pause_of(pauses)
    waiting = [
        f"{pause_in_words(stopped.scope, stopped.target)} is paused" if stopped else "",
        counted(len(data.approvals), "approval waits", "approvals wait") if data.approvals else "",
        counted(data.open_count, "incident is open", "incidents are open") if data.open_count else "",
    ]
    unwell = sum(1 for s in data.systems if s.health.status in ("down", "degraded"))
    found = [part for part in waiting if part]
    if found:
        return ", ".join(found)
    if unwell:
        return counted(unwell, "system is not well", "systems are not well")
    return "All is well" if data.systems else "Ready for your first system"


def _count(data: Seen) -> str:
    if not data.systems:
        return "No system is watched yet"
    healthy = sum(1 for s in data.systems if s.health.status == "healthy")
    return f"{healthy} of {counted(len(data.systems), 'system')} healthy"


def _draw_system(system: SystemInfo) -> None:
    health = system.health
    with tag("div", "row-head"):
        text(system.name, "title")
        chip(look_of(HEALTH, health.status))
    with tag("p", "why"):
        text(f"{system.type}, {system.criticality}")
        if health.checked_at is not None:
            seconds = health.response_time
            at(health.checked_at, "checked at" if seconds is None else f"{response_time_in_words(seconds)} at")
    with tag("p", "why"):
        ago(health.since, f"{health.status} since")
    if health.status in ("down", "degraded"):
        for seen in health.evidence:
            if seen.get("status") != "pass":
                text(f"{seen.get('title', '')}: {seen.get('summary', '')}", "bad-words", name="p")
        more("Evidence", health.evidence)


def _draw_incident(incident: IncidentView) -> None:
    with tag("a", "row-link") as whole:
        with tag("div", "row-head"):
            text(f"#{incident.number} {incident.title}", "title")
        with tag("div", "chips"):
            chip(look_of(INCIDENT, incident.status))
            chip(look_of(SEVERITY, incident.severity))
        with tag("p", "why"):
            if incident.source:
                text(incident.source)
            text(counted(incident.event_count, "event"))
            ago(incident.opened_at, "opened")
    whole.props["href"] = f"/incidents/{incident.id}"


def _draw_part(part: tuple[str, bool]) -> None:
    name, up = part
    with tag("div", "row-head"):
        text(name, "title")
        chip(_UP if up else _STARTING)


def _no_incident() -> None:
    advice("No incident is open. To see one, send an event:", "opsteward events send 'database connection lost'")


def _no_run() -> None:
    advice("Nothing has run yet. Standing orders say what may run; read them with:", "opsteward standing-orders export")


def _no_system() -> None:
    advice("Register a system, and it is watched from then on:", "opsteward systems register systems.json")
    advice("Or start the small shop that shows the whole loop:", "opsteward lab start")
    link("How a system is described (API)", "/api/schema/swagger-ui/")
