"""The background agents: how each of them does, the processes that run them, and the course of the figures."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.agents import metric_history
from opsteward.agents.types import CHANGED, AgentInfo, AgentStatus, Desired, NewAgent, ProcessInfo
from opsteward.console.charts import FIGURES, Course
from opsteward.console.page import Done, Page, Route, Undo, Visit, does, shows
from opsteward.console.wording import counted
from opsteward.core.clock import now
from opsteward.core.errors import Invalid, NotFound

_PAGE = 50
_WINDOW = 3600.0  # seconds that the charts span
#: What each order is called, how it looks, and what is said when it was taken.
_ORDERS = {
    "start": ("Start", "play_arrow", "is started"),
    "resume": ("Resume", "play_arrow", "goes on"),
    "pause": ("Pause", "pause", "is paused"),
    "restart": ("Restart", "restart_alt", "is started anew"),
    "stop": ("Stop", "block", "is stopped"),
}
_UNDONE_BY = {"start": "stop", "stop": "start", "pause": "resume", "resume": "pause"}
_MAKE_SENSE = {
    Desired.RUNNING: ("pause", "restart", "stop"),
    Desired.PAUSED: ("resume", "restart", "stop"),
    Desired.STOPPED: ("start",),
}


async def agents(visit: Visit, session: AsyncSession) -> Page:
    """Agents by name, processes and figures."""
    service = visit.services.agents
    after = visit.cursor("after")
    found = await service.page(session, limit=_PAGE + 1, after=after)
    processes = await service.processes(session)
    places = {process.id: _place(process) for process in processes}
    figures = {one.name: one for one in await metric_history.courses(session, names=list(FIGURES), window=_WINDOW)}
    until, counts = now(), await service.counts(session)
    return Page(
        template="agents.html",
        title="Agents",
        about=(CHANGED,),
        values={
            "headline": _headline(counts),
            "counts": [(name, number) for name, number in counts.items() if number and name != "total"],
            "agents": [
                (
                    agent,
                    _where(agent.process_id, places),
                    [(o, *_ORDERS[o]) for o in _MAKE_SENSE[Desired(agent.desired)]],
                )
                for agent in found[:_PAGE]
            ],
            "processes": [(process, _place(process)) for process in processes],
            "courses": [Course(figure=figures[n], until=until, window=_WINDOW) for n in FIGURES if n in figures],
            "unwell": (AgentStatus.FAILED, AgentStatus.DEGRADED),
            "now": until,
            "kinds": [(one.kind, one.purpose) for one in service.agent_types.all()],
            "may_order": visit.identity.may("agents.write"),
            "next": visit.address(after=str(found[_PAGE - 1].id)) if len(found) > _PAGE else "",
            "first": visit.address() if after else "",
        },
    )


def _orders_of(agent: AgentInfo) -> list[tuple[str, str, str, str]]:
    return [(order, *_ORDERS[order]) for order in _MAKE_SENSE[Desired(agent.desired)]]


def _headline(counts: dict[str, int]) -> str:
    unwell = counts[AgentStatus.FAILED] + counts[AgentStatus.DEGRADED]
    if unwell:
        return counted(unwell, "agent is not well", "agents are not well")
    if counts["total"] and counts["total"] == counts[AgentStatus.RUNNING]:
        return counted(counts["total"], "agent, and it runs", "agents, and all of them run")
    return counted(counts[AgentStatus.RUNNING], "agent runs", "agents run")


def _place(process: ProcessInfo) -> str:
    return f"{process.host}, pid {process.pid}"


def _where(process_id: UUID | None, places: dict[UUID, str]) -> str:
    if process_id is None:
        return "runs nowhere"
    return f"on {places.get(process_id, 'a process that is gone')}"


async def _order(visit: Visit, session: AsyncSession) -> Done:
    order = visit.arguments["order"]
    if order not in _ORDERS:
        raise NotFound("there is no such order")
    agent = await visit.services.agents.order(
        session, agent_id=visit.id("agent_id", "agent"), order=order, actor=visit.identity.actor
    )
    undo = Undo(path=f"/agents/{agent.id}/{_UNDONE_BY[order]}") if order in _UNDONE_BY else None
    return Done(to="/agents", words=f"{agent.name} {_ORDERS[order][2]}", undo=undo)


async def _register(visit: Visit, session: AsyncSession) -> Done:
    interval = visit.text("interval", limit=12)
    try:
        seconds = float(interval) if interval else None
    except ValueError:
        raise Invalid.field("interval", "is no number of seconds", "write 30, or nothing for the kind's own") from None
    new = NewAgent(
        kind=visit.text("kind", limit=100, required=True),
        name=visit.text("name", limit=100, required=True),
        interval=seconds,
        params=visit.json_object("parameters"),
    )
    made = await visit.services.agents.register(session, new=new, actor=visit.identity.actor)
    return Done(to="/agents", words=f"{made.name} is started", undo=Undo(path=f"/agents/{made.id}/remove"))


async def _remove(visit: Visit, session: AsyncSession) -> Done:
    agent_id = visit.id("agent_id", "agent")
    await visit.services.agents.remove(session, agent_id=agent_id, actor=visit.identity.actor)
    return Done(to="/agents", words="It is stopped and forgotten")


ROUTES: tuple[Route, ...] = (
    shows("/agents", agents, "agents.read"),
    does("/agents", _register, "agents.write"),
    does("/agents/{agent_id}/remove", _remove, "agents.write"),
    does("/agents/{agent_id}/{order}", _order, "agents.write"),
)
