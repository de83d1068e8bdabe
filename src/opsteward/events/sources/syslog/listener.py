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
from ipaddress import IPv6Address, ip_address
from uuid import UUID

from opsteward.accounts.tenants import DEFAULT_TENANT, list_tenants
from opsteward.core.blocking_calls import in_thread
from opsteward.core.clock import now
from opsteward.core.db import Database
from opsteward.core.errors import Invalid, OpsError, Unavailable
from opsteward.core.log import get_logger
from opsteward.events.intake import Intake
from opsteward.events.sources.syslog.buffer import Line, LineBuffer
from opsteward.events.sources.syslog.framing import Frames
from opsteward.events.sources.syslog.message import event_of, parse
from opsteward.events.sources.syslog.settings import SyslogSettings, host_and_port
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
_SHAKE_HANDS_WITHIN = 10.0  # seconds, by TLS
_STORE_AGAIN_AFTER = (0.2, 0.5, 1.0, 2.0, 5.0)
_LAST_WORDS_WITHIN = 5.0  # seconds
_TELL_EVERY = 60.0  # seconds
_SENDERS_TOLD = 100
_KERNEL_BUFFER = 4_194_304


class SyslogListener:
    """Of one process."""

    def __init__(self, db: Database, intake: Intake, tallies: SourceTallies, settings: SyslogSettings) -> None:
        self._db = db
        self._intake = intake
        self._tallies = tallies
        self._settings = settings
        self._networks = sorted(settings.syslog_senders.items(), key=lambda pair: -pair[0].prefixlen)
        self._tenants: dict[str, UUID] = {}
        self._buffer = LineBuffer(settings.syslog_buffer)
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
            await self._learn_tenants()
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
            endpoint = _bound(settings.syslog_udp, socket.SOCK_DGRAM, "OPSTEWARD_SYSLOG_UDP")
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
                endpoint = _bound(given, socket.SOCK_STREAM, f"OPSTEWARD_{name.upper()}")
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
        tenant = self._tenant_of(sender)
        if tenant is None:
            self._count("sender", sender)
        elif content.strip(b"\0\r\n "):
            limit = self._settings.syslog_message_limit
            if len(content) > limit:
                self._count("cut", sender)
            self._keep(Line(tenant, sender, now(), content[:limit]))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        sender = _plain_address(peer[0]) if peer else ""
        tenant = self._tenant_of(sender) if sender else None
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
                if frames.waits:  # half a message: the rest of it may take its time
                    data = await reader.read(_READ_AT_ONCE)
                else:
                    continue
            if not data:
                return
            for content in frames.feed(data):
                self._keep(Line(tenant, sender, now(), content))

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

    # ------------------------------------------------------------ who may send

    def _tenant_of(self, sender: str) -> UUID | None:
        try:
            address = ip_address(sender.partition("%")[0])
        except ValueError:
            return None
        name = next((name for network, name in self._networks if address in network), None)
        return self._tenants.get(name) if name else None

    async def _learn_tenants(self) -> None:
        for seconds in (*_STORE_AGAIN_AFTER, *[_STORE_AGAIN_AFTER[-1]] * 12):
            with suppress(Unavailable):
                async with self._db.unit_of_work(None) as session:
                    self._tenants = {tenant.name: tenant.id for tenant in await list_tenants(session)}
                unknown = sorted(set(self._settings.syslog_senders.values()) - set(self._tenants))
                if not unknown:
                    return
                if self._tenants:
                    raise Invalid.field(
                        "OPSTEWARD_SYSLOG_SENDERS", f"there is no tenant {unknown[0]!r}", "name a tenant that exists"
                    )
            await asyncio.sleep(seconds)

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
            tenant = self._tenant_of(sender) or self._tenants.get(DEFAULT_TENANT)
            if tenant is not None and why != "cut":
                self._tallies.note_refused(tenant, SLUG, f"{_WHY[why]} ({sender or 'any'})", number=count)
            log.warning("events.syslog.lines_refused", why=why, sender=sender, lines=count)
        self._untold.clear()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes, str], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._take(data, _plain_address(addr[0]))


def _events_of(lines: Sequence[Line]) -> list[NewEvent]:
    return [event_of(parse(line.content, line.received_at), line.sender) for line in lines]


def _plain_address(address: str) -> str:
    """An IPv4 address that came over an IPv6 socket is itself again."""
    with suppress(ValueError):
        found = ip_address(address.partition("%")[0])
        if isinstance(found, IPv6Address) and found.ipv4_mapped:
            return str(found.ipv4_mapped)
    return address


def _bound(given: str, kind: socket.SocketKind, setting: str) -> socket.socket:
    """A socket that processes of one machine may share. Raises Invalid."""
    host, port = host_and_port(given)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_NUMERICHOST)[0]
        endpoint = socket.socket(family, kind)
        try:
            endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(kind == socket.SOCK_STREAM))
            if hasattr(socket, "SO_REUSEPORT"):
                endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if kind == socket.SOCK_DGRAM:
                endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _KERNEL_BUFFER)
            if family == socket.AF_INET6:
                endpoint.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            endpoint.setblocking(False)
            endpoint.bind(address)
        except OSError:
            endpoint.close()
            raise
    except OSError as error:
        remedy = "choose another one; ports below 1024 are for root or CAP_NET_BIND_SERVICE"
        raise Invalid.field(setting, f"can't listen on {given}: {error.strerror or error}", remedy) from None
    return endpoint


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
