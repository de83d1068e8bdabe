"""The background agents: how each of them does, the processes that run them, and the course of the figures."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.agents import metric_history
from opsteward.agents.types import CHANGED, AgentInfo, AgentStatus, Desired, NewAgent, ProcessInfo
from opsteward.console.charts import FIGURES, Course
from opsteward.console.languages import N_, _, ngettext
from opsteward.console.page import Done, Page, Route, Undo, Visit, does, shows
from opsteward.core.clock import now
from opsteward.core.errors import Invalid, NotFound

_PAGE = 50
_WINDOW = 3600.0  # seconds that the charts span
#: What each order is called, how it looks, and what is said when it was taken.
_ORDERS = {
    "start": (N_("Start"), "play_arrow", N_("%(name)s is started")),
    "resume": (N_("Resume"), "play_arrow", N_("%(name)s goes on")),
    "pause": (N_("Pause"), "pause", N_("%(name)s is paused")),
    "restart": (N_("Restart"), "restart_alt", N_("%(name)s is started anew")),
    "stop": (N_("Stop"), "block", N_("%(name)s is stopped")),
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
        title=_("Agents"),
        about=(CHANGED,),
        values={
            "headline": _headline(counts),
            "counts": [(name, number) for name, number in counts.items() if number and name != "total"],
            "agents": [
                (
                    agent,
                    _where(agent.process_id, places),
                    _orders_of(agent),
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
    """Each order with its words, its icon, and what is said when it was taken."""
    found = [(order, *_ORDERS[order]) for order in _MAKE_SENSE[Desired(agent.desired)]]
    return [(order, _(words), icon, told) for order, words, icon, told in found]


def _headline(counts: dict[str, int]) -> str:
    unwell = counts[AgentStatus.FAILED] + counts[AgentStatus.DEGRADED]
    if unwell:
        return ngettext("%(num)s agent is not well", "%(num)s agents are not well", unwell)
    if counts["total"] and counts["total"] == counts[AgentStatus.RUNNING]:
        return ngettext("%(num)s agent, and it runs", "%(num)s agents, and all of them run", counts["total"])
    return ngettext("%(num)s agent runs", "%(num)s agents run", counts[AgentStatus.RUNNING])


def _place(process: ProcessInfo) -> str:
    return _("%(host)s, pid %(pid)s", host=process.host, pid=process.pid)


def _where(process_id: UUID | None, places: dict[UUID, str]) -> str:
    if process_id is None:
        return _("runs nowhere")
    return _("on %(name)s", name=places.get(process_id) or _("a process that is gone"))


async def _order(visit: Visit, session: AsyncSession) -> Done:
    order = visit.arguments["order"]
    if order not in _ORDERS:
        raise NotFound("there is no such order")
    agent = await visit.services.agents.order(
        session, agent_id=visit.id("agent_id", "agent"), order=order, actor=visit.identity.actor
    )
    undo = Undo(path=f"/agents/{agent.id}/{_UNDONE_BY[order]}") if order in _UNDONE_BY else None
    return Done(to="/agents", words=_(_ORDERS[order][2], name=agent.name), undo=undo)


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
    return Done(
        to="/agents", words=_("%(name)s is started", name=made.name), undo=Undo(path=f"/agents/{made.id}/remove")
    )


async def _remove(visit: Visit, session: AsyncSession) -> Done:
    agent_id = visit.id("agent_id", "agent")
    await visit.services.agents.remove(session, agent_id=agent_id, actor=visit.identity.actor)
    return Done(to="/agents", words=_("It is stopped and forgotten"))


ROUTES: tuple[Route, ...] = (
    shows("/agents", agents, "agents.read"),
    does("/agents", _register, "agents.write"),
    does("/agents/{agent_id}/remove", _remove, "agents.write"),
    does("/agents/{agent_id}/{order}", _order, "agents.write"),
)
