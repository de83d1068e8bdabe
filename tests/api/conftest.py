"""What the tests of the API share: its operations, who asks what must come to nothing, and a target for actions."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from support.instance import Instance, Tenant
from support.live import Live, LiveOperator, LiveTenant
from support.openapi import Operation, operations
from support.target import Visitor, identity_of, register_target, visited_database


@pytest_asyncio.fixture(scope="session")
async def everything(instance: Instance) -> list[Operation]:
    """All that the OpenAPI document has; writing its references out takes half a second."""
    found = await operations(instance.client())
    assert len(found) > 35
    return found


@pytest.fixture
def with_bodies(everything: list[Operation]) -> list[Operation]:
    """Without those of signed requests: of what is not signed, nothing is said."""
    return [each for each in everything if each.schema and not each.path.startswith("/webhook/")]


@pytest.fixture
async def asker(instance: Instance) -> AsyncIterator[Tenant]:
    """A tenant whose owner may ask everything; after the test nothing was done for it."""
    one = await instance.tenant(roles=("owner", "platform"))
    before = {table: one.count(table) for table in ("audit_entries", "operators", "tokens")}
    yield one
    for table in ("action_runs", "events", "incidents", "systems", "troubleshooting_sessions"):
        assert one.count(table) == 0, f"malformed input left a row in {table}"
    for table, rows in before.items():
        assert one.count(table) == rows, f"malformed input left a row in {table}"


@pytest.fixture
def company(live: Live) -> LiveTenant:
    """A tenant whose system `visited` is the target."""
    tenant = live.tenant(f"c{uuid4().hex[:12]}")
    register_target(tenant)
    return tenant


@pytest.fixture
def second(live: Live, company: LiveTenant) -> LiveOperator:
    """Another operator, who may approve what the owner requests: somebody else made them."""
    other = live.operator(company, "grace", "approver")
    of_grace = "tenant_id = %s and name_key = 'grace'"
    live.sql(f"update opsteward.operators set created_by = 'system:test' where {of_grace}", company.id)
    live.sql(
        "update opsteward.tokens set issued_by = 'system:test'"
        f" where operator_id = (select id from opsteward.operators where {of_grace})",
        company.id,
    )
    return other


@pytest.fixture
def visit(live: Live) -> Iterator[Callable[[], Visitor]]:
    """Opens sessions on the target, and sees to their end."""
    opened: list[psycopg.Connection[Any]] = []

    def open_one() -> Visitor:
        connection = psycopg.connect(visited_database(), application_name="a-visitor")
        opened.append(connection)
        return Visitor(connection=connection, identity=identity_of(connection))

    yield open_one
    for connection in opened:
        connection.close()
