"""The crew: its agents as a tree with their load, what its work took, and one piece of work with plan and result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.page import Done, Page, Route, Visit, does, shows
from opsteward.console.wording import counted
from opsteward.crew.agents.roster import Roster
from opsteward.crew.agents.types import Agent
from opsteward.crew.performance import figures as crew_figures
from opsteward.crew.performance.figures import GroupFigures
from opsteward.tasks.types import CHANGED

_HOURS = 24.0
_SHOWN = 20
_DEPTH_LIMIT = 5


@dataclass(frozen=True)
class AgentRow:
    """An agent in the tree; `depth` from 0."""

    agent: Agent
    depth: int
    busy: int
    figures: GroupFigures | None


async def crew(visit: Visit, session: AsyncSession) -> Page:
    """Tree, figures of a day, the newest work."""
    service = visit.services.crew
    found = await service.figures(session, hours=_HOURS)
    busy = await crew_figures.busy_agents(session)
    done = {one.name: one for one in found.by_agent}
    work = await service.page(session, before=visit.cursor("before"), limit=_SHOWN + 1)
    return Page(
        template="crew.html",
        title="Crew",
        about=(CHANGED,),
        values={
            "headline": _headline(found.running, found.waiting),
            "tree": _tree(service.roster, busy, done),
            "problems": service.roster.problems,
            "figures": found,
            "alerts": service.alerts(found),
            "model": service.model,
            "work": work[:_SHOWN],
            "next": visit.address(before=str(work[_SHOWN - 1].task_id)) if len(work) > _SHOWN else "",
            "first": visit.address() if visit.query("before") else "",
        },
    )


async def one(visit: Visit, session: AsyncSession) -> Page:
    """Who did it and why, the path, the plan, the result."""
    task_id = visit.id("crew_task_id", "work of the crew")
    found = await visit.services.crew.get(session, task_id=task_id)
    return Page(
        template="crew_work.html",
        title=found.type,
        about=(f"{CHANGED}:{task_id}", f"{CHANGED}:"),
        values={
            "work": found,
            "can_cancel": found.ended_at is None and visit.identity.may("crew.run"),
        },
    )


async def _cancel(visit: Visit, session: AsyncSession) -> Done:
    task_id: UUID = visit.id("crew_task_id", "work of the crew")
    await visit.services.crew.cancel(session, task_id=task_id, by=visit.identity)
    return Done(to=f"/crew/{task_id}", words="Stopped, or told to stop")


def _tree(roster: Roster, busy: Mapping[str, int], done: Mapping[str, GroupFigures]) -> list[AgentRow]:
    """From the master down, each agent once; at the end those to whom nobody delegates."""
    rows: list[AgentRow] = []
    seen: set[str] = set()

    def add(agent: Agent, depth: int) -> None:
        if agent.name in seen or depth > _DEPTH_LIMIT:
            return
        seen.add(agent.name)
        rows.append(AgentRow(agent, depth, busy.get(agent.name, 0), done.get(agent.name)))
        for delegate in roster.delegates(agent):
            add(delegate, depth + 1)

    for agent in [*([roster.master] if roster.master else []), *roster.agents.values()]:
        add(agent, 0)
    return rows


def _headline(running: int, waiting: int) -> str:
    parts = [
        f"{counted(running, 'piece', 'pieces')} of work under way" if running else "",
        f"{waiting} waiting" if waiting else "",
    ]
    return ", ".join(part for part in parts if part) or "The crew is free"


ROUTES: tuple[Route, ...] = (
    shows("/crew", crew, "crew.read"),
    shows("/crew/{crew_task_id}", one, "crew.read"),
    does("/crew/{crew_task_id}/cancel", _cancel, "crew.run"),
)
