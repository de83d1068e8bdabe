"""The health service of gRPC (grpc.health.v1) over one stream of HTTP/2; the only user of h2.

One unary call needs no runtime of gRPC: h2 keeps the protocol's state, and the two messages are a field each.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from opsteward.core.errors import AuthFailed, BadReply

if TYPE_CHECKING:
    import h2.connection

GRPC_ALPN = ["h2"]
_STREAM = 1
_REPLY_LIMIT = 64 * 1024  # bytes of everything that is heard
_STATES = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
_UNAUTHENTICATED = {"7", "16"}
_CODES = {
    "1": "CANCELLED",
    "2": "UNKNOWN",
    "4": "DEADLINE_EXCEEDED",
    "5": "NOT_FOUND",
    "8": "RESOURCE_EXHAUSTED",
    "12": "UNIMPLEMENTED",
    "13": "INTERNAL",
    "14": "UNAVAILABLE",
}


@dataclass
class _Heard:
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    ended: bool = False


async def ask_health(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, service: str, *, authority: str, tls: bool
) -> str:
    """`SERVING`; the server as a whole where `service` is empty. Raises BadReply for any other state, AuthFailed."""
    import h2.config
    import h2.connection
    import h2.exceptions

    line = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    heard = _Heard()
    try:
        line.initiate_connection()
        line.send_headers(_STREAM, _head(authority, tls))
        line.send_data(_STREAM, _request(service), end_stream=True)
        await _talk(reader, writer, line, heard)
    except (h2.exceptions.H2Error, UnicodeDecodeError):
        raise BadReply("It does not speak HTTP/2 as gRPC does") from None
    return _state(heard, service)


async def _talk(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: h2.connection.H2Connection, heard: _Heard
) -> None:
    size = 0
    while not heard.ended:
        writer.write(line.data_to_send())
        await writer.drain()
        data = await reader.read(16 * 1024)
        size += len(data)
        if not data:
            raise BadReply("It closed the connection in the middle of its answer" if size else "It said nothing")
        if size > _REPLY_LIMIT:
            raise BadReply("It sends an answer without end")
        for event in line.receive_data(data):
            _take(event, line, heard)


def _take(event: Any, line: h2.connection.H2Connection, heard: _Heard) -> None:
    import h2.events

    if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
        heard.headers |= {str(name): str(value) for name, value in event.headers or ()}
    elif isinstance(event, h2.events.DataReceived):
        heard.body += event.data or b""
        line.acknowledge_received_data(event.flow_controlled_length or 0, _STREAM)
    elif isinstance(event, h2.events.StreamReset):
        raise BadReply(f"It broke the call off (HTTP/2 error {int(event.error_code or 0)})")
    elif isinstance(event, h2.events.ConnectionTerminated):
        raise BadReply(f"It ended the connection (HTTP/2 error {int(event.error_code or 0)})")
    elif isinstance(event, h2.events.StreamEnded):
        heard.ended = True


def _head(authority: str, tls: bool) -> list[tuple[str, str]]:
    return [
        (":method", "POST"),
        (":scheme", "https" if tls else "http"),
        (":path", "/grpc.health.v1.Health/Check"),
        (":authority", authority),
        ("te", "trailers"),
        ("content-type", "application/grpc+proto"),
        ("user-agent", "opsteward"),
    ]


def _request(service: str) -> bytes:
    name = service.encode()
    message = b"\x0a" + _varint(len(name)) + name if name else b""
    return b"\x00" + len(message).to_bytes(4, "big") + message


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _state(heard: _Heard, service: str) -> str:
    headers, what = heard.headers, service or "the server"
    if headers.get(":status") in ("401", "403"):
        raise AuthFailed("The service wants credentials")
    if not headers.get("content-type", "").startswith("application/grpc"):
        raise BadReply(f"It answers with HTTP status {headers.get(':status', '?')[:10]}, not with gRPC")
    code = headers.get("grpc-status", "")
    if code in _UNAUTHENTICATED:
        raise AuthFailed("The service wants credentials")
    if code != "0":
        message = unquote(headers.get("grpc-message", ""))[:150]
        raise BadReply(f"It answers {_CODES.get(code, f'status {code[:10]}')} for {what}: {message}".rstrip(": "))
    body = bytes(heard.body)
    size = int.from_bytes(body[1:5], "big")
    if len(body) < 5 or body[0] != 0 or len(body) != 5 + size:
        raise BadReply("It answers something that is no health of gRPC")
    message_bytes = body[5:]
    number = message_bytes[1] if len(message_bytes) == 2 and message_bytes[0] == 0x08 else (0 if not size else -1)
    state = _STATES.get(number, "")
    if not state:
        raise BadReply("It answers something that is no health of gRPC")
    if state != "SERVING":
        raise BadReply(f"{what[:100]} is {state}")
    return state
