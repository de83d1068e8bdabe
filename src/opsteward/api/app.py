"""The HTTP application: routes, guard and problems."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import Lifespan

from opsteward.api import problems
from opsteward.api.capacity import Capacity
from opsteward.api.concurrency_limit import ConcurrencyLimit
from opsteward.api.deps import recognise
from opsteward.api.description import describe
from opsteward.api.forwarded import Forwarded
from opsteward.api.intake import opentelemetry_logs, opsgenie, pagerduty, sentry, slack, victorops
from opsteward.api.intake.answers import ProtocolAnswers
from opsteward.api.live import websocket
from opsteward.api.mcp_endpoint import PATH as MCP_PATH
from opsteward.api.mcp_endpoint import McpEndpoint
from opsteward.api.middleware.request_body import Guard
from opsteward.api.middleware.request_metrics import Measured
from opsteward.api.middleware.tracing import Traced
from opsteward.api.rest import (
    access_reviews,
    actions,
    admin,
    agents,
    approvals,
    controls,
    crew,
    crew_brain,
    crew_crm,
    crew_performance,
    diagnoses,
    enrollments,
    event_analysis,
    event_list,
    events,
    excess_access,
    heartbeats,
    incident_handling,
    lookups,
    metrics,
    notifications,
    oncall,
    operators,
    patterns,
    probes,
    questions,
    sagas,
    sentry_projects,
    sign_in,
    silences,
    source_settings,
    sources,
    standing_orders,
    syncs,
    system_health,
    systems,
    tasks,
    troubleshooting,
    user_imports,
    users,
    webhooks,
)
from opsteward.api.scim import routes as scim
from opsteward.api.scim.responses import ScimErrors
from opsteward.api.services import ApiServices
from opsteward.core.version import __version__
from opsteward.telemetry import traces

#: All routes, in the order in which the description shows them.
ROUTES = (
    probes,
    sign_in,
    event_analysis,
    event_list,
    events,
    incident_handling,
    patterns,
    silences,
    oncall,
    notifications,
    syncs,
    sagas,
    source_settings,
    sources,
    sentry_projects,
    sentry,
    opentelemetry_logs,
    opsgenie,
    pagerduty,
    victorops,
    systems,
    system_health,
    excess_access,
    heartbeats,
    lookups,
    actions,
    approvals,
    standing_orders,
    troubleshooting,
    questions,
    tasks,
    agents,
    controls,
    crew,
    crew_brain,
    crew_crm,
    crew_performance,
    diagnoses,
    user_imports,
    users,
    enrollments,
    access_reviews,
    webhooks,
    slack,
    admin,
    operators,
    metrics,
    scim,
)
_PROBLEMS = {
    "4XX": {
        "description": "The request can't be taken: problem+json that names what and why",
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    },
    "503": {
        "description": "The database is away for a moment; nothing was taken",
        "content": {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    },
}


def build_app(services: ApiServices, *, lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """The application for these rooms; the console is mounted later, by `app`."""
    app = FastAPI(
        title="Opsteward",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses=_PROBLEMS,  # type: ignore[arg-type]  # FastAPI's own docs show status ranges as string keys
    )
    app.state.services = services
    problems.install(app)
    for module in ROUTES:
        app.include_router(module.router)
    app.include_router(websocket.router)
    settings = services.settings.api
    capacity = app.state.capacity = Capacity.of(settings, connections=services.settings.core.database_pool_max)
    app.state.live_feed = websocket.LiveFeed(services, capacity)
    app.router.routes.append(Route(MCP_PATH, McpEndpoint(patience=capacity.patience), methods=["POST"]))
    describe(app)
    app.add_middleware(ConcurrencyLimit, concurrency_limit=capacity.concurrency_limit, patience=capacity.patience)
    if traces.on():
        app.add_middleware(Traced)
    app.add_middleware(
        Guard,
        settings=settings,
        capacity=capacity,
        recognise=partial(recognise, services=services),
        spool_folder=services.settings.core.home,
    )
    app.add_middleware(ScimErrors)
    app.add_middleware(ProtocolAnswers)
    app.add_middleware(Measured)
    if settings.trusted_proxies:
        app.add_middleware(Forwarded, trusted=settings.trusted_proxies)
    return app
