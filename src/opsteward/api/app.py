"""The HTTP application: routes, guard, problems, and the API's own description."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from starlette.routing import Route
from starlette.types import Lifespan

from opsteward.api import problems
from opsteward.api.capacity import Capacity
from opsteward.api.concurrency_limit import ConcurrencyLimit
from opsteward.api.deps import recognise
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
from opsteward.core.json_types import JsonObject
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
SCHEMA_URL = "/api/schema/"
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
_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "remedy": {"type": "string"},
        "correlation_id": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "problem"],
                "properties": {k: {"type": "string"} for k in ("field", "problem", "remedy")}
                | {
                    k: {"type": "integer", "description": "of the text that was sent, from 1"}
                    for k in ("line", "column")
                },
            },
        },
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
    _describe(app)
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


def _describe(app: FastAPI) -> None:
    """The OpenAPI document and Swagger UI, all from our own address."""
    import fastapi_offline

    static = Path(fastapi_offline.__file__).parent / "static"

    @app.get(SCHEMA_URL, include_in_schema=False)
    async def schema() -> JsonObject:
        document = app.openapi()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = _PROBLEM_SCHEMA
        schemas["EventIn"] = events.EventIn.model_json_schema()
        return document

    @app.get(f"{SCHEMA_URL}swagger-ui/", include_in_schema=False)
    async def swagger_ui() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=SCHEMA_URL,
            title="Opsteward API",
            swagger_js_url=f"{SCHEMA_URL}static/swagger-ui-bundle.js",
            swagger_css_url=f"{SCHEMA_URL}static/swagger-ui.css",
            swagger_favicon_url=f"{SCHEMA_URL}static/favicon.png",
        )

    app.mount(f"{SCHEMA_URL}static", StaticFiles(directory=static), name="swagger static")
