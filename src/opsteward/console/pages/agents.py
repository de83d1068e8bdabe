"""The background agents: how each of them does, the processes that run them, and the course of the figures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from urllib.parse import urlencode
from uuid import UUID

from nicegui import ui
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from opsteward.accounts.types import Identity
from opsteward.agents import metric_history
from opsteward.agents.types import CHANGED, AgentInfo, AgentStatus, Desired, ProcessInfo
from opsteward.console.addresses import cursor_of
from opsteward.console.charts import FIGURES, Course, draw_course
from opsteward.console.elements import advice, ago, at, button, chip, link, more, section, tag, text
from opsteward.console.keyed import KeyedList, one
from opsteward.console.live import LivePage
from opsteward.console.services import ConsoleServices
from opsteward.console.sheet import Sheet
from opsteward.console.wording import AGENT, Look, counted, look_of, response_time_in_words
from opsteward.core.clock import now
from opsteward.core.feed import Notice

_PAGE = 50
_WINDOW = 3600.0  # seconds that the charts span
_LEADER = Look("star", "leader", "info")
_ALIVE = Look("check_circle", "alive", "good")
_SILENT = Look("cancel", "silent", "bad")
#: What each order is called, how it looks, and what is said when it was taken.
_ORDERS = {
    "start": ("Start", "play_arrow", "is started"),
    "resume": ("Resume", "play_arrow", "goes on"),
    "pause": ("Pause", "pause", "is paused"),
    "restart": ("Restart", "restart_alt", "is started anew"),
    "stop": ("Stop", "stop", "is stopped"),
}
_MAKE_SENSE = {
    Desired.RUNNING: ("pause", "restart", "stop"),
    Desired.PAUSED: ("resume", "restart", "stop"),
    Desired.STOPPED: ("start",),
}
#: Orders that end what is going on are asked about first.
_ASKED_ABOUT = frozenset({"stop"})


@dataclass(frozen=True, kw_only=True)
class AgentRow:
    """An agent with what its drawing needs: where it runs, and whether this operator may order it about."""

    agent: AgentInfo
    process: str
    may_order: bool


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that the page shows."""

    counts: dict[str, int]
    agents: list[AgentRow]
    next: str
    processes: list[ProcessInfo]
    courses: list[Course]


def install(services: ConsoleServices) -> None:
    """Serve the page at `/agents`."""

    @ui.page("/agents")
    async def agents(request: Request) -> Response | None:
        return await AgentsPage(services, request).open()


