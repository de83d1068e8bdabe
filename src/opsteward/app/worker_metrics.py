"""What a worker serves besides its work, where `metrics_port` says so: `/metrics`, `/livez` and `/readyz`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import uvicorn
from fastapi import FastAPI

from opsteward.api import problems
from opsteward.api.capacity import Capacity
from opsteward.api.concurrency_limit import ConcurrencyLimit
from opsteward.api.deps import recognise
from opsteward.api.middleware.request_body import Guard
from opsteward.api.rest import metrics, probes
from opsteward.app.process import Process
from opsteward.app.request_limits import bounded_http
from opsteward.app.request_services import api_services_of
from opsteward.core.log import get_logger

log = get_logger(__name__)

_SHOWN = ("/livez", "/readyz")


class _Server(uvicorn.Server):
    """The process has its own way of taking signals."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def shown(process: Process, listener: socket.socket) -> AsyncIterator[None]:
    """Served inside of this context, which is to outlast the process's work: a draining worker says so."""
    api_services = api_services_of(process.services, lambda: dict(process.parts))
    api_services.figures = None  # those of the database are told by `up`: told twice they would add up
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.services = api_services
    problems.install(app)
    app.include_router(metrics.router)
    app.router.routes.extend(route for route in probes.router.routes if getattr(route, "path", "") in _SHOWN)
    capacity = Capacity.of(api_services.settings.api, connections=api_services.settings.core.database_pool_max)
    app.add_middleware(ConcurrencyLimit, concurrency_limit=capacity.concurrency_limit, patience=capacity.patience)
    app.add_middleware(
        Guard,
        settings=api_services.settings.api,
        capacity=capacity,
        recognise=partial(recognise, services=api_services),
    )
    config = uvicorn.Config(
        app,
        http=bounded_http(api_services.settings.api),
        proxy_headers=False,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    host, port = listener.getsockname()[:2]
    log.info("app.metrics.served", host=host, port=port)
    try:
        yield
    finally:
        server.should_exit = True
        await serving
