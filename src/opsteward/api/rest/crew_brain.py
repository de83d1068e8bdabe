"""`/api/brain/crew`: the crew's routes a second time, as they are reached through a gateway; and that gateway."""

from __future__ import annotations

from typing import Annotated

from fastapi import Request
from fastapi.routing import APIRoute

from opsteward.accounts.types import Identity
from opsteward.actions.types import NewAction
from opsteward.api.deps import ServicesDep, TenantSession, needs, own_address
from opsteward.api.rest import crew, crew_crm, crew_performance
from opsteward.api.rest.schemas.base import NoBody
from opsteward.api.rest.schemas.crew import GatewayOut, ProposedOut
from opsteward.api.routes import Routes
from opsteward.core.errors import Conflict, ConnectorError
from opsteward.core.ids import uuid7
from opsteward.integrations.crew.gateway import HEALTH, GatewayRoute, as_wanted

BEHIND = "/api/brain"
router = Routes(tags=["crew"])


@router.post("/api/crew/brain/register-routes", status_code=202)
async def register_crew_routes(
    request: Request,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("actions.request")],
    body: NoBody = None,
) -> ProposedOut:
    """Ask for the crew's routes to be registered at the configured gateway; a person approves it."""
    if services.crew.gateway is None:
        raise Conflict("no gateway is configured", remedy="set OPSTEWARD_CREW_GATEWAY")
    url = own_address(request)
    params = {"url": url, "routes": [one.model_dump() for one in _wanted()]}
    asked = await services.action_service.request(
        session,
        new=NewAction(
            action="crew.register_routes",
            params=params,
            reason="the crew's routes are to be reached through the gateway",
            requested_by=identity.actor,
            idempotency_key=f"crew routes {uuid7()}",
        ),
    )
    summary = f"Register {len(params['routes'])} routes at {services.crew.gateway.address}"
    return ProposedOut(summary=summary, action_id=asked.id)


@router.get("/api/crew/brain/validate-integration")
async def validate_crew_gateway(services: ServicesDep, identity: Annotated[Identity, needs("crew.read")]) -> GatewayOut:
    """Whether the gateway is there, knows the crew's routes, and leads to them."""
    gateway = services.crew.gateway
    if gateway is None:
        return GatewayOut(valid=False, configured=False, problems=["no gateway is configured: OPSTEWARD_CREW_GATEWAY"])
    try:
        known = await gateway.registered()
    except ConnectorError as error:
        return GatewayOut(valid=False, configured=True, problems=[error.detail])
    missing = as_wanted(known[1] if known else [], _wanted())
    leads_here = await gateway.leads_here()
    problems = [] if leads_here else [f"GET {gateway.address}{HEALTH} is not answered by the crew"]
    if missing:
        problems.append(f"{len(missing)} routes are not registered: POST /api/crew/brain/register-routes")
    return GatewayOut(
        valid=not problems,
        configured=True,
        reachable=True,
        registered=known is not None,
        missing_routes=missing,
        leads_here=leads_here,
        problems=problems,
    )


def _wanted() -> list[GatewayRoute]:
    """The crew's routes as the gateway is to know them."""
    methods: dict[str, set[str]] = {}
    for route in crew_routes():
        methods.setdefault(route.path.replace("/api", BEHIND, 1), set()).update(route.methods or ())
    return [GatewayRoute(path=path, methods=sorted(methods[path])) for path in sorted(methods)]


def crew_routes() -> list[APIRoute]:
    """All routes of the crew."""
    routers = (crew.router, crew_crm.router, crew_performance.router)
    return [route for one in routers for route in one.routes if isinstance(route, APIRoute)]


for _route in [*crew_routes(), *(route for route in router.routes if isinstance(route, APIRoute))]:
    router.add_api_route(
        _route.path.replace("/api", BEHIND, 1),
        _route.endpoint,
        methods=sorted(_route.methods or ()),
        status_code=_route.status_code,
        include_in_schema=False,  # each is described once
    )
