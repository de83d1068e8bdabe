"""Opsteward's SCIM client keeps users at Opsteward's SCIM server, over a real connection."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
import uvicorn

from opsteward.contracts.connector import SystemRef
from opsteward.contracts.records import Batch, Change, Coverage, Operation, Outcome, Record
from opsteward.integrations.scim.connector import ScimConnector
from support.instance import Tenant
from support.scim import ENTERPRISE, ROOT


@pytest.fixture
async def via(tenant: Tenant) -> AsyncIterator[ScimConnector]:
    token = (await tenant.operator("provisioner")).token
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(tenant.instance.app, log_level="error", lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        target = SystemRef(
            id=UUID(int=0),
            tenant_id=tenant.id,
            name="own",
            type="scim",
            endpoint=f"http://127.0.0.1:{listening.getsockname()[1]}{ROOT}",
            settings={"page_size": 2},
        )
        yield ScimConnector(ScimConnector.config_for(target, {"token": token}))
        server.should_exit = True
        await serving


async def read(via: ScimConnector, since: Any = None) -> tuple[list[Record], Batch]:
    batches = [batch async for batch in via.read("users", since)]
    return [r for b in batches for r in b.upserts], batches[-1]


def change(operation: Operation, native_id: str | None = None, **values: Any) -> Change:
    return Change(key="k", operation=operation, native_id=native_id, values=values)


async def test_users_are_made_changed_disabled_and_removed(via: ScimConnector) -> None:
    creates = [
        change(
            Operation.CREATE,
            None,
            userName=f"zoë-{n}",
            emails=[{"value": f"p{n}@example.com", "type": "work", "primary": True}],
            **{ENTERPRISE: {"department": "Ops"}},
        )
        for n in range(5)
    ]
    made = await via.write("users", creates)
    assert [r.outcome for r in made] == [Outcome.DONE] * 5, made
    assert [r.outcome for r in await via.write("users", creates)] == [Outcome.UNCHANGED] * 5
    records, last = await read(via)
    assert last.coverage is Coverage.FULL and {r.native_id for r in made} <= {r.native_id for r in records}
    one = made[0].native_id
    update = change(Operation.UPDATE, one, title="Boss", **{ENTERPRISE: {"department": "IT"}})
    assert [r.outcome for r in await via.write("users", [update, update])] == [Outcome.DONE, Outcome.UNCHANGED]
    off = change(Operation.DISABLE, one)
    assert [r.outcome for r in await via.write("users", [off, off])] == [Outcome.DONE, Outcome.UNCHANGED]
    changed, since = await read(via, last.cursor)
    assert since.coverage is Coverage.UPDATES and one in {r.native_id for r in changed}
    gone = change(Operation.DELETE, one)
    assert [r.outcome for r in await via.write("users", [gone, gone])] == [Outcome.DONE, Outcome.UNCHANGED]
    assert one not in {r.native_id for r in (await read(via))[0]}
