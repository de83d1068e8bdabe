"""New users are welcomed: a task, an action through the door, a message that arrives, once for each user."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from support.live import Live, running_instance

_WITHIN = 30.0  # seconds


@pytest.fixture
def inbox() -> Iterator[tuple[str, list[tuple[str, dict[str, Any]]]]]:
    """Where messages to users go, and those that came: the path and the body of each."""
    came: list[tuple[str, dict[str, Any]]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            came.append((self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"json://127.0.0.1:{server.server_port}/to/{{email}}", came
    server.shutdown()
    server.server_close()


@pytest.fixture
def live(inbox: tuple[str, list[Any]]) -> Iterator[Live]:
    with running_instance({"OPSTEWARD_NOTIFY_USERS": json.dumps([inbox[0]])}) as instance:
        yield instance


def test_who_is_let_in_gets_the_words_of_its_rule(live: Live, inbox: tuple[str, list[Any]]) -> None:
    http = live.admin.http
    rule = {"auto_approve": True, "welcome_template": "Dear {full_name} ({role}), {unknown} {0}"}
    http.put("/api/v1/enrollment-rules", json={"rules": {"guest": rule}}).raise_for_status()
    for name, role in (("ada", "guest"), ("bob", "contractor"), ("cy", "guest")):
        body = {"username": name, "email": f"{name}@example.com", "full_name": name.title(), "role": role}
        http.post("/api/v1/users", json=body).raise_for_status()
    until = time.monotonic() + _WITHIN
    while len(inbox[1]) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert sorted((path, told["message"]) for path, told in inbox[1]) == [
        ("/to/ada@example.com", "Dear Ada (guest), {unknown} {0}"),
        ("/to/cy@example.com", "Dear Cy (guest), {unknown} {0}"),
    ]
    runs = http.get("/api/v1/actions").json()["items"]
    assert {run["action"] for run in runs} == {"message_user"}
    assert len(runs) == 2