class AgentsPage(LivePage[Seen]):
    """Agents, processes and figures; heartbeats come without a notice, so it is read again now and then."""

    needs = ("agents.read",)
    every = 10.0

    def __init__(self, services: ConsoleServices, request: Request) -> None:
        super().__init__(services, request)
        self._after = request.query_params.get("after", "")

    def concerns(self, notice: Notice) -> bool:
        return notice.kind == CHANGED

    async def read(self, session: AsyncSession) -> Seen:
        desk, may_order = self.services.agents, self.identity.may("agents.write")
        found = await desk.page(session, limit=_PAGE, after=cursor_of(self._after, "after"))
        processes = await desk.processes(session)
        places = {process.id: _place(process) for process in processes}
        figures = {one.name: one for one in await metric_history.courses(session, names=list(FIGURES), window=_WINDOW)}
        until = now()
        return Seen(
            counts=await desk.counts(session),
            agents=[
                AgentRow(agent=agent, process=_where(agent.process_id, places), may_order=may_order) for agent in found
            ],
            next=str(found[-1].id) if len(found) == _PAGE else "",
            processes=processes,
            courses=[Course(figure=figures[name], until=until, window=_WINDOW) for name in FIGURES if name in figures],
        )

    def lay_out(self, data: Seen) -> None:
        ui.page_title("Agents - Opsteward")
        self._sheet = Sheet()
        with tag("div", "headline"):
            self._headline = text("", name="h1")
            self._headline.props["aria-live"] = "polite"
            self._counts = one(_draw_counts)
        with tag("div", "panes"):
            with tag("div", "pane"), section("Agents", "smart_toy"):
                self._agents = KeyedList[AgentRow](
                    key=lambda row: row.agent.id, render=self._draw_agent, empty=_no_agent
                )
                self._pager = one(self._draw_pager)
            with tag("div", "pane"), section("Processes", "memory"):
                self._processes = KeyedList[ProcessInfo](
                    key=lambda process: process.id,
                    render=_draw_process,
                    empty=lambda: advice("No process is known: start one with", "opsteward worker"),
                )
        with section("The last hour", "show_chart", "below"):
            self._courses = KeyedList[Course](
                key=lambda course: course.figure.name,
                render=draw_course,
                empty=lambda: advice("Nothing was measured yet in this tenant. The performance agent measures."),
                classes="plain charts",
            )

    def show(self, data: Seen) -> None:
        self._headline.set_text(_headline(data.counts))
        self._counts.show([tuple(data.counts.items())])
        self._agents.show(data.agents)
        self._pager.show([data.next])
        self._processes.show(data.processes)
        self._courses.show(data.courses)

    def _draw_pager(self, after: str) -> None:
        with tag("div", "buttons"):
            if self._after:
                link("First", "/agents", "button small")
            if after:
                link("Next", f"/agents?{urlencode({'after': after})}", "button small")

    def _draw_agent(self, row: AgentRow) -> None:
        agent = row.agent
        with tag("div", "row-head"):
            text(agent.name, "title")
            chip(look_of(AGENT, agent.status))
        if agent.purpose:
            text(agent.purpose, "quiet", name="p")
        with tag("p", "why"):
            text(f"every {agent.interval:g} s" if agent.interval else "wakes on events")
            text(counted(agent.runs, "run"))
            if agent.restarts:
                text(counted(agent.restarts, "restart"))
            if agent.last_run_at is not None:
                ago(agent.last_run_at, "last run")
            if agent.run_seconds is not None:
                text(f"took {response_time_in_words(agent.run_seconds)}")
        with tag("p", "why"):
            text(row.process)
            if agent.beat_at is not None:
                ago(agent.beat_at, "heard of")
            if agent.next_start_at is not None and agent.next_start_at > now():
                at(agent.next_start_at, "tried again at")
        if agent.reason:
            bad = agent.status in (AgentStatus.FAILED, AgentStatus.DEGRADED)
            text(agent.reason, "bad-words" if bad else "quiet", name="p")
        more("Parameters", agent.params)
        if row.may_order:
            with tag("div", "buttons"):
                for order in _MAKE_SENSE[Desired(agent.desired)]:
                    words, picture, _ = _ORDERS[order]
                    button(words, partial(self._order, agent, order), picture=picture)

    async def _order(self, agent: AgentInfo, order: str) -> None:
        words, picture, done = _ORDERS[order]
        if order in _ASKED_ABOUT:
            answer = await self._sheet.ask(
                f"{words} {agent.name}?",
                fill=lambda: text("It does nothing more until somebody starts it again.", name="p"),
                yes=words,
                picture=picture,
                kind="bad",
                with_reason=False,
            )
            if answer is None:
                return

        async def work(session: AsyncSession, by: Identity) -> object:
            return await self.services.agents.order(session, agent_id=agent.id, order=order, actor=by.actor)

        await self.act("agents.write", work, done=f"{agent.name} {done}")


def _headline(counts: dict[str, int]) -> str:
    unwell = counts[AgentStatus.FAILED] + counts[AgentStatus.DEGRADED]
    if unwell:
        return counted(unwell, "agent is not well", "agents are not well")
    if counts["total"] and counts["total"] == counts[AgentStatus.RUNNING]:
        return counted(counts["total"], "agent, and it runs", "agents, and all of them run")
    return counted(counts[AgentStatus.RUNNING], "agent runs", "agents run")


def _draw_counts(counts: tuple[tuple[str, int], ...]) -> None:
    with tag("div", "chips"):
        for status, number in counts:
            if number and status != "total":
                look = look_of(AGENT, status)
                chip(Look(look.icon, f"{number} {look.word}", look.tone))


def _draw_process(process: ProcessInfo) -> None:
    with tag("div", "row-head"):
        text(f"{process.kind} on {_place(process)}", "title")
        with tag("div", "chips"):
            if process.leader and process.alive:
                chip(_LEADER)
            chip(_ALIVE if process.alive else _SILENT)
    with tag("p", "why"):
        text(f"version {process.version}")
        text(counted(process.agents, "agent"))
        ago(process.started_at, "started")
    with tag("p", "why"):
        ago(process.beat_at, "heard of")


def _place(process: ProcessInfo) -> str:
    return f"{process.host}, pid {process.pid}"


def _where(process_id: UUID | None, places: dict[UUID, str]) -> str:
    if process_id is None:
        return "runs nowhere"
    return f"on {places.get(process_id, 'a process that is gone')}"


def _no_agent() -> None:
    advice("No agent is registered. What there is to register:", "opsteward agents kinds")
