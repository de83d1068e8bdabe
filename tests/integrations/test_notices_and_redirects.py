"""A notice goes where its route says and nowhere else: no server leads it on."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from opsteward.core.errors import ConnectorError
from opsteward.integrations.apprise.client import send_by_apprise


@contextmanager
def leading_on() -> Iterator[tuple[int, list[str]]]:
    """A server that answers all at /hook with the way to /inside; its port, and the paths that were asked for."""
    asked: list[str] = []

    class Leads(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.do_GET()

        def do_GET(self) -> None:
            asked.append(self.path.partition("?")[0])
            self.send_response(302 if self.path.startswith("/hook") else 200)
            self.send_header("Location", "/inside")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Leads)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("parameters", ["", "?redirect=yes"])
async def test_a_notice_follows_no_redirect(parameters: str) -> None:
    with leading_on() as (port, asked), pytest.raises(ConnectorError):
        await send_by_apprise("r", [f"json://127.0.0.1:{port}/hook{parameters}"], "title", "body", "low")
    assert asked
    assert "/inside" not in asked
