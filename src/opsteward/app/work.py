"""`opsteward worker`: work until told to stop. It takes no requests, so that it needs nothing of what serves them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from opsteward.app.connection_limits import raise_descriptor_limit
from opsteward.app.listening import give_way_to_the_loop, listen_on
from opsteward.app.process import Process, running
from opsteward.app.services import build_services
from opsteward.app.settings import Settings
from opsteward.app.stop_signals import StopSignals
from opsteward.core.memory import keep_few_heaps
from opsteward.telemetry import traces


def work(settings: Settings, announce: Callable[[], None]) -> None:
    """Work only, without the API, beside any number of others. `announce()` is called once it works.

    Raises OpsError when the database can't be made ready; PartDied after an orderly stop for a part's death.
    """
    give_way_to_the_loop()
    keep_few_heaps()
    raise_descriptor_limit()
    port = settings.telemetry.metrics_port
    listener = None if port is None else listen_on(settings.api.host, port, setting="OPSTEWARD_METRICS_PORT")
    traces.start()
    services = build_services(settings)

    @asynccontextmanager
    async def metrics_shown(process: Process) -> AsyncIterator[None]:
        if listener is None:
            yield
            return
        from opsteward.app.worker_metrics import shown  # brings the web framework, of which a worker has no other use

        async with shown(process, listener):
            yield

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
            async with metrics_shown(process), running(process):
                stopped = asyncio.create_task(stop.wait())
                ready = asyncio.create_task(process.worker.ready.wait())
                await asyncio.wait({stopped, ready}, return_when=asyncio.FIRST_COMPLETED)
                if not stop.is_set():
                    announce()
                await stopped
                ready.cancel()
        process.raise_failure()

    asyncio.run(main())
