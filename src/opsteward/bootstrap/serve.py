"""`opsteward up` and `opsteward worker`: run until told to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from opsteward.api.app import build_app
from opsteward.bootstrap.application import (
    Process,
    build_house,
    console_rooms_of,
    first_start,
    rooms_of,
    running,
)
from opsteward.console.mount import Console
from opsteward.core.errors import Invalid
from opsteward.core.settings import Settings

Announce = Callable[[str, str | None], None]


def serve(settings: Settings, announce: Announce) -> None:
    """Everything in one process. `announce(url, link)` is called once requests are taken.

    Raises Invalid when the port is taken; OpsError when the database can't be made ready.
    """
    listener = _listen(settings)
    port = listener.getsockname()[1]
    settings = settings.model_copy(update={"port": port})
    house = build_house(settings)
    process: list[Process] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        one = Process(house, kind="up")
        process.append(one)
        code = await first_start(house)

        async def console_behind() -> None:
            await one.worker.ready.wait()
            await console.run()

        async with running(one, console_behind):
            announce(settings.url, f"{settings.url}/sign-in?code={code}" if code else None)
            yield

    def readiness() -> dict[str, bool]:
        return dict(process[0].parts) if process else {"database": False}

    app = build_app(rooms_of(house, readiness), lifespan=lifespan)
    console = Console(console_rooms_of(house, readiness), otherwise=app.router.default)
    app.router.default = console
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        server_header=False,
        ws="websockets-sansio",
    )
    uvicorn.Server(config).run(sockets=[listener])


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(2048)  # from now on who connects waits for us instead of being refused
    except OSError as error:
        listener.close()
        raise Invalid.field(
            "OPSTEWARD_PORT",
            f"can't listen on {settings.host}:{settings.port}: {error.strerror}",
            "choose another with --port, or 0 for a free one",
        ) from None
    return listener


def work(settings: Settings, announce: Callable[[], None]) -> None:
    """Work only, without the API, beside any number of others."""
    house = build_house(settings)

    async def main() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        process = Process(house, kind="worker")
        async with running(process):
            await process.worker.ready.wait()
            announce()
            await stop.wait()

    asyncio.run(main())
