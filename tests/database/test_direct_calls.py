"""Direct calls on registered systems: values in their places, rows up to a limit, and each tenant its own alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from opsteward.app.registry import build_registry
from opsteward.core.errors import ConnectorError, Invalid, NotFound
from opsteward.crew.direct_calls.running import DirectCalls
from opsteward.integrations.apprise.settings import NotifySettings
from opsteward.systems.service import Inventory, NewSystem
from support.instance import Tenant

CALLS = """
people:
  system: crew-api
  get: people/{group}
  query: {since: "{since}", all: "{all}"}
  values:
    group: text
    since: {type: date, default: }
    all: {type: text, default: }
  rows: 3
sql:
  system: crew-api
  sql: select 1
elsewhere:
  system: nowhere
  sql: select 1
"""


class Api:
    """Gives a list, and remembers what was asked."""

    def __init__(self) -> None:
        self.people: list[object] = [{"id": 1, "ltv": 5}, {"id": 2, "ltv": 7}]
        self.status, self.port = 200, 0
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readuntil(b"\r\n\r\n")).decode().split(" ")[1])
        body = json.dumps(self.people).encode()
        writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    running = Api()
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    async with server:
        yield running


@pytest.fixture
async def calls(tenant: Tenant, api: Api, tmp_path: Path) -> DirectCalls:
    (tmp_path / "calls.yaml").write_text(CALLS, encoding="utf-8")
    services, registry = tenant.instance.services, build_registry(NotifySettings())
    inventory = Inventory(registry, services.box, services.bus)
    new = NewSystem(name="crew-api", type="api", endpoint=f"http://127.0.0.1:{api.port}/v1/")
    async with services.web.unit_of_work(tenant.id) as session:
        await inventory.register(session, new=new, actor=tenant.owner.actor)
    made = DirectCalls(tmp_path, services.web, inventory, registry)
    assert made.problems == []
    return made


async def test_values_stand_in_path_and_query_and_lead_nowhere_else(
    tenant: Tenant, api: Api, calls: DirectCalls
) -> None:
    found = await calls.run(tenant.id, "people", {"group": "a/b {since}", "since": "2026-01-02"})
    assert (found.call, found.system, found.rows, found.cut) == ("people", "crew-api", api.people, False)
    assert api.asked[0] == "/v1/people/a%2Fb%20%7Bsince%7D?since=2026-01-02"


async def test_what_can_not_be_done_is_told_in_words(tenant: Tenant, api: Api, calls: DirectCalls) -> None:
    for name, error, words in (
        ("nobody", NotFound, "no direct call 'nobody'"),
        ("sql", Invalid, "answers no SQL"),
        ("elsewhere", NotFound, "no system 'nowhere'"),
        ("people", Invalid, "is missing"),
    ):
        with pytest.raises(error, match=words):
            await calls.run(tenant.id, name, {})
    with pytest.raises(Invalid, match=r"'\.' or '\.\.'"):
        await calls.run(tenant.id, "people", {"group": ".."})
    api.people *= 2
    found = await calls.run(tenant.id, "people", {"group": "x"})
    assert (len(found.rows), found.cut) == (3, True)


async def test_another_tenant_s_system_is_not_there(
    tenant: Tenant, other_tenant: Tenant, api: Api, calls: DirectCalls
) -> None:
    with pytest.raises(NotFound, match="no system 'crew-api'"):
        await calls.run(other_tenant.id, "people", {"group": "x"})
    assert api.asked == []


async def test_a_system_that_fails_for_long_is_left_alone(tenant: Tenant, api: Api, calls: DirectCalls) -> None:
    api.status = 500
    for _ in range(8):
        with pytest.raises(ConnectorError):
            await calls.run(tenant.id, "people", {"group": "x"})
    assert len(api.asked) < 8
