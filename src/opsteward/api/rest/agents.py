"""`/api/agents/status` and `/api/v1/agents`: background agents, seen and ordered about."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Response
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.agents import metric_history
from opsteward.agents.service import MAX_INTERVAL, SHORTEST_INTERVAL
from opsteward.agents.types import AgentInfo, KindInfo, MetricHistory, NewAgent
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.agents import AgentsStatus, AgentWithMessages
from opsteward.api.rest.schemas.base import Input, NoBody, Page, Ref, page_of
from opsteward.api.routes import Routes
from opsteward.core.json_types import JsonObject
from opsteward.tasks import queries as tasks

router = Routes(tags=["agents"])

_RECENT = 20
_MAX_WINDOW = 31_536_000.0
Read = Annotated[Identity, needs("agents.read")]
Write = Annotated[Identity, needs("agents.write")]


class AgentIn(Input):
    """An agent to run; `interval` in seconds, its kind's when none is given."""

    kind: Annotated[str, Field(min_length=1, max_length=100)]
    name: Annotated[str, Field(min_length=1, max_length=100)]
    interval: Annotated[
        float | None, Field(strict=True, ge=SHORTEST_INTERVAL, le=MAX_INTERVAL, allow_inf_nan=False)
    ] = None
    params: JsonObject = {}


@router.get("/api/agents/status")
async def agents_status(
    services: ServicesDep, session: TenantSession, identity: Read, limit: Annotated[int, Query(ge=1, le=10_000)] = 1000
) -> AgentsStatus:
    """All agents with their state, the processes that run them, and the queue of tasks."""
    summary = await services.agents.counts(session)
    agents = await services.agents.page(session, limit=limit)
    processes = await services.agents.processes(session)
    queue = await tasks.counts(session)
    return AgentsStatus(
        summary=summary,
        agents=agents,
        processes=processes,
        leader=next((process.id for process in processes if process.leader and process.alive), None),
        queue=queue,
    )


@router.get("/api/v1/agents")
async def list_agents(
    services: ServicesDep,
    session: TenantSession,
    identity: Read,
    after: UUID | None = None,
    ref: Ref = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Page[AgentInfo]:
    """By name; `next` is the `after` of the next page."""
    found = await services.agents.page(session, after=after, ref=ref, limit=limit)
    return page_of(found, limit=limit)


@router.post("/api/v1/agents", status_code=201)
async def register_agent(body: AgentIn, services: ServicesDep, session: TenantSession, identity: Write) -> AgentInfo:
    """Register an agent; it is started within a second."""
    new = NewAgent(kind=body.kind, name=body.name, interval=body.interval, params=body.params)
    return await services.agents.register(session, new=new, actor=identity.actor)


@router.get("/api/v1/agents/kinds")
async def agent_kinds(services: ServicesDep, _: Read) -> Page[KindInfo]:
    """What can be registered, with the schema of its parameters."""
    return Page(items=list(services.agents.agent_types.all()))


@router.get("/api/v1/agents/metrics")
async def agent_metrics(
    session: TenantSession,
    identity: Read,
    name: Annotated[str, Query(max_length=200)] = "",
    window: Annotated[float, Query(ge=1, le=_MAX_WINDOW, description="seconds")] = 3600.0,
) -> Page[MetricHistory]:
    """Figures with their percentiles over the last `window` seconds, all of them over a week at most; of a named one
    its course as well, over any time that is kept."""
    return Page(items=list(await metric_history.history(session, name=name, window=window)))


@router.get("/api/v1/agents/{agent_id}")
async def get_agent(agent_id: UUID, services: ServicesDep, session: TenantSession, identity: Read) -> AgentWithMessages:
    """One agent, with the newest messages to it."""
    agent = await services.agents.get(session, agent_id=agent_id)
    messages = await services.agents.messages(session, agent_id=agent_id, limit=_RECENT)
    return AgentWithMessages(**vars(agent), messages=messages)


@router.delete("/api/v1/agents/{agent_id}", status_code=204)
async def remove_agent(agent_id: UUID, services: ServicesDep, session: TenantSession, identity: Write) -> Response:
    """Stop an agent and forget it."""
    await services.agents.remove(session, agent_id=agent_id, actor=identity.actor)
    return Response(status_code=204)


@router.put("/api/v1/agents/{agent_id}/start")
async def start_agent(agent_id: UUID, services: ServicesDep, identity: Write, _: NoBody = None) -> AgentInfo:
    """Run a stopped agent again."""
    return await _order(services, identity, agent_id, "start")


@router.put("/api/v1/agents/{agent_id}/stop")
async def stop_agent(agent_id: UUID, services: ServicesDep, identity: Write, _: NoBody = None) -> AgentInfo:
    """End it until it is started again."""
    return await _order(services, identity, agent_id, "stop")


@router.put("/api/v1/agents/{agent_id}/restart")
async def restart_agent(agent_id: UUID, services: ServicesDep, identity: Write, _: NoBody = None) -> AgentInfo:
    """Begin it anew, whatever it does now."""
    return await _order(services, identity, agent_id, "restart")


@router.put("/api/v1/agents/{agent_id}/pause")
async def pause_agent(agent_id: UUID, services: ServicesDep, identity: Write, _: NoBody = None) -> AgentInfo:
    """Begin no further run; what it keeps in memory stays."""
    return await _order(services, identity, agent_id, "pause")


@router.put("/api/v1/agents/{agent_id}/resume")
async def resume_agent(agent_id: UUID, services: ServicesDep, identity: Write, _: NoBody = None) -> AgentInfo:
    """Go on after a pause."""
    return await _order(services, identity, agent_id, "resume")


Order = Literal["start", "stop", "restart", "pause", "resume"]


async def _order(services: ServicesDep, identity: Identity, agent_id: UUID, order: Order) -> AgentInfo:
    async with services.db.unit_of_work(identity.tenant_id) as session:
        return await services.agents.order(session, agent_id=agent_id, order=order, actor=identity.actor)
