"""`opsteward up`: everything in one process, until told to stop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from types import FrameType

import uvicorn
from fastapi import FastAPI

from opsteward.api.app import build_app
from opsteward.app.listening import acceptors, give_way_to_the_loop, listen_on
from opsteward.app.process import Process, first_start, running
from opsteward.app.request_limits import bounded_http
from opsteward.app.request_services import api_services_of, console_services_of
from opsteward.app.services import build_services
from opsteward.app.settings import Settings
from opsteward.app.stop_signals import StopSignals
from opsteward.app.websocket_closing import WebSocketClosing
from opsteward.console.mount import Console
from opsteward.core.memory import keep_few_heaps
from opsteward.core.running_instance import local_url, told_in_home
from opsteward.telemetry import traces

Announce = Callable[[str, str | None], None]


class _Server(uvicorn.Server):
    """Ends by the first signal as uvicorn's own does, and says what it waits for; at once by a second."""

    def __init__(self, config: uvicorn.Config, *, waits_for: Callable[[], Sequence[str]], settings: Settings) -> None:
        super().__init__(config)
        self._signals = StopSignals(stop=lambda: None, waits_for=waits_for, grace=settings.tasks.drain_seconds)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal has come."""
        super().handle_exit(sig, frame)
        self._signals.hear(sig)


def serve(settings: Settings, announce: Announce) -> None:
    """Everything in one process. `announce(url, link)` is called once requests are taken.

    Raises Invalid when the port is taken; OpsError when the database can't be made ready; PartDied after an orderly
    stop for a part's death.
    """
    give_way_to_the_loop()
    keep_few_heaps()
    listener = listen_on(settings.api.host, settings.api.port, setting="OPSTEWARD_PORT")
    port = listener.getsockname()[1]
    settings = replace(settings, api=settings.api.model_copy(update={"port": port}))
    traces.start()
    services = build_services(settings)
    process: list[Process] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        one = Process(services, kind="up", on_death=end)
        process.append(one)
        try:
            code = await first_start(services)
        except BaseException as error:
            one.failure = error
            await one.stop()
            raise

        async def console_behind() -> None:
            await one.worker.ready.wait()
            await console.run()

        stop_listening = services.feed.listen(app.state.live_feed.hear)
        own = local_url(settings.api.host, settings.api.port)
        async with running(one, console_behind, app.state.live_feed.run):
            with told_in_home(settings.home, own):
                announce(settings.api.url, f"{settings.api.url}/sign-in?code={code}" if code else None)
                yield
        stop_listening()

    def end() -> None:
        server.should_exit = True

    def readiness() -> dict[str, bool]:
        return dict(process[0].parts) if process else {"database": False}

    app = build_app(api_services_of(services, readiness), lifespan=lifespan)
    console = Console(
        console_services_of(services, readiness), otherwise=app.router.default, leaving=lambda: server.should_exit
    )
    app.router.default = console
    config = uvicorn.Config(
        app,
        http=bounded_http(settings.api),
        proxy_headers=False,  # whom to believe is a setting of ours: see api.forwarded
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        # longer than clients and proxies keep one: who closes first while the other sends makes an error of it
        timeout_keep_alive=75,
        server_header=False,
        ws=WebSocketClosing,
        ws_max_size=1_048_576,
        # later than the live feed itself loses patience, which can say where to go on
        ws_ping_timeout=max(20.0, settings.api.ws_stall_timeout + 10),
    )
    server = _Server(config, waits_for=lambda: process[0].worker.unfinished() if process else [], settings=settings)
    server.run(sockets=acceptors(listener))
    for one in process:
        one.raise_failure()
