"""The crew's routes at a gateway over real HTTP: planned, registered once, proven, and told when they are lost."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from opsteward.contracts.action import ActionContext
from opsteward.core.errors import AuthFailed, BadReply, Conflict, ConnectorError
from opsteward.integrations.crew.actions import RegisterRoutes, Routes
from opsteward.integrations.crew.gateway import Gateway, GatewayRoute
from support.instance import Instance
from support.problems import problem_of

CONTEXT: ActionContext[None] = ActionContext(via=None, target=None, idempotency_key="k")
WANTED = Routes(
    url="http://127.0.0.1:8080",
    routes=[
        GatewayRoute(path="/api/brain/crew/health", methods=["GET"]),
        GatewayRoute(path="/api/brain/crew/task/{crew_task_id}", methods=["DELETE", "GET"]),
    ],
)


class Served(ThreadingHTTPServer):
    """A gateway: keeps services, and leads to the crew's health while it knows one. `answer` instead of all that."""

    service: dict[str, Any] | None = None
    answer: bytes | None = None
    puts = 0


class Handler(BaseHTTPRequestHandler):
    server: Served

    def do_GET(self) -> None:
        if self.server.answer is not None:
            self._send(200, self.server.answer)
        elif self.headers["Authorization"] != "Bearer of-the-gateway":
            self._send(401, b"{}")
        elif self.path == "/services/opsteward" and self.server.service is not None:
            self._send(200, json.dumps(self.server.service).encode())
        elif self.path == "/api/brain/crew/health" and self.server.service is not None:
            self._send(200, b'{"status": "healthy"}')
        else:
            self._send(404, b"{}")

    def do_PUT(self) -> None:
        self.server.puts += 1
        self.server.service = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self._send(200, b"{}")

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def served() -> Iterator[Served]:
    with Served(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def gateway(served: Served, token: str = "of-the-gateway") -> Gateway:
    return Gateway(f"http://127.0.0.1:{served.server_port}/", token)


async def test_routes_are_registered_once_and_proven(served: Served) -> None:
    action = RegisterRoutes(gateway(served))
    plan = await action.plan(CONTEXT, WANTED)
    assert plan.needed and list(plan.steps) == [one.path for one in WANTED.routes]
    assert not await gateway(served).leads_here()
    done = await action.execute(CONTEXT, WANTED)
    assert (await action.verify(CONTEXT, WANTED, done)).ok
    assert await gateway(served).leads_here()
    assert not (await action.plan(CONTEXT, WANTED)).needed
    assert served.puts == 1


async def test_what_the_gateway_lost_is_told(served: Served) -> None:
    action = RegisterRoutes(gateway(served))
    done = await action.execute(CONTEXT, WANTED)
    assert served.service is not None
    served.service["routes"][1]["methods"] = ["GET"]
    proof = await action.verify(CONTEXT, WANTED, done)
    assert (proof.ok, proof.summary) == (False, "The gateway knows 1 of 2 routes")
    served.service["url"] = "http://elsewhere"
    assert len((await action.plan(CONTEXT, WANTED)).steps) == 2


async def test_a_gateway_that_is_none_is_told_in_our_words(served: Served) -> None:
    with pytest.raises(AuthFailed):
        await gateway(served, "wrong").registered()
    for answer in (b"<html>", b"[]", b'{"url": 1, "routes": {}}'):
        served.answer = answer
        with pytest.raises(BadReply):
            await gateway(served).registered()
    served.shutdown()
    served.server_close()
    with pytest.raises(ConnectorError):
        await gateway(served).registered()
    with pytest.raises(Conflict, match="no gateway is configured"):
        await RegisterRoutes(None).plan(CONTEXT, WANTED)


async def test_without_a_gateway_the_routes_say_what_to_do(instance: Instance) -> None:
    http = (await instance.tenant()).http
    for before in ("/api/crew", "/api/brain/crew"):
        found = (await http.get(f"{before}/brain/validate-integration")).json()
        assert (found["valid"], found["configured"]) == (False, False)
        refused = problem_of(await http.post(f"{before}/brain/register-routes"), 409)
        assert refused["remedy"] == "set OPSTEWARD_CREW_GATEWAY"
