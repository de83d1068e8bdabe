"""The syslog listener: sockets in, batches through the intake out. Nothing runs while nothing comes.

By UDP what can't be kept is lost, and counted; a sender by TCP is read no further until there is room again.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from uuid import UUID

from opsteward.core.blocking_calls import in_thread
from opsteward.core.clock import now
from opsteward.core.db import Database
from opsteward.core.errors import Invalid, OpsError, Unavailable
from opsteward.core.log import get_logger
from opsteward.events.intake import Intake
from opsteward.events.sources.network_senders import NetworkSenders, bound_socket, plain_address
from opsteward.events.sources.syslog.buffer import Line, LineBuffer
from opsteward.events.sources.syslog.framing import Frames, messages_of
from opsteward.events.sources.syslog.gelf_datagrams import GelfDatagrams
from opsteward.events.sources.syslog.message import event_of, parse
from opsteward.events.sources.syslog.settings import SyslogSettings
from opsteward.events.sources.tallies import SourceTallies
from opsteward.events.types import NewEvent
from opsteward.telemetry.metrics import SYSLOG_LINES

log = get_logger(__name__)

SLUG = "syslog"
ACTOR = "system:syslog"
_WHY = {
    "sender": "from no network of OPSTEWARD_SYSLOG_SENDERS",
    "connections": "too many connections at once",
    "full": "more came than could be stored",
    "unreadable": "refused by the intake",
}
_AT_ONCE, _BYTES_AT_ONCE = 1000, 2_000_000
_READ_AT_ONCE = 65_536
_QUIET = 0.25  # seconds after which a message with further lines is taken for whole
_LONG_QUIET = 3.0  # seconds after which what nothing ends is taken for whole, where nothing has ended a message before
_SHAKE_HANDS_WITHIN = 10.0  # seconds, by TLS
_STORE_AGAIN_AFTER = (0.2, 0.5, 1.0, 2.0, 5.0)
_LAST_WORDS_WITHIN = 5.0  # seconds
_TELL_EVERY = 60.0  # seconds
_SENDERS_TOLD = 100


class SyslogListener:
    """Of one process."""

    def __init__(self, db: Database, intake: Intake, tallies: SourceTallies, settings: SyslogSettings) -> None:
        self._db = db
        self._intake = intake
        self._tallies = tallies
        self._settings = settings
        self._senders = NetworkSenders(settings.syslog_senders, setting="OPSTEWARD_SYSLOG_SENDERS")
        self._buffer = LineBuffer(settings.syslog_buffer)
        self._gelf = GelfDatagrams(settings.syslog_message_limit)
        self._connections: Counter[str] = Counter()
        self._servers: list[asyncio.Server] = []
        self._datagrams: asyncio.DatagramTransport | None = None
        self._open: set[asyncio.Task[None]] = set()
        #: Why, from whom, and how many lines were not taken since the start.
        self.refused: Counter[tuple[str, str]] = Counter()
        self._untold: Counter[tuple[str, str]] = Counter()
        self._told_at = 0.0
        #: Where it listens, by the name of the setting, once `listening` is set.
        self.addresses: dict[str, tuple[str, int]] = {}
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Listen until cancelled; then store what was read. Raises Invalid that names the setting that can't be."""
        try:
            await self._senders.learn_tenants(self._db)
            await self._listen()
            self.listening.set()
            while True:
                await self._buffer.filled()
                await self._store(self._buffer.take(_AT_ONCE, _BYTES_AT_ONCE))
        finally:
            await self._close()

    # ------------------------------------------------------------ sockets

    async def _listen(self) -> None:
        settings, loop = self._settings, asyncio.get_running_loop()
        if settings.syslog_udp:
            endpoint = bound_socket(settings.syslog_udp, socket.SOCK_DGRAM, "OPSTEWARD_SYSLOG_UDP")
            self.addresses["syslog_udp"] = endpoint.getsockname()[:2]
            self._datagrams, _ = await loop.create_datagram_endpoint(
                lambda: _Datagrams(self._take_datagram), sock=endpoint
            )
        tls_context = await in_thread(_tls_of, settings) if settings.syslog_tls else None
        for name, given, tls in (
            ("syslog_tcp", settings.syslog_tcp, None),
            ("syslog_tls", settings.syslog_tls, tls_context),
        ):
            if given:
                endpoint = bound_socket(given, socket.SOCK_STREAM, f"OPSTEWARD_{name.upper()}")
                self.addresses[name] = endpoint.getsockname()[:2]
                server = await asyncio.start_server(
                    self._serve,
                    sock=endpoint,
                    limit=_READ_AT_ONCE,
                    ssl=tls,
                    ssl_handshake_timeout=_SHAKE_HANDS_WITHIN if tls else None,
                )
                self._servers.append(server)
        log.info("events.syslog.listening", **{name: f"{host}:{port}" for name, (host, port) in self.addresses.items()})

    def _take_datagram(self, content: bytes, sender: str) -> None:
        tenant = self._senders.tenant_of(sender)
        if tenant is None:
            self._count("sender", sender)
            return
        whole = self._gelf.whole(content, sender, time.monotonic())
        if self._gelf.lost:
            self._count("cut", sender, self._gelf.lost)
            self._gelf.lost = 0
        if (content := whole or b"").strip(b"\0\r\n "):
            limit = self._settings.syslog_message_limit
            for message in messages_of(content):
                if len(message) > limit:
                    self._count("cut", sender)
                self._keep(Line(tenant, sender, now(), message[:limit]))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        sender = plain_address(peer[0]) if peer else ""
        tenant = self._senders.tenant_of(sender) if sender else None
        most = self._settings.syslog_connections
        if tenant is None or self._connections.total() >= most or self._connections[sender] >= max(1, most // 4):
            self._count("sender" if tenant is None else "connections", sender)
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        self._connections[sender] += 1
        frames = Frames(self._settings.syslog_message_limit)
        try:
            await self._read(reader, frames, tenant, sender)
        except (OSError, ssl.SSLError):
            pass  # a sender that goes away; what it had sent is taken
        finally:
            for content in frames.end():
                self._keep(Line(tenant, sender, now(), content))
            if frames.cut:
                self._count("cut", sender, frames.cut)
            self._connections -= Counter([sender])
            self._open.discard(task)
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, frames: Frames, tenant: UUID, sender: str) -> None:
        while True:
            await self._buffer.room(sender)
            try:
                async with asyncio.timeout(_QUIET if frames.waits else None):
                    data = await reader.read(_READ_AT_ONCE)
            except TimeoutError:
                for content in frames.flush():
                    self._keep(Line(tenant, sender, now(), content))
                if not frames.waits:
                    continue
                data = await self._rest(reader, frames, tenant, sender)
            if not data:
                return
            for content in frames.feed(data):
                self._keep(Line(tenant, sender, now(), content))

    async def _rest(self, reader: asyncio.StreamReader, frames: Frames, tenant: UUID, sender: str) -> bytes:
        """What follows half a message, which may take its time. It may be a whole one of a sender that ends none."""
        try:
            async with asyncio.timeout(_LONG_QUIET):
                return await reader.read(_READ_AT_ONCE)
        except TimeoutError:
            for content in frames.give_up():
                self._keep(Line(tenant, sender, now(), content))
            return await reader.read(_READ_AT_ONCE)

    async def _close(self) -> None:
        for server in self._servers:
            server.close()
        if self._datagrams is not None:
            self._datagrams.close()
        for task in self._open:
            task.cancel()
        if self._open:
            await asyncio.wait(self._open, timeout=1.0)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_WITHIN):
                while rest := self._buffer.take(_AT_ONCE, _BYTES_AT_ONCE):
                    await self._store(rest)
        self._tell_refused()

    # ------------------------------------------------------------ storing

    def _keep(self, line: Line) -> None:
        for lost in self._buffer.put(line):
            self._count("full", lost.sender)

    async def _store(self, lines: Sequence[Line]) -> None:
        """Store a batch, tenant by tenant. Waits while the database is away; the buffer bounds what comes meanwhile."""
        by_tenant: dict[UUID, list[Line]] = defaultdict(list)
        for line in lines:
            by_tenant[line.tenant].append(line)
        for tenant, group in by_tenant.items():
            events = await in_thread(_events_of, group)
            await self._take(tenant, events)

    async def _take(self, tenant: UUID, events: list[NewEvent]) -> None:
        waits = iter(_STORE_AGAIN_AFTER)
        while True:
            try:
                async with self._db.unit_of_work(tenant) as session:
                    await self._intake.take(session, events=events, actor=ACTOR)
                SYSLOG_LINES.labels("taken").inc(len(events))
                self._tallies.note_taken(tenant, SLUG, bodies=len(events), events=len(events))
                return
            except Unavailable:
                await asyncio.sleep(next(waits, _STORE_AGAIN_AFTER[-1]))
            except OpsError as error:
                if len(events) > 1:  # one of them is at fault: the others shall not be lost with it
                    half = len(events) // 2
                    await self._take(tenant, events[:half])
                    events = events[half:]
                    continue
                log.warning("events.syslog.line_refused", detail=error.detail)
                self._count("unreadable", "")
                return

    # ------------------------------------------------------------ what was refused

    def _count(self, why: str, sender: str, lines: int = 1) -> None:
        """At most once a minute the log says from whom nothing or not all was taken."""
        SYSLOG_LINES.labels(why).inc(lines)
        key = (why, sender if len(self.refused) < _SENDERS_TOLD else "others")
        self.refused[key] += lines
        self._untold[key] += lines
        if time.monotonic() - self._told_at > _TELL_EVERY:
            self._tell_refused()

    def _tell_refused(self) -> None:
        self._told_at = time.monotonic()
        for (why, sender), count in self._untold.items():
            # what is of no tenant is told the first one: it is whose the installation is
            tenant = self._senders.tenant_of(sender) or self._senders.first_tenant
            if tenant is not None and why != "cut":
                self._tallies.note_refused(tenant, SLUG, f"{_WHY[why]} ({sender or 'any'})", number=count)
            log.warning("events.syslog.lines_refused", why=why, sender=sender, lines=count)
        self._untold.clear()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes, str], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._take(data, plain_address(addr[0]))


def _events_of(lines: Sequence[Line]) -> list[NewEvent]:
    return [event_of(parse(line.content, line.received_at), line.sender) for line in lines]


def _tls_of(settings: SyslogSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate, key = settings.syslog_tls_certificate, settings.syslog_tls_key
    try:
        assert certificate and key
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise Invalid.field(
            "OPSTEWARD_SYSLOG_TLS_CERTIFICATE",
            f"can't be read with its key: {error.strerror or error}",
            "two PEM files",
        ) from None
    if settings.syslog_tls_client_ca:
        try:
            context.load_verify_locations(settings.syslog_tls_client_ca)
        except (OSError, ssl.SSLError) as error:
            raise Invalid.field(
                "OPSTEWARD_SYSLOG_TLS_CLIENT_CA", f"can't be read: {error.strerror or error}", "a PEM file"
            ) from None
        context.verify_mode = ssl.CERT_REQUIRED
    return context
