"""Keeping who may use a database: exactly the people named, all or nothing, and taken back as it was."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import psycopg
import pytest
from real_parts import Postgres, system

from opsteward.contracts.access import AccessParams, Person
from opsteward.contracts.action import ActionContext
from opsteward.core.errors import BadReply, ConnectorError
from opsteward.integrations.postgresql.connector import PostgresConnector
from opsteward.integrations.postgresql.role_membership import KeepAccess

ACTION = KeepAccess()
Look = Callable[..., PostgresConnector]


def people(**wanted: bool) -> AccessParams:
    return AccessParams(people=[Person(user_id=uuid4(), login=name, wanted=w) for name, w in wanted.items()])


def context(via: PostgresConnector) -> ActionContext[PostgresConnector]:
    return ActionContext(via=via, target=system("postgresql://127.0.0.1/shop"), idempotency_key="run-1")


@pytest.fixture
def readers(postgres: Postgres) -> str:
    """A role that `keeper` may give, and that old_hand has."""
    role = f"readers {uuid4().hex[:8]}"  # a name that has to be quoted
    with psycopg.connect(postgres.dsn(), autocommit=True) as admin:
        if admin.execute("select 1 from pg_roles where rolname = 'keeper'").fetchone() is None:
            admin.execute("create role keeper login createrole")
            admin.execute("create role old_hand login")
        admin.execute(f'create role "{role}"'.encode())
        admin.execute(f'grant "{role}" to keeper with admin option'.encode())
        admin.execute(f'grant "{role}" to locked'.encode())
        admin.execute("set role keeper")
        admin.execute(f'grant "{role}" to old_hand'.encode())
    return role


def members(postgres: Postgres, role: str) -> set[str]:
    with psycopg.connect(postgres.dsn()) as admin:
        rows = admin.execute(
            "select r.rolname from pg_auth_members m join pg_roles r on r.oid = m.member"
            " join pg_roles k on k.oid = m.roleid where k.rolname = %s and r.rolname <> 'keeper'",
            (role,),
        )
        return {name for (name,) in rows}


async def test_it_is_planned_done_proven_and_undone(postgres: Postgres, look: Look, readers: str) -> None:
    new = f'n"{uuid4().hex[:8]}'  # hostile to who does not quote
    ctx = context(look("keeper", access_role=readers))
    params = people(**{new: True, "old_hand": False, "shop": False, "boss": True, "locked": False})
    plan = await ACTION.plan(ctx, params)
    assert (plan.needed, set(plan.objects)) == (True, {new, "old_hand"})
    alone = ["boss: the role administers the server",
             "locked: the membership was given by postgres, who alone can end it"]  # fmt: skip
    assert plan.evidence["left_alone"] == alone
    result = await ACTION.execute(ctx, params)
    assert [one.did for one in result.people] == ["created_and_given", "taken", "as_wanted", "left_alone", "left_alone"]
    assert members(postgres, readers) == {new, "locked"}
    assert (await ACTION.verify(ctx, params, result)).ok
    again = await ACTION.execute(ctx, params)
    assert {one.did for one in again.people} == {"as_wanted", "left_alone"}
    assert not (await ACTION.plan(ctx, params)).needed
    await ACTION.undo(ctx, params, result)
    assert members(postgres, readers) == {"old_hand", "locked"}
    assert not (await ACTION.verify(ctx, params, result)).ok


async def test_one_that_fails_leaves_nothing_done(postgres: Postgres, look: Look, readers: str) -> None:
    made = f"made{uuid4().hex[:8]}"
    with psycopg.connect(postgres.dsn(), autocommit=True) as admin:
        admin.execute(f'revoke admin option for "{readers}" from keeper cascade'.encode())
        with pytest.raises(ConnectorError):
            await ACTION.execute(context(look("keeper", access_role=readers)), people(**{made: True}))
        assert admin.execute("select 1 from pg_roles where rolname = %s", (made,)).fetchone() is None


async def test_a_role_that_is_not_there_is_told(look: Look) -> None:
    with pytest.raises(BadReply, match="there is no role nobody's"):
        await ACTION.plan(context(look("keeper", access_role="nobody's")), people(shop=True))
    with pytest.raises(BadReply, match="access_role"):
        await ACTION.plan(context(look("keeper")), people(shop=True))
