"""`/api/crew`: hand work to the crew, see who does it and why, see its agents. The same under `/api/brain/crew`."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import NoBody, Page, page_of
from opsteward.api.rest.schemas.crew import (
    AcceptedOut,
    AgentOut,
    DecisionOut,
    ErasedOut,
    MatrixOut,
    ProposedOut,
    RestoreIn,
    TreeOut,
    WorkIn,
    WorkTypeOut,
)
from opsteward.api.routes import Routes
from opsteward.core.blocking_calls import in_thread
from opsteward.core.clock import now
from opsteward.core.errors import Denied, FieldProblem
from opsteward.crew.delegation.matrix_changes import MatrixVersion, versions
from opsteward.crew.delegation.memory import matrix_in_force
from opsteward.crew.execution.types import RunLine, RunView, TriedModel
from opsteward.crew.execution.workflow import NAME as WORKFLOW
from opsteward.crew.performance import figures as crew_figures
from opsteward.crew.service import Crew

router = Routes(prefix="/api/crew", tags=["crew"])

Reader = Annotated[Identity, needs("crew.read")]
Runner = Annotated[Identity, needs("crew.run")]

_DAY = 24.0


@router.post("/execute", status_code=202)
async def execute_work(body: WorkIn, services: ServicesDep, session: TenantSession, identity: Runner) -> AcceptedOut:
    """Have work done, by whom the delegation matrix says; look at it under the `task_id`."""
    _own_tenant(body, identity)
    return AcceptedOut.of_work(await services.crew.execute(session, request=body.request(), by=identity))


@router.post("/plan")
async def plan_work(body: WorkIn, services: ServicesDep, session: TenantSession, identity: Reader) -> DecisionOut:
    """Who would do it, why, and what it would take. Nothing is done."""
    _own_tenant(body, identity)
    return DecisionOut.of(await services.crew.plan(session, request=body.request()))


@router.get("/task/{crew_task_id}")
async def get_work(crew_task_id: UUID, services: ServicesDep, session: TenantSession, identity: Reader) -> RunView:
    """A piece of work: its plan, the path it took, its result."""
    return await services.crew.get(session, task_id=crew_task_id)


@router.delete("/task/{crew_task_id}")
async def cancel_work(crew_task_id: UUID, services: ServicesDep, session: TenantSession, identity: Runner) -> RunView:
    """Stop work that waits or runs."""
    return await services.crew.cancel(session, task_id=crew_task_id, by=identity)


@router.get("/tasks")
async def list_work(
    services: ServicesDep,
    session: TenantSession,
    identity: Reader,
    domain: Annotated[str | None, Query(max_length=60)] = None,
    type: Annotated[str | None, Query(max_length=100)] = None,  # noqa: A002 -- the API's own name
    before: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[RunLine]:
    """The newest first."""
    found = await services.crew.page(session, domain=domain, task_type=type, before=before, limit=limit)
    return page_of(found, limit=limit, cursor="task_id")


@router.get("/types")
async def list_work_types(services: ServicesDep, identity: Reader) -> Page[WorkTypeOut]:
    """All types of work, with the JSON Schema of their parameters and the agent who does them."""
    return Page(items=await in_thread(_types, services.crew))


@router.get("/tree")
async def crew_tree(services: ServicesDep, session: TenantSession, identity: Reader) -> TreeOut:
    """The agents, what each has under way and did in the last day, and what is wrong with their files."""
    roster, busy = services.crew.roster, await crew_figures.busy_agents(session)
    done = await crew_figures.agent_figures(session, since=crew_figures.hours_ago(_DAY, now()))
    by_name = {one.name: one for one in done}
    return TreeOut(
        master=roster.master.name if roster.master else None,
        agents=[
            AgentOut(agent=one, busy=busy.get(one.name, 0), figures=by_name.get(one.name))
            for one in roster.agents.values()
        ],
        problems=list(roster.problems),
    )


@router.get("/matrix")
async def delegation_matrix(session: TenantSession, identity: Reader) -> MatrixOut:
    """The matrix that decides, the first row that fits counts."""
    version, matrix = await matrix_in_force(session)
    return MatrixOut(version=version, rows=list(matrix.rows))


@router.get("/matrix/versions")
async def matrix_versions(session: TenantSession, identity: Reader) -> Page[MatrixVersion]:
    """The versions of the matrix, the newest first."""
    return Page(items=await versions(session))


@router.post("/matrix/restore", status_code=202)
async def restore_matrix(
    body: RestoreIn, services: ServicesDep, session: TenantSession, identity: Runner
) -> ProposedOut:
    """Ask for the rows of an earlier version to decide again (0: as shipped); a person approves it."""
    action_id = await services.crew.matrix_changes.ask_back(session, to_version=body.version, by=identity)
    return ProposedOut(summary=f"Back to version {body.version} of the delegation matrix", action_id=action_id)


@router.post("/models/test")
async def try_models(services: ServicesDep, identity: Runner, body: NoBody = None) -> Page[TriedModel]:
    """Ask each configured model a smallest question; empty where none is configured."""
    return Page(items=await services.crew.try_models(tenant_id=identity.tenant_id))


@router.delete("/memory")
async def erase_crew_memory(services: ServicesDep, session: TenantSession, identity: Runner) -> ErasedOut:
    """Erase all that the agents remember of this tenant."""
    return ErasedOut(erased=await services.crew.erase_notes(session, by=identity))


def _types(crew: Crew) -> list[WorkTypeOut]:
    """Takes some 40 ms: a schema is made of each."""
    return [
        WorkTypeOut.of(one, crew.roster.master if one.name == WORKFLOW else crew.roster.who_does(one.name))
        for one in crew.types.all.values()
    ]


def _own_tenant(body: WorkIn, identity: Identity) -> None:
    if body.tenant_id is not None and body.tenant_id not in (str(identity.tenant_id), identity.tenant_name):
        remedy = "leave it out, or use a token of that tenant"
        raise Denied(problems=[FieldProblem(field="tenant_id", problem="is not the token's own", remedy=remedy)])
