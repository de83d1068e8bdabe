"""`opsteward up` and `opsteward worker`: run until told to stop."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from functools import partial
from types import FrameType

import uvicorn
from fastapi import FastAPI

from opsteward.api.app import build_app
from opsteward.app.connection_limits import raise_descriptor_limit
from opsteward.app.process import Process, api_services_of, console_services_of, first_start, running
from opsteward.app.request_limits import bounded_http
from opsteward.app.services import build_services
from opsteward.app.settings import Settings
from opsteward.app.stop_signals import StopSignals
from opsteward.app.websocket_closing import WebSocketClosing
from opsteward.app.worker_metrics import shown
from opsteward.console.mount import Console
from opsteward.core.errors import Invalid
from opsteward.core.running_instance import local_url, told_in_home
from opsteward.telemetry import traces

Announce = Callable[[str, str | None], None]
#: Seconds that a computing thread (an import's, say) may keep the event loop waiting at each of its steps.
_SWITCH_WITHIN = 0.001


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
    sys.setswitchinterval(_SWITCH_WITHIN)
    listener = _listen(settings.api.host, settings.api.port, setting="OPSTEWARD_PORT")
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
    server.run(sockets=[listener])
    for one in process:
        one.raise_failure()


def _listen(host: str, port: int, *, setting: str) -> socket.socket:
    """A socket on the port of this setting. Raises Invalid that names it when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)  # from now on who connects waits for us instead of being refused
    except OSError as error:
        listener.close()
        raise Invalid.field(
            setting,
            f"can't listen on {host}:{port}: {error.strerror}",
            "choose another one, or 0 for a free one",
        ) from None
    return listener


def work(settings: Settings, announce: Callable[[], None]) -> None:
    """Work only, without the API, beside any number of others. `announce()` is called once it works.

    Raises OpsError when the database can't be made ready; PartDied after an orderly stop for a part's death.
    """
    sys.setswitchinterval(_SWITCH_WITHIN)
    raise_descriptor_limit()
    port = settings.telemetry.metrics_port
    listener = None if port is None else _listen(settings.api.host, port, setting="OPSTEWARD_METRICS_PORT")
    traces.start()
    services = build_services(settings)

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        process = Process(services, kind="worker", on_death=stop.set)
        signals = StopSignals(
            stop=partial(loop.call_soon_threadsafe, stop.set),
            waits_for=process.worker.unfinished,
            grace=settings.tasks.drain_seconds,
        )
        with signals.heard():
            async with shown(process, listener) if listener else nullcontext(), running(process):
                stopped = asyncio.create_task(stop.wait())
                ready = asyncio.create_task(process.worker.ready.wait())
                await asyncio.wait({stopped, ready}, return_when=asyncio.FIRST_COMPLETED)
                if not stop.is_set():
                    announce()
                await stopped
                ready.cancel()
        process.raise_failure()

    asyncio.run(main())
