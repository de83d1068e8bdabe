"""What a unit of work makes of trouble with the database: an error of ours that says whether trying again helps."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from collections.abc import AsyncIterator
from logging.handlers import BufferingHandler

import pytest
import sqlalchemy as sa

from opsteward.accounts import tokens
from opsteward.core.db import Database, when_committed
from opsteward.core.errors import Conflict, Unavailable
from support.instance import Instance, Tenant


@pytest.fixture
async def narrow(instance: Instance) -> AsyncIterator[Database]:
    """The web role with a single connection."""
    database = Database(instance.services.urls.web, name="narrow", pool_size=1, pool_max=1, pool_timeout=0.1)
    yield database
    await database.close()


async def add_operator(database: Database, tenant: Tenant, name: str, *, meeting: asyncio.Barrier) -> None:
    async with database.unit_of_work(tenant.id) as session:
        await meeting.wait()
        await session.execute(
            sa.text(
                "insert into opsteward.operators (id, tenant_id, name, name_key, roles, created_by, status, created_at)"
                " values (gen_random_uuid(), :tenant, :name, :name, '{viewer}', 'system:test', 'active', now())"
            ),
            {"tenant": tenant.id, "name": name},
        )


async def lock_in_order(database: Database, tenant: Tenant, first: str, second: str, meeting: asyncio.Barrier) -> None:
    lock = sa.text("select id from opsteward.operators where name = :name for update")
    async with database.unit_of_work(tenant.id) as session:
        await session.execute(lock, {"name": first})
        await meeting.wait()
        await session.execute(lock, {"name": second})


async def test_no_free_connection_is_unavailable(narrow: Database, tenant: Tenant) -> None:
    async with narrow.unit_of_work(tenant.id) as session:
        await session.execute(sa.text("select 1"))
        with pytest.raises(Unavailable):
            async with narrow.unit_of_work(tenant.id) as second:
                await second.execute(sa.text("select 1"))
    async with narrow.unit_of_work(tenant.id) as session:
        assert await session.scalar(sa.text("select 1")) == 1


async def test_the_same_at_the_same_moment_is_a_conflict(instance: Instance, tenant: Tenant) -> None:
    meeting = asyncio.Barrier(2)
    both = [add_operator(instance.services.web, tenant, "twin", meeting=meeting) for _ in range(2)]
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if outcome] == [Conflict]
    assert instance.sql("select count(*) from opsteward.operators where name = 'twin'") == [(1,)]


async def test_a_deadlock_is_unavailable_for_one_only(instance: Instance, tenant: Tenant) -> None:
    await tenant.operator("viewer", name="bob")
    meeting = asyncio.Barrier(2)
    both = [lock_in_order(instance.services.web, tenant, *order, meeting) for order in (("ada", "bob"), ("bob", "ada"))]
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if outcome] == [Unavailable]


async def test_a_lost_connection_is_unavailable_and_the_next_one_works(narrow: Database, tenant: Tenant) -> None:
    with pytest.raises(Unavailable):
        async with narrow.unit_of_work(tenant.id) as session:
            pid = await session.scalar(sa.text("select pg_backend_pid()"))
            tenant.instance.sql("select pg_terminate_backend(%s, 5000)", pid)
            await session.execute(sa.text("select 1"))
    async with narrow.unit_of_work(tenant.id) as session:
        assert await session.scalar(sa.text("select 1")) == 1


async def test_an_error_rolls_everything_back(instance: Instance, tenant: Tenant) -> None:
    with pytest.raises(ZeroDivisionError):
        async with instance.services.web.unit_of_work(tenant.id) as session:
            await session.execute(sa.text("update opsteward.operators set name = 'renamed'"))
            raise ZeroDivisionError
    assert instance.sql("select name from opsteward.operators where tenant_id = %s", tenant.id) == [("ada",)]


@pytest.mark.parametrize("fails", [True, False])
async def test_what_waits_for_the_commit_is_not_done_at_a_savepoint(
    instance: Instance, tenant: Tenant, fails: bool
) -> None:
    done: list[str] = []
    with contextlib.suppress(ZeroDivisionError):
        async with instance.services.web.unit_of_work(tenant.id) as session:
            when_committed(session, lambda: done.append("before"))
            async with session.begin_nested():
                when_committed(session, lambda: done.append("within"))
                await session.execute(sa.text("select 1"))
            assert done == []
            if fails:
                raise ZeroDivisionError
    assert done == ([] if fails else ["before", "within"])


async def test_the_tenant_ends_with_its_transaction(narrow: Database, tenant: Tenant) -> None:
    """The connection goes on to others: what one transaction named must not be there for the next."""
    async with narrow.unit_of_work(tenant.id) as session:
        assert await session.scalar(sa.text("select count(*) from opsteward.operators")) == 1
    async with narrow.unit_of_work(None) as session:
        assert await session.scalar(sa.text("select count(*) from opsteward.operators")) == 0
        assert not await session.scalar(sa.text("select current_setting('opsteward.tenant', true)"))


async def test_who_is_cancelled_while_looking_up_loses_no_connection(instance: Instance, tenant: Tenant) -> None:
    """A browser that goes away ends the work for it at any moment."""
    db = instance.services.web
    handler = BufferingHandler(1000)
    pools = logging.getLogger("sqlalchemy.pool")
    pools.addHandler(handler)
    try:
        for _ in range(40):
            looking = [asyncio.create_task(tokens.authenticate(db, secret=tenant.owner.token)) for _ in range(12)]
            for number, one in enumerate(looking):
                await asyncio.sleep(number / 10_000)
                one.cancel()
            await asyncio.gather(*looking, return_exceptions=True)
        gc.collect()
    finally:
        pools.removeHandler(handler)
    assert [record.getMessage() for record in handler.buffer] == []
    assert (await tokens.authenticate(db, secret=tenant.owner.token)).tenant_id == tenant.id


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("53100", "the database's disk is full"),
        ("53200", "the database's memory is used up"),
        ("53300", "the database's connections are used up"),
        ("58030", "away for a moment"),
    ],
)
@pytest.mark.parametrize("wrapped", [True, False], ids=["by a statement", "by a copy"])
async def test_what_the_server_has_no_room_for_is_unavailable(
    instance: Instance, tenant: Tenant, state: str, said: str, wrapped: bool
) -> None:
    """The server itself raises it, with the state that it would have."""
    statement = f"do $$ begin raise exception using errcode = '{state}'; end $$"
    with pytest.raises(Unavailable, match=said):
        async with instance.services.web.unit_of_work(tenant.id) as session:
            if wrapped:
                await session.execute(sa.text(statement))
            else:
                raw = await (await session.connection()).get_raw_connection()
                await raw.driver_connection.execute(statement)  # type: ignore[union-attr]
