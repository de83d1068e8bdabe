"""The crew: its agents as a tree with their load, what its work took, a form for new work, and one piece of work with
plan and result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.languages import N_, _, ngettext, said
from opsteward.console.page import Done, Page, Route, Visit, does, shows
from opsteward.console.result_charts import charts_of
from opsteward.console.sorting import sorting
from opsteward.console.vocabulary import spoken
from opsteward.console.work_form import PREFIX, VALUE_LIMIT, FormField, fields_of, parameters_of
from opsteward.core.computing import in_fair_thread
from opsteward.core.errors import Invalid
from opsteward.crew.agents.roster import Roster
from opsteward.crew.agents.types import Agent
from opsteward.crew.delegation.types import Decision
from opsteward.crew.execution.types import WorkRequest
from opsteward.crew.performance import figures as crew_figures
from opsteward.crew.performance.figures import GroupFigures
from opsteward.crew.types import Complexity, TaskType
from opsteward.tasks.types import CHANGED

_HOURS = 24.0
_SHOWN = 20
_DEPTH_LIMIT = 5
#: Of the crew's scale, as people say it.
_URGENCIES = {"3": N_("can wait"), "5": N_("normal"), "8": N_("high"), "10": N_("at once")}


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
    order = sorting(visit, {"asked": True, "type": False, "took": True, "cost": True})
    work = await service.page(
        session,
        before=visit.cursor("before"),
        limit=_SHOWN + 1,
        by=order.column,
        descending=order.descending,
    )
    return Page(
        template="crew.html",
        title=_("Crew"),
        about=(CHANGED,),
        values={
            "headline": _headline(found.running, found.waiting),
            "tree": _tree(service.roster, busy, done),
            "problems": service.roster.problems,
            "figures": found,
            "alerts": service.alerts(found),
            "model": service.model,
            "can_run": visit.identity.may("crew.run"),
            "work": work[:_SHOWN],
            "by": order.heads,
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
            "charts": charts_of(found.result) if found.result is not None else [],
            "can_cancel": found.ended_at is None and visit.identity.may("crew.run"),
        },
    )


async def new(visit: Visit, _session: AsyncSession) -> Page:
    """The types of work to choose from, and the form of the one that was chosen."""
    types = visit.services.crew.types.all
    chosen = visit.choice("type", types)
    return await _form(visit, types[chosen] if chosen else None, {})


async def _start(visit: Visit, session: AsyncSession) -> Done | Page:
    """Have it done, or only tell who would do it and what it would take."""
    service = visit.services.crew
    found = service.types.find(visit.text("type", limit=100, required=True))
    given = {name: visit.text(name, limit=VALUE_LIMIT) for name in visit.form if name.startswith(PREFIX)}
    urgency, complexity = visit.text("priority"), visit.text("complexity")
    if complexity and complexity not in [*Complexity]:
        raise Invalid.field("complexity", f"{complexity[:40]!r} is none", f"use one of {', '.join(Complexity)}")
    fields = await in_fair_thread(fields_of, found.parameters.model_json_schema(), given)
    try:
        request = WorkRequest(
            type=found.name,
            parameters=await in_fair_thread(parameters_of, fields),
            description=visit.text("description", limit=2000),
            requires_ai=visit.text("requires_ai") == "on",
            priority=int(urgency) if urgency in _URGENCIES else 5,
            complexity=Complexity(complexity) if complexity else None,
        )
        if visit.text("what") == "plan":
            return await _form(visit, found, given, decision=await service.plan(session, request=request))
        taken = await service.execute(session, request=request, by=visit.identity)
    except Invalid as error:
        return await _form(visit, found, given, error=error)
    return Done(
        to=f"/crew/{taken.task_id}", words=_("Taken: by %(strategy)s", strategy=spoken(taken.decision.strategy))
    )


async def _form(
    visit: Visit,
    found: TaskType | None,
    given: Mapping[str, str],
    *,
    decision: Decision | None = None,
    error: Invalid | None = None,
) -> Page:
    service = visit.services.crew
    fields: list[FormField] = []
    if found is not None:
        fields = await in_fair_thread(fields_of, found.parameters.model_json_schema(), given)
    return Page(
        template="crew_new.html",
        title=_("New work"),
        values={
            "types": service.types.all.values(),
            "chosen": found,
            "fields": fields,
            "form": visit.form,
            "urgencies": said(_URGENCIES),
            "complexities": [*Complexity],
            "model": service.model,
            "decision": decision,
            "problems": error,
        },
        status=422 if error else 200,
    )


async def _cancel(visit: Visit, session: AsyncSession) -> Done:
    task_id: UUID = visit.id("crew_task_id", "work of the crew")
    await visit.services.crew.cancel(session, task_id=task_id, by=visit.identity)
    return Done(to=f"/crew/{task_id}", words=_("Stopped, or told to stop"))


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
        ngettext("%(num)s piece of work under way", "%(num)s pieces of work under way", running) if running else "",
        _("%(waiting)s waiting", waiting=waiting) if waiting else "",
    ]
    return ", ".join(part for part in parts if part) or _("The crew is free")


ROUTES: tuple[Route, ...] = (
    shows("/crew", crew, "crew.read"),
    shows("/crew/new", new, "crew.run"),
    does("/crew/new", _start, "crew.run"),
    shows("/crew/{crew_task_id}", one, "crew.read"),
    does("/crew/{crew_task_id}/cancel", _cancel, "crew.run"),
)
