"""One incident: where it stands, its story as it is written, what was found, what was done and proven."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from nicegui import ui
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from opsteward.accounts.types import Identity
from opsteward.console.actions import ApprovalRow, RunRow, draw_approval, draw_run
from opsteward.console.addresses import id_of
from opsteward.console.elements import advice, ago, as_json, at, button, chip, icon, link, more, section, tag, text
from opsteward.console.keyed import KeyedList, one
from opsteward.console.live import LivePage
from opsteward.console.milestones import draw_milestones, milestones
from opsteward.console.names import Names
from opsteward.console.services import ConsoleServices
from opsteward.console.sessions import draw_issue, draw_session
from opsteward.console.sheet import Sheet, storable
from opsteward.console.wording import INCIDENT, SEVERITY, counted, look_of, timeline_look
from opsteward.core.feed import Notice
from opsteward.events import timeline
from opsteward.events.types import EventView, IncidentStatus, IncidentView, TimelineView
from opsteward.troubleshooting.types import SessionView

_NEWEST_EVENTS = 20


@dataclass(frozen=True, kw_only=True)
class Story:
    """All that the page of an incident shows."""

    incident: IncidentView
    system: str
    lines: list[TimelineView]
    events: list[EventView]
    runs: list[RunRow]
    approvals: list[ApprovalRow]
    sessions: list[SessionView]


def install(services: ConsoleServices) -> None:
    """Serve the page at `/incidents/{id}`."""

    @ui.page("/incidents/{incident_id}")
    async def incident(request: Request, incident_id: str) -> Response | None:
        return await IncidentPage(services, request, incident_id).open()


class IncidentPage(LivePage[Story]):
    """One incident: its story, its cause, what was done, and what can be done."""

    needs = ("incidents.read", "events.read", "actions.read", "approvals.read", "troubleshooting.read")

    def __init__(self, services: ConsoleServices, request: Request, incident_id: str) -> None:
        super().__init__(services, request)
        self._id_given = incident_id

    def concerns(self, notice: Notice) -> bool:
        return notice.kind == "incident" and notice.id == self._id_given.lower()

    async def read(self, session: AsyncSession) -> Story:
        services, incident_id = self.services, id_of(self._id_given, "incident")
        incident = await services.incidents.get(session, incident_id=incident_id)
        names = await Names.read(session, await services.inventory.all(session))
        approvals = await services.action_service.list_approvals(session)
        runs = await services.action_service.list_runs(session, incident_id=incident_id)
        return Story(
            incident=incident,
            system=names.system(incident.system_id),
            lines=await timeline.read(session, incident_id=incident_id),
            events=await services.incidents.events(session, incident_id=incident_id, limit=_NEWEST_EVENTS),
            runs=[RunRow.of(run, names) for run in runs],
            approvals=[ApprovalRow.of(a, names, self.identity) for a in approvals if a.incident_id == incident_id],
            sessions=await services.sessions.page(session, incident_id=incident_id),
        )

    def lay_out(self, data: Story) -> None:
        self._sheet = Sheet()
        ui.page_title(f"Incident {data.incident.number} - Opsteward")
        with tag("section", "card head"):
            link("← Overview", "/", "back")
            text(f"#{data.incident.number} {data.incident.title}", name="h1")
            self._state = one(self._draw_state)
            self._milestones = one(draw_milestones)
            self._buttons = one(self._draw_buttons)
        with tag("div", "panes"):
            with tag("div", "pane"):
                with section("Waiting for approval", "pan_tool") as self._approval_section:
                    self._approvals = KeyedList[ApprovalRow](
                        key=lambda row: row.approval.id,
                        render=partial(draw_approval, self, self._sheet),
                        empty=lambda: advice("Nothing waits for an approval."),
                    )
                with section("Timeline", "timeline"):
                    self._lines = KeyedList[TimelineView](
                        key=lambda line: line.id,
                        render=_draw_line,
                        empty=lambda: advice("Nothing has happened yet."),
                        name="ol",
                        classes="timeline",
                    )
            with tag("div", "pane"):
                self._lay_out_findings()

    def _lay_out_findings(self) -> None:
        with section("Troubleshooting", "troubleshoot"):
            self._sessions = KeyedList[SessionView](
                key=lambda session: session.id,
                render=draw_session,
                empty=lambda: advice("Nobody has looked into it yet: press Troubleshoot."),
            )
        with section("Issues found", "bug_report"):
            self._issues = KeyedList[dict[str, Any]](
                key=lambda issue: str(issue.get("id")),
                render=draw_issue,
                empty=lambda: advice("None so far."),
            )
        with section("Actions", "build"):
            self._runs = KeyedList[RunRow](
                key=lambda row: row.run.id,
                render=partial(draw_run, whole=True),
                empty=lambda: advice("No action was taken. Standing orders say which may be."),
            )
        with section("Newest events", "sensors"):
            self._events = KeyedList[EventView](
                key=lambda event: event.id, render=_draw_event, empty=lambda: advice("None.")
            )

    def show(self, data: Story) -> None:
        self._state.show([data])
        self._milestones.show([milestones(data.incident, data.lines, [row.run for row in data.runs])])
        self._buttons.show([(data.incident.status, data.incident.acknowledged_at is not None, _rights(self.identity))])
        self._approvals.show(data.approvals)
        self._approval_section.set_visibility(bool(data.approvals))
        self._lines.show(data.lines)
        self._sessions.show(data.sessions)
        self._issues.show(data.sessions[0].issues if data.sessions else [])
        self._runs.show(data.runs)
        self._events.show(data.events)

    def _draw_state(self, data: Story) -> None:
        incident = data.incident
        with tag("div", "chips"):
            chip(look_of(INCIDENT, incident.status))
            chip(look_of(SEVERITY, incident.severity))
        with tag("p", "why"):
            text(incident.category.replace("_", " "))
            if incident.source:
                text(f"told by {incident.source}")
            if data.system and data.system != incident.source:
                text(f"system {data.system}")
            text(counted(incident.event_count, "event"))
            ago(incident.opened_at, "opened")
        if incident.resolution:
            text(incident.resolution, "plan", name="p")

    def _draw_buttons(self, state: tuple[str, bool, tuple[bool, bool]]) -> None:
        status, acknowledged, (may_write, may_run) = state
        over = status == IncidentStatus.RESOLVED
        if over:
            return
        if not (may_write or may_run):
            text("You may read this. To act on it you need the role operator, admin or owner.", "quiet", name="p")
        with tag("div", "buttons"):
            if may_write and not acknowledged:
                button("Acknowledge", self._acknowledge, picture="visibility", kind="main")
            if may_run:
                button("Troubleshoot", self._troubleshoot, picture="troubleshoot")
            if may_write:
                button("Resolve", self._resolve, picture="check_circle")

    async def _acknowledge(self) -> None:
        async def work(session: AsyncSession, by: Identity) -> object:
            return await self.services.incidents.acknowledge(
                session, incident_id=id_of(self._id_given, "incident"), by=by
            )

        await self.act("incidents.write", work, done="Acknowledged")

    async def _resolve(self) -> None:
        reason = await self._sheet.ask(
            "Resolve this incident?",
            fill=lambda: text("It is closed by hand; new events of the same kind open a new one.", name="p"),
            yes="Resolve",
            picture="check_circle",
            kind="main",
        )
        if reason is None:
            return

        async def work(session: AsyncSession, by: Identity) -> object:
            return await self.services.incidents.resolve_by_hand(
                session, incident_id=id_of(self._id_given, "incident"), by=by, reason=storable(reason)
            )

        await self.act("incidents.write", work, done="Resolved")

    async def _troubleshoot(self) -> None:
        async def work(session: AsyncSession, by: Identity) -> object:
            incident = await self.services.incidents.get(session, incident_id=id_of(self._id_given, "incident"))
            return await self.services.sessions.start(
                session,
                trigger="operator",
                requested_by=by.actor,
                system_id=incident.system_id,
                incident_id=incident.id,
                complaint=incident.title,
            )

        await self.act("troubleshooting.run", work, done="Troubleshooting has begun")


def _rights(identity: Identity) -> tuple[bool, bool]:
    return identity.may("incidents.write"), identity.may("troubleshooting.run")


def _draw_line(line: TimelineView) -> None:
    look = timeline_look(line.kind)
    with tag("div", f"mark tone-{look.tone}"):
        icon(look.icon)
    with tag("details" if line.detail else "div", "line"):
        with tag("summary" if line.detail else "div"):
            with tag("p", "why"):
                at(line.at)
                text(look.word, "kind")
            text(line.title, name="p")
        if line.detail:
            text(as_json(line.detail), "data", name="pre")


def _draw_event(event: EventView) -> None:
    with tag("p", "why"):
        at(event.occurred_at)
        if event.source:
            text(event.source)
        if event.error_type:
            text(event.error_type)
        text(f"{event.category.replace('_', ' ')}, {event.severity}")
    text(event.message, "message", name="p")
    more("Context", event.context)
    more("Stack trace", event.stack_trace)
