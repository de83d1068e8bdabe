"""One running Opsteward process: what is built, in which order it comes up and goes down.

`up` is everything in one process. The API answers first; the engine and the console, which take seconds to
import, come up behind it on the same event loop. `worker` is the same without the API.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from opsteward.accounts import queries, sessions, tenants, tokens
from opsteward.agents.shipped.installing import install
from opsteward.app.services import Services, leave_server
from opsteward.app.worker import Worker
from opsteward.core.blocking_calls import in_thread
from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.core.errors import OpsError
from opsteward.core.log import get_logger
from opsteward.core.memory import give_back_memory
from opsteward.telemetry import traces
from opsteward.telemetry.loop_lag import watch_loop

log = get_logger(__name__)

_WATCH_EVERY = 1.0  # seconds


class PartDied(Exception):
    """A part of the process came to an unexpected end, and the process with it; the log has it in full."""


class Process:
    """Tasks of one process, started and stopped in order.

    A part that dies takes the process with it, for a half-alive one helps nobody: `on_death` is called, and has to
    bring about an orderly stop; `failure` is what it died of.
    """

    def __init__(self, services: Services, *, kind: str, on_death: Callable[[], None] = lambda: None) -> None:
        self.services = services
        self.worker = Worker(services, kind=kind, on_beat=self._note_beat)
        self.parts = {"database": True, "worker": False}
        self.failure: BaseException | None = None
        self._on_death = on_death
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, *extra: Callable[[], Coroutine[object, object, None]]) -> None:
        """Begin everything; `extra` are coroutines to run beside the rest."""
        duties = [self._work, self.services.feed.run, watch_loop, give_back_memory, *extra]
        if self.services.settings.core.database_url is None:
            duties.append(self._watch_postgres)
        if self.services.settings.syslog.listens:
            duties.append(self._take_syslog)
        if self.services.settings.mail.mail_smtp:
            duties.append(self._take_mail)
        self._tasks = [asyncio.create_task(self._watched(duty)) for duty in duties]

    async def stop(self) -> None:
        """Drain, give back connections, and stop the embedded server if nobody else needs it."""
        self.parts["worker"] = False  # from now on we are not ready: nobody should send us anything new
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(OpsError):
            await self.services.source_tallies.flush()
        await in_thread(traces.stop)
        await self.services.web.close()
        await self.services.app.close()
        await in_thread(leave_server, self.services.settings.core)

    def raise_failure(self) -> None:
        """After the stop: raises PartDied if it was for a part's death."""
        if self.failure is not None:
            said = self.failure.detail if isinstance(self.failure, OpsError) else type(self.failure).__name__
            raise PartDied(said) from self.failure

    async def _watched(self, duty: Callable[[], Coroutine[object, object, None]]) -> None:
        try:
            await duty()
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            log.exception("app.part.died", part=getattr(duty, "__qualname__", repr(duty)))
            self.failure = self.failure or error
            self._on_death()

    async def _take_syslog(self) -> None:
        from opsteward.events.sources.syslog.listener import SyslogListener

        services = self.services
        await SyslogListener(services.app, services.intake, services.source_tallies, services.settings.syslog).run()

    async def _take_mail(self) -> None:
        from opsteward.events.sources.mail.listener import MailListener

        services = self.services
        queue, tallies = services.intake_queue, services.source_tallies
        await MailListener(services.web, queue, tallies, services.settings.mail).run()

    def _note_beat(self, taken: bool) -> None:
        self.parts["database"] = taken

    async def _work(self) -> None:
        async def note_ready() -> None:
            await self.worker.ready.wait()
            self.parts["worker"] = True

        noting = asyncio.create_task(note_ready())
        try:
            await self.worker.run()
        finally:
            noting.cancel()

    async def _watch_postgres(self) -> None:
        server = EmbeddedPostgres(self.services.settings.home)
        while True:
            await asyncio.sleep(_WATCH_EVERY)
            if server.pid() is None:
                self.parts["database"] = False  # until a beat is taken again
                log.warning("app.postgres.found_dead")
                try:
                    await in_thread(server.ensure_running)
                except OpsError:
                    pass  # it is tried again
                except OSError as error:  # no descriptor or no memory for the moment is no reason to end
                    log.warning("app.postgres.restart_failed", error=type(error).__name__, detail=error.strerror)


async def first_start(services: Services) -> str | None:
    """Make the first tenant if there is none; returns a one-time sign-in link for its owner then."""
    tenant_id = await tenants.ensure_first_tenant(services.web, services.settings.home)
    if tenant_id is None:
        return None
    async with services.web.unit_of_work(tenant_id) as session:
        await install(session, services.agents)
        admin = await queries.find_operator(session, name="admin")
        link = await tokens.issue_token(
            session,
            operator_id=admin.id,
            kind="link",
            name="first sign-in",
            actor="system:setup",
            ttl=timedelta(minutes=sessions.LINK_MINUTES),
        )
    return link.secret


@asynccontextmanager
async def running(process: Process, *extra: Callable[[], Coroutine[object, object, None]]) -> AsyncIterator[None]:
    """The process's parts run inside this context."""
    process.start(*extra)
    try:
        yield
    finally:
        await process.stop()
