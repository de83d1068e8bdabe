"""Receivers on loopback that notices really go to: an SMTP server, and an HTTP server that keeps what it was sent."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class HttpReceiver:
    """`status` is what it answers, once `free` is set; `requests` are paths with their bodies, as they came."""

    port: int
    status: int = 200
    answer: bytes = b"{}"
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    free: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str = "hook") -> str:
        return f"json://127.0.0.1:{self.port}/{path}"

    def sent_to(self, path: str) -> list[dict[str, Any]]:
        """The bodies that came to this path."""
        return [body for where, body in self.requests if where.strip("/") == path.strip("/")]


@contextmanager
def http_receiver() -> Iterator[HttpReceiver]:
    """Answers every POST with its status."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            try:
                body = json.loads(raw)
            except ValueError:
                body = {"raw": raw.decode(errors="replace")}
            receiver.requests.append((self.path.partition("?")[0], body))
            receiver.free.wait()
            self.send_response(receiver.status)
            self.send_header("Content-Length", str(len(receiver.answer)))
            self.end_headers()
            self.wfile.write(receiver.answer)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = HttpReceiver(port=server.server_address[1])
    receiver.free.set()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.free.set()
        server.shutdown()
        server.server_close()


@dataclass
class Mailbox:
    """What an SMTP server was given: receivers and text of each mail."""

    port: int
    mails: list[tuple[list[str], str]] = field(default_factory=list)

    def url(self, to: str) -> str:
        return f"mailto://127.0.0.1:{self.port}?from=opsteward@example.org&to={to}&smtp=127.0.0.1&mode=insecure"


@contextmanager
def smtp_server() -> Iterator[Mailbox]:
    """Takes every mail."""
    from aiosmtpd.controller import Controller

    class Handler:
        async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802
            mailbox.mails.append((list(envelope.rcpt_tos), envelope.content.decode(errors="replace")))
            return "250 OK"

    with socket.socket() as free:  # the library asks the port that it was given whether it has begun
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    controller = Controller(Handler(), hostname="127.0.0.1", port=port)
    controller.start()
    mailbox = Mailbox(port=port)
    try:
        yield mailbox
    finally:
        controller.stop()
