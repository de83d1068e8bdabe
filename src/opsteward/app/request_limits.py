"""One HTTP connection of the server: uvicorn's own, with bounds on what a peer may send and how slowly.

Nothing here waits for a request to be understood: bytes and number of headers, a deadline for them, a least rate for
bodies, what may come only once, and how many requests may be sent ahead are looked at before the application is.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from opsteward.api import problems
from opsteward.api.settings import ApiSettings
from opsteward.app.connection_limits import (
    ConnectionLimits,
    TooManyConnections,
    connections_within,
    raise_descriptor_limit,
)
from opsteward.app.websocket_closing import WebSocketClosing
from opsteward.core.errors import Malformed, OpsError

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveEvent

HEADER_BYTES_LIMIT = 32 * 1024
HEADER_COUNT_LIMIT = 100
PIPELINE_LIMIT = 16  # requests sent ahead of their answers
HEADER_SECONDS = 10.0  # from the first byte (or the connection) to the last header
BODY_SECONDS, BODY_BYTES = 10.0, 10 * 1024  # a body must bring so many bytes in each so many seconds
REST_SECONDS, REST_BYTES = 5.0, 32 * 1024 * 1024  # what may follow of a body whose answer is sent
READ_SECONDS = 60.0  # in which a peer has to read some of what waits for it
_FAREWELL = 2.0  # seconds that a refused peer has to read why
_FRAMING = 8  # bytes of chunked framing that each byte of a body may cost
#: What decides who asks, what for and how long the request is: given twice, two readers would take different ones.
_ONCE = frozenset(
    {b"host", b"content-length", b"transfer-encoding", b"content-type", b"authorization", b"origin"}
    | {b"x-opsteward-signature", b"idempotency-key"}
)


class HeadersTooLarge(OpsError):
    """The headers are more than the server takes."""

    code = "headers_too_large"
    http_status = 431
    title = "The headers are too large"


class TooSlow(OpsError):
    """Headers or body did not come in time."""

    code = "request_timeout"
    http_status = 408
    title = "The request did not come in time"


class HttpConnection(HttpToolsProtocol):
    """One connection, bounded; `limits` are those of the server."""

    def __init__(self, *args: Any, limits: ConnectionLimits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self.address = ""
        self._counted = False
        self._refused: OpsError | None = None
        self._closing = False
        self._timer: TimerHandle | None = None
        self._unread: TimerHandle | None = None
        self._in_headers, self._in_body = True, False
        self._begun = False  # whether a byte of the request that is due has come
        self._chunk = 0  # bytes of the piece that is being read
        self._wire = self._body = self._body_before = self._rest_from = 0  # bytes of the present message

    # -- the connection ----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count it, and wait for its first request."""
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        if not self._limits.admit(self):
            if self._limits.may_say_why(self):
                self._refuse(TooManyConnections("all connections are at work", remedy="try again in a moment"))
            else:
                transport.abort()
            return
        self._counted = True
        self._set_timer(HEADER_SECONDS, self._headers_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        self._stop_timer()
        self._uncount()
        self._limits.forget_refused(self)
        super().connection_lost(exc)

    def let_go(self) -> None:
        """Its place is needed."""
        self._uncount()
        self.transport.abort()

    def handle_websocket_upgrade(self) -> None:
        """It becomes a WebSocket, and keeps its place."""
        if self._refused is not None:
            return
        self._stop_timer()
        self._limits.note_working(self)
        super().handle_websocket_upgrade()
        successor = self.transport.get_protocol()
        if isinstance(successor, WebSocketClosing):
            successor.on_lost = self._uncount

    def _uncount(self) -> None:
        if self._counted:
            self._counted = False
            self._limits.release(self)

    # -- what comes --------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """A piece of a request, or of several."""
        if self._closing:
            self._body += len(data)
            if self._body > REST_BYTES:
                self.transport.abort()
            return
        self._wire += len(data)
        self._chunk = len(data)
        super().data_received(data)
        if self._closing or self.transport is None or self.transport.is_closing():
            return
        if self._refused is None and self._in_headers and self._begun and self._wire > HEADER_BYTES_LIMIT:
            self._refused = _too_many_header_bytes()
        if self._refused is not None:
            self._refuse(self._refused)
        elif self._in_headers and self._begun and self._timer is None:
            self._set_timer(HEADER_SECONDS, self._headers_late)
        elif self._in_body:
            self._watch_body()

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_headers, self._begun = True, True
        self._wire, self._body, self._body_before = self._chunk, 0, 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; or, behind a body, a trailer, which nothing here needs."""
        if not self._in_headers:
            return
        if len(self.headers) >= HEADER_COUNT_LIMIT:
            self._refused = HeadersTooLarge(f"there are more than {HEADER_COUNT_LIMIT} headers", remedy="send fewer")
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """All headers are there."""
        self._in_headers = False
        self._refused = self._refused or self._fault_of_headers()
        if self._refused is not None:
            return
        self._stop_timer()
        self._in_body = True
        self._limits.note_working(self)
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not None and self.cycle is not before:
            _read_to_its_end(self.cycle)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if self._refused is None:
            self._body += len(body)
            super().on_body(body)
            if self.cycle.response_complete and self._body - self._rest_from > REST_BYTES:
                self.transport.abort()

    def on_message_complete(self) -> None:
        """The whole request is there."""
        self._begun = self._in_body = False
        self._in_headers = True
        if self._refused is None:
            self._stop_timer()
            if self.cycle is not None and not self.cycle.response_complete:  # none of a WebSocket's
                self._limits.note_working(self)
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """A request is answered, perhaps before all of it has come."""
        if self._in_body and not self.transport.is_closing():
            self._stop_timer()
            self._rest_from = self._body
            self._set_timer(REST_SECONDS, self.transport.close)
        if not self.pipeline and self._counted:
            self._limits.note_waiting(self)
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The peer reads slowly."""
        super().pause_writing()
        if self._counted:
            self._limits.note_waiting(self)
            self._limits.note_unread(self, self.transport.get_write_buffer_size())
        if self._unread is None:
            self._unread = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It has read something."""
        super().resume_writing()
        if self._counted:
            self._limits.note_unread(self, 0)
            if not self._in_body and self.cycle is not None and not self.cycle.response_complete:
                self._limits.note_working(self)
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP at all."""
        self._refuse(self._refused or Malformed.field("request", "is no valid HTTP", "send HTTP/1.1"))

    # -- what is refused ---------------------------------------------------------------------------------------

    def _fault_of_headers(self) -> OpsError | None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > HEADER_BYTES_LIMIT:
            return _too_many_header_bytes()
        times = Counter(name for name, _ in self.headers if name in _ONCE)
        for name, count in times.items():
            if count > 1:
                return Malformed.field(name.decode(), "is given more than once", "send it once")
        version = self.parser.get_http_version()
        if version == "1.1" and not times[b"host"]:
            return Malformed.field("host", "is missing", "send a Host header")
        if version == "1.0" and times[b"transfer-encoding"]:
            return Malformed.field("transfer-encoding", "is unknown to HTTP/1.0", "use HTTP/1.1 or Content-Length")
        if times[b"transfer-encoding"] and times[b"content-length"]:
            return Malformed.field("content-length", "is given beside transfer-encoding", "send one of them")
        if len(self.pipeline) >= PIPELINE_LIMIT:
            return Malformed.field("request", "comes before many others are answered", "wait for the answers")
        return None

    def _refuse(self, error: OpsError) -> None:
        """Say why, and close once the peer could read it: what still comes is dropped meanwhile."""
        self._closing, self._body = True, 0
        self._stop_timer()
        if self._counted:
            self._limits.note_waiting(self)
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.write(_as_bytes(error))
        elif not cycle.response_started:
            cycle.disconnected = True  # whoever reads the body hears that there is no more
            cycle.message_event.set()
            self.transport.write(_as_bytes(error))
        else:
            self.transport.close()  # the middle of an answer is no place for another
            return
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._set_timer(_FAREWELL, self.transport.abort)

    # -- time --------------------------------------------------------------------------------------------------

    def _set_timer(self, seconds: float, then: Callable[[], None]) -> None:
        self._timer = self.loop.call_later(seconds, then)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _headers_late(self) -> None:
        if not self._begun:
            self.transport.close()  # it never asked for anything
            return
        self._refuse(TooSlow(f"no whole headers within {HEADER_SECONDS:g} s", remedy="send them at once"))

    def _watch_body(self) -> None:
        if self._wire - self._body > HEADER_BYTES_LIMIT + self._chunk + _FRAMING * self._body:
            self._refuse(Malformed.field("body", "is more framing than content", "send larger chunks"))
        elif self._timer is None:
            self._limits.note_waiting(self)
            self._body_before = self._body
            self._set_timer(BODY_SECONDS, self._look_at_body)

    def _look_at_body(self) -> None:
        self._timer = None
        if not self._in_body:
            return
        if self._body - self._body_before < BODY_BYTES and not self.flow.read_paused:
            late = f"less than {BODY_BYTES} bytes of the body came within {BODY_SECONDS:g} s"
            self._refuse(TooSlow(late, remedy="send faster, or less at once"))
            return
        self._watch_body()


def _read_to_its_end(cycle: RequestResponseCycle) -> None:
    """A body that came whole is handed on though its sender has gone meanwhile: many log handlers wait for no answer,
    and uvicorn would say that they had left before it gives what they sent."""
    received = cycle.receive

    async def receive() -> ASGIReceiveEvent:
        if cycle.disconnected and cycle.body and not cycle.more_body and not cycle.response_complete:
            body, cycle.body = bytes(cycle.body), bytearray()
            return {"type": "http.request", "body": body, "more_body": False}
        return await received()

    cycle.receive = receive  # type: ignore[method-assign]


def bounded_http(settings: ApiSettings) -> Any:
    """What uvicorn is to make its HTTP connections with: bounded ones, that share one ceiling."""
    limits = ConnectionLimits(
        total=connections_within(raise_descriptor_limit(), settings.max_connections),
        per_address=settings.max_connections_per_address,
        trusted=settings.trusted_proxies,
    )
    return partial(HttpConnection, limits=limits)


def _too_many_header_bytes() -> HeadersTooLarge:
    return HeadersTooLarge(f"the headers are larger than {HEADER_BYTES_LIMIT} bytes", remedy="send less in them")


def _as_bytes(error: OpsError) -> bytes:
    response = problems.of_error(error)
    head = [STATUS_LINE[response.status_code]]
    head += [name + b": " + value + b"\r\n" for name, value in response.raw_headers]
    return b"".join([*head, b"connection: close\r\n\r\n", bytes(response.body)])
