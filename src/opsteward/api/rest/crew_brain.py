"""`/api/brain/crew`: the crew's routes a second time, as they are reached through a gateway."""

from __future__ import annotations

from fastapi.routing import APIRoute

from opsteward.api.rest import crew, crew_crm, crew_performance
from opsteward.api.routes import Routes

BEHIND = "/api/brain"
router = Routes(tags=["crew"])


def crew_routes() -> list[APIRoute]:
    """All routes of the crew."""
    routers = (crew.router, crew_crm.router, crew_performance.router)
    return [route for one in routers for route in one.routes if isinstance(route, APIRoute)]


for _route in crew_routes():
    router.add_api_route(
        _route.path.replace("/api", BEHIND, 1),
        _route.endpoint,
        methods=sorted(_route.methods or ()),
        status_code=_route.status_code,
        include_in_schema=False,  # each is described once
    )
