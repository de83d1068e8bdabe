"""One short conversation with a service over a new connection: greet it, hear that it works, take leave."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from opsteward.core.errors import AuthFailed, BadReply, Timeout, Unreachable
from opsteward.core.http_client import REGISTERED_SYSTEMS, resolve_host
from opsteward.integrations.services.config import ServiceConfig
from opsteward.integrations.services.echo_request import echo
from opsteward.integrations.services.grpc_health import GRPC_ALPN, ask_health

_LINES = 100  # of one greeting
_SHOWN = 200  # characters of an answer
_SCREENED = 1.0  # seconds between the lines of a greeting


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a service said. `certificate_days`: until its certificate ends, None without TLS."""

    seconds: float
    answer: str
    certificate_days: float | None


@dataclass
class Line:
    """The open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    config: ServiceConfig

    async def say(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def hear(self) -> str:
        """A line as text. Raises BadReply where none comes, or one without end."""
        try:
            line = await self.reader.readline()
        except ValueError:
            raise BadReply("It sent a line without end") from None
        if not line.endswith(b"\n"):
            raise BadReply("It closed the connection in the middle of its answer" if line else "It said nothing")
        return line.decode("utf-8", "replace").strip()


async def look(config: ServiceConfig) -> Look:
    """Raises Unreachable, Timeout, BadReply or AuthFailed."""
    where = config.where
    began = time.monotonic()
    try:
        async with asyncio.timeout(config.settings.timeout_seconds):
            if config.speaks == "icmp":
                seconds, answer = await echo(config.host)
                return Look(seconds=seconds, answer=answer, certificate_days=None)
            line = await _connected(config)
            try:
                answer = await _CONVERSATIONS[config.speaks](line)
                seconds = time.monotonic() - began
                days = _certificate_days(line.writer)
            finally:
                line.writer.transport.abort()
    except TimeoutError as late:
        raise Timeout(f"{where} did not answer within {config.settings.timeout_seconds:g} s") from late
    except ssl.SSLCertVerificationError as refused:
        raise BadReply(f"The certificate of {where} is not valid: {refused.verify_message}") from refused
    except ssl.SSLError as refused:
        raise BadReply(f"{where} does not speak TLS: {refused.reason or 'handshake failed'}") from refused
    except OSError as gone:
        raise Unreachable(f"{where} can't be reached: {gone.strerror or 'connection failed'}") from gone
    return Look(seconds=seconds, answer=_shown(answer), certificate_days=days)


async def _connected(config: ServiceConfig) -> Line:
    """To the first address that accepts."""
    addresses = [address for _, address in await resolve_host(config.host, config.port, REGISTERED_SYSTEMS)]
    context = ssl.create_default_context() if config.tls else None
    if context and config.speaks == "grpc":
        context.set_alpn_protocols(GRPC_ALPN)
    last: OSError = OSError("no address")
    for address in addresses:
        try:
            reader, writer = await asyncio.open_connection(
                address, config.port, ssl=context, server_hostname=config.host if context else None
            )
            return Line(reader, writer, config)
        except ssl.SSLError:
            raise
        except OSError as failed:
            last = failed
    raise last


async def _tcp(line: Line) -> str:
    return "accepts connections"


async def _redis(line: Line) -> str:
    password = line.config.credentials.password.get_secret_value()
    if password:
        words = [word for word in (line.config.credentials.username, password) if word]
        await line.say(_resp("AUTH", *words))
        answer = await line.hear()
        if answer.startswith("-"):
            raise AuthFailed("Redis refuses the credentials")
        if answer != "+OK":
            raise BadReply(f"Redis answers an AUTH with {_shown(answer)}")
    await line.say(_resp("PING"))
    answer = await line.hear()
    if answer.startswith(("-NOAUTH", "-WRONGPASS", "-NOPERM")):
        raise AuthFailed("Redis wants credentials, or others")
    if answer != "+PONG":
        raise BadReply(f"Redis answers a PING with {_shown(answer)}")
    return "PONG"


def _resp(*words: str) -> bytes:
    parts = [f"${len(word.encode())}\r\n{word}\r\n" for word in words]
    return (f"*{len(words)}\r\n" + "".join(parts)).encode()


async def _smtp(line: Line) -> str:
    greeting = await line.hear()
    if greeting[:4] == "220-":
        try:
            async with asyncio.timeout(_SCREENED):
                greeting = await _smtp_answer(line, "220")
        except TimeoutError:  # a screen against spam, which has strangers wait for the rest
            return greeting
    elif greeting[:3] != "220":
        raise BadReply(f"The mail server answers {_shown(greeting)}")
    await line.say(f"EHLO {_own_address(line.writer)}\r\n".encode())
    await _smtp_answer(line, "250")
    with suppress(ConnectionError):
        await line.say(b"QUIT\r\n")
    return greeting


def _own_address(writer: asyncio.StreamWriter) -> str:
    """What a client without a name in the DNS calls itself: servers look a name up, and refuse who has none."""
    address = str(writer.get_extra_info("sockname")[0]).partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


async def _smtp_answer(line: Line, wanted: str) -> str:
    for _ in range(_LINES):
        answer = await line.hear()
        if answer[:3] != wanted:
            raise BadReply(f"The mail server answers {_shown(answer)}")
        if answer[3:4] != "-":
            return answer
    raise BadReply("The mail server's answer has no end")


async def _imap(line: Line) -> str:
    greeting = await line.hear()
    if not greeting.upper().startswith(("* OK", "* PREAUTH")):
        raise BadReply(f"The mail server answers {_shown(greeting)}")
    await line.say(b"a1 NOOP\r\n")
    for _ in range(_LINES):
        answer = await line.hear()
        if answer.lower().startswith("a1 "):
            if not answer[3:].upper().startswith("OK"):
                raise BadReply(f"The mail server answers {_shown(answer)}")
            return greeting
    raise BadReply("The mail server's answer has no end")


async def _amqp(line: Line) -> str:
    await line.say(b"AMQP\x00\x00\x09\x01")
    try:
        head = await line.reader.readexactly(11)
    except asyncio.IncompleteReadError:
        raise BadReply("The broker closed the connection without a word") from None
    if head[:3] != b"\x01\x00\x00" or head[7:11] != b"\x00\x0a\x00\x0a":  # the method connection.start on channel 0
        raise BadReply("The broker does not speak AMQP 0-9-1")
    return "connection.start"


async def _grpc(line: Line) -> str:
    config = line.config
    return await ask_health(line.reader, line.writer, config.asked, authority=config.where, tls=config.tls)


_CONVERSATIONS: dict[str, Callable[[Line], Awaitable[str]]] = {
    "tcp": _tcp,
    "redis": _redis,
    "smtp": _smtp,
    "imap": _imap,
    "amqp": _amqp,
    "grpc": _grpc,
}


def _certificate_days(writer: asyncio.StreamWriter) -> float | None:
    certificate = writer.get_extra_info("peercert")
    if not certificate or "notAfter" not in certificate:
        return None
    return round((ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) / 86_400, 2)


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "\ufffd" for char in text)[:_SHOWN]
