"""A system's circuit breaker is one for all processes; an empty list is never whole; references are followed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from opsteward.app.registry import build_registry
from opsteward.contracts.records import Batch, Coverage
from opsteward.core.clock import now
from opsteward.core.errors import AuthFailed, ConnectorError, Invalid, Unreachable
from opsteward.integrations.apprise.settings import NotifySettings
from opsteward.systems.record_connections import RecordConnections
from opsteward.systems.secret_references import SecretReferences
from opsteward.systems.service import Inventory, NewSystem
from opsteward.systems.settings import SystemSettings
from support.instance import Tenant


class Api:
    """A list of people that answers with a status, and counts."""

    def __init__(self) -> None:
        self.status, self.people, self.asked, self.port = 200, [{"id": 1}], 0, 0
        self.authorization: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.authorization += [line for line in head.split("\r\n") if line.lower().startswith("authorization")]
        self.asked += 1
        body = json.dumps(self.people).encode()
        writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        writer.close()


@asynccontextmanager
async def api_server() -> AsyncIterator[Api]:
    api = Api()
    server = await asyncio.start_server(api.serve, "127.0.0.1", 0)
    api.port = server.sockets[0].getsockname()[1]
    async with server:
        yield api


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with api_server() as running:
        yield running


def inventory_of(tenant: Tenant, **settings: Any) -> Inventory:
    services = tenant.instance.services
    references = SecretReferences(SystemSettings(**settings))
    return Inventory(build_registry(NotifySettings()), services.box, services.bus, references=references)


async def registered(tenant: Tenant, inventory: Inventory, api: Api, **credentials: str) -> UUID:
    new = NewSystem(
        name=f"api-{api.port}",
        type="api",
        endpoint=f"http://127.0.0.1:{api.port}/",
        settings={"resources": {"people": {"path": "people"}}},
        credentials=credentials or None,
    )
    async with tenant.instance.services.web.unit_of_work(tenant.id) as session:
        return (await inventory.register(session, new=new, actor=tenant.owner.actor)).id


async def read(tenant: Tenant, inventory: Inventory, system_id: UUID) -> Batch:
    connections = RecordConnections(tenant.instance.services.web, inventory, build_registry(NotifySettings()))
    async with connections.open(tenant.id, system_id) as via:
        return [batch async for batch in via.read("people")][-1]


async def circuit(tenant: Tenant, inventory: Inventory, system_id: UUID) -> Any:
    async with tenant.instance.services.web.unit_of_work(tenant.id) as session:
        return (await inventory.get(session, system_id=system_id)).circuit


async def let_pause_pass(tenant: Tenant, system_id: UUID) -> None:
    async with tenant.instance.services.web.unit_of_work(tenant.id) as session:
        await session.execute(
            text("update opsteward.systems set circuit_open_until = :at where id = :id"),
            {"at": now() - timedelta(seconds=1), "id": system_id},
        )


async def test_a_refused_sign_in_opens_the_circuit_and_one_tries_for_all(tenant: Tenant, api: Api) -> None:
    inventory = inventory_of(tenant)
    system_id = await registered(tenant, inventory, api, token="t")
    api.status = 401
    with pytest.raises(AuthFailed):
        await read(tenant, inventory, system_id)
    asked = api.asked
    with pytest.raises(Unreachable) as refused:
        await read(tenant, inventory, system_id)
    assert refused.value.extra["kind"] == "circuit" and api.asked == asked
    assert (await circuit(tenant, inventory, system_id)).state == "open"
    await let_pause_pass(tenant, system_id)
    assert (await circuit(tenant, inventory, system_id)).state == "half_open"
    outcomes = await asyncio.gather(*(read(tenant, inventory, system_id) for _ in range(8)), return_exceptions=True)
    assert api.asked == asked + 1 and all(isinstance(one, ConnectorError) for one in outcomes)
    api.status = 200
    await let_pause_pass(tenant, system_id)
    assert (await read(tenant, inventory, system_id)).coverage is Coverage.FULL
    closed = await circuit(tenant, inventory, system_id)
    assert (closed.state, closed.failures, closed.reason) == ("closed", 0, None)


async def test_a_refused_record_leaves_the_circuit_closed(tenant: Tenant, api: Api) -> None:
    inventory = inventory_of(tenant)
    system_id = await registered(tenant, inventory, api)
    api.status = 404
    for _ in range(4):
        with pytest.raises(ConnectorError):
            await read(tenant, inventory, system_id)
    assert (await circuit(tenant, inventory, system_id)).state == "closed"


async def test_an_empty_list_is_never_whole(tenant: Tenant, api: Api) -> None:
    inventory = inventory_of(tenant)
    system_id = await registered(tenant, inventory, api)
    api.people = []
    last = await read(tenant, inventory, system_id)
    assert last.coverage is Coverage.PARTIAL and last.cursor is None and "empty" in last.note


async def test_a_disabled_system_is_not_worked_on(tenant: Tenant, api: Api) -> None:
    inventory = inventory_of(tenant)
    system_id = await registered(tenant, inventory, api)
    async with tenant.instance.services.web.unit_of_work(tenant.id) as session:
        await inventory.change(session, system_id=system_id, changes={"enabled": False}, actor=tenant.owner.actor)
    with pytest.raises(Invalid, match="disabled"):
        await read(tenant, inventory, system_id)
    assert api.asked == 0


async def test_references_are_followed_at_each_use_where_they_may_be(
    tenant: Tenant, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = inventory_of(tenant, secret_folders=[tmp_path], secret_commands={"vault": ["echo", "from-command"]})
    (tmp_path / "token").write_text("from-file\n")
    monkeypatch.setenv("CREDENTIAL_X", "from-env")
    system_id = await registered(tenant, inventory, api, token=f"file:{tmp_path}/token")
    await read(tenant, inventory, system_id)
    (tmp_path / "token").write_text("changed")
    await read(tenant, inventory, system_id)
    for reference in ("env:CREDENTIAL_X", "command:vault", "literal:env:x"):
        async with tenant.instance.services.web.unit_of_work(tenant.id) as session:
            changes = {"credentials": {"token": reference}}
            await inventory.change(session, system_id=system_id, changes=changes, actor=tenant.owner.actor)
        await read(tenant, inventory, system_id)
    sent = [line.rpartition(" ")[2] for line in api.authorization]
    assert sent == ["from-file", "changed", "from-env", "from-command", "env:x"]


@pytest.mark.parametrize(
    "reference",
    [
        "env:HOME",
        "env:OPSTEWARD_SECRET_KEY",
        "env:CREDENTIAL_NONE",
        "file:/etc/passwd",
        "file:{folder}/../x",
        "file:{folder}/link",
        "file:{folder}/none",
        "command:cat /etc/passwd",
    ],
)
async def test_references_that_may_not_be_followed_are_refused_at_registration(
    tenant: Tenant, api: Api, tmp_path: Path, reference: str
) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    inventory = inventory_of(tenant, secret_folders=[tmp_path])
    with pytest.raises(Invalid) as refused:
        await registered(tenant, inventory, api, token=reference.replace("{folder}", str(tmp_path)))
    assert refused.value.problems[0].field == "credentials.token"


@pytest.mark.parametrize(
    ("command", "problem"), [(["false"], "exit status 1"), (["cat", "/dev/zero"], "larger than"), (["/none"], "run")]
)
async def test_a_command_is_run_at_each_use_with_no_transaction_open(
    tenant: Tenant, api: Api, command: list[str], problem: str
) -> None:
    inventory = inventory_of(tenant, secret_commands={"asked": command})
    system_id = await registered(tenant, inventory, api, token="command:asked")
    async with tenant.instance.services.web.unit_of_work(tenant.id) as session:
        _, credentials = await inventory.ref_with_secret(session, system_id=system_id)
    with pytest.raises(Invalid, match=problem) as refused:
        await credentials.followed()
    assert refused.value.problems[0].field == "credentials.token"
