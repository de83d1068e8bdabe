"""With the API's own care left out, the database keeps tenants apart: raw statements under the roles that serve."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import psycopg
import pytest
import pytest_asyncio
import sqlalchemy as sa
from sqlalchemy.exc import ProgrammingError

from opsteward.core import durable
from opsteward.core.db import Base, Database
from support.instance import Instance
from support.populated import Populated, populate

DENIED = "42501"

roles = pytest.mark.parametrize("role", ["app", "web"])


@pytest_asyncio.fixture(scope="module")
async def alpha(instance: Instance) -> Populated:
    return await populate(instance)


@pytest_asyncio.fixture(scope="module")
async def bravo(instance: Instance) -> Populated:
    return await populate(instance)


def tenant_tables() -> list[str]:
    """Every table whose rows belong to a tenant."""
    return sorted(table.name for table in Base.metadata.tables.values() if "tenant_id" in table.columns)


def database(instance: Instance, role: str) -> Database:
    return {"app": instance.services.app, "web": instance.services.web}[role]


async def state_of(database: Database, tenant_id: UUID | None, statement: str, **params: Any) -> str | int:
    """How many rows a statement touched, or the SQLSTATE that it was refused with."""
    try:
        async with database.unit_of_work(tenant_id) as session:
            result = await session.execute(sa.text(statement), params)
            assert isinstance(result, sa.CursorResult)
            return result.rowcount
    except sa.exc.DBAPIError as error:
        assert isinstance(error.orig, psycopg.Error)
        return str(error.orig.sqlstate)


def test_every_tenant_table_is_known(instance: Instance) -> None:
    """The catalogue has no tenant table that these tests would not look at."""
    rows = instance.sql(
        "select table_name from information_schema.columns where table_schema = 'opsteward'"
        " and column_name = 'tenant_id'"
    )
    assert sorted(row[0] for row in rows) == tenant_tables()
    assert len(tenant_tables()) >= 16


def test_every_tenant_table_forces_its_policy(instance: Instance) -> None:
    secured = dict(
        instance.sql(
            "select relname, relrowsecurity and relforcerowsecurity from pg_class"
            " where relnamespace = 'opsteward'::regnamespace and relkind = 'r'"
        )
    )
    for table in [*tenant_tables(), "tenants"]:
        assert secured[table], table
    assert not any("tenant" in name for name, on in secured.items() if not on)


@roles
async def test_without_a_tenant_no_row_comes_back(
    instance: Instance, alpha: Populated, bravo: Populated, role: str
) -> None:
    for table in [*tenant_tables(), "tenants"]:
        assert instance.sql(f"select count(*) from opsteward.{table}")[0][0] > 0, f"{table} holds nothing to hide"
        async with database(instance, role).unit_of_work(None) as session:
            rows = (await session.execute(sa.text(f"select * from opsteward.{table}"))).all()
        assert rows == [], table


@roles
async def test_a_tenant_sees_its_own_rows_only(
    instance: Instance, alpha: Populated, bravo: Populated, role: str
) -> None:
    for table in tenant_tables():
        async with database(instance, role).unit_of_work(alpha.tenant.id) as session:
            seen = set(await session.scalars(sa.text(f"select tenant_id from opsteward.{table}")))
        own = instance.sql(f"select count(*) from opsteward.{table} where tenant_id = %s", alpha.tenant.id)[0][0]
        assert seen == ({alpha.tenant.id} if own else set()), table
    async with database(instance, role).unit_of_work(alpha.tenant.id) as session:
        assert list(await session.scalars(sa.text("select id from opsteward.tenants"))) == [alpha.tenant.id]


@roles
async def test_rows_of_another_tenant_cannot_be_added(
    instance: Instance, alpha: Populated, bravo: Populated, role: str
) -> None:
    for table in tenant_tables():
        insert = f"insert into opsteward.{table} (tenant_id) values (:tenant)"
        for as_whom in (alpha.tenant.id, None):
            state = await state_of(database(instance, role), as_whom, insert, tenant=bravo.tenant.id)
            assert state == DENIED, f"{table}: {state}"
    own = await state_of(
        database(instance, role), alpha.tenant.id, "insert into opsteward.events (tenant_id) values (:t)",
        t=alpha.tenant.id,
    )  # fmt: skip
    assert own == "23502"  # with one's own tenant the row is only incomplete


@roles
async def test_rows_of_another_tenant_cannot_be_touched(
    instance: Instance, alpha: Populated, bravo: Populated, role: str
) -> None:
    def all_rows() -> dict[str, Any]:
        return {
            table: instance.sql(f"select md5(string_agg(t::text, ' ' order by t::text)) from opsteward.{table} t")
            for table in tenant_tables()
        }

    before = all_rows()
    for table in tenant_tables():
        for statement in (
            f"update opsteward.{table} set tenant_id = tenant_id where tenant_id = :other",
            f"update opsteward.{table} set tenant_id = :own where tenant_id = :other",
            f"delete from opsteward.{table} where tenant_id = :other",
        ):
            params = {"other": bravo.tenant.id} | ({"own": alpha.tenant.id} if ":own" in statement else {})
            state = await state_of(database(instance, role), alpha.tenant.id, statement, **params)
            assert state in (0, DENIED), f"{statement}: {state}"
    give_away = "update opsteward.incidents set tenant_id = :other"
    state = await state_of(database(instance, role), alpha.tenant.id, give_away, other=bravo.tenant.id)
    assert state == DENIED
    assert all_rows() == before


@roles
async def test_what_is_written_once_stays(instance: Instance, alpha: Populated, role: str) -> None:
    """Neither role can alter or remove what proves what happened, not even its own tenant's."""
    for table in ("audit_entries", "audit_seals", "events", "timeline_entries", "standing_order_versions"):
        for statement in (
            f"update opsteward.{table} set tenant_id = tenant_id",
            f"delete from opsteward.{table}",
            f"truncate opsteward.{table}",
            f"alter table opsteward.{table} disable row level security",
            f"alter table opsteward.{table} disable trigger all",
            f"drop table opsteward.{table}",
        ):
            assert await state_of(database(instance, role), alpha.tenant.id, statement) == DENIED, statement


@roles
async def test_the_roles_that_serve_are_plain(instance: Instance, role: str) -> None:
    name = f"opsteward_{role}"
    rights = instance.sql(
        "select rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication from pg_roles where rolname = %s",
        name,
    )
    assert rights == [(False,) * 5]
    lasting = "select count(*) from pg_class where relowner = %s::regrole and relpersistence <> 't'"
    assert instance.sql(lasting, name) == [(0,)], "an owner of tables is above their policies"
    assert instance.sql("select count(*) from pg_proc where proowner = %s::regrole", name) == [(0,)]
    members = "select count(*) from pg_auth_members where member = %s::regrole"
    assert instance.sql(members, name) == [(0,)]
    for statement in ("set role opsteward_owner", "set role postgres", "set session authorization postgres"):
        state = await state_of(database(instance, role), None, statement)
        assert state == DENIED, f"{statement}: {state}"
    make = "create table opsteward.mine (id int)"
    assert await state_of(database(instance, role), None, make) == DENIED


def test_the_owner_is_no_superuser(instance: Instance) -> None:
    assert instance.sql(
        "select rolsuper, rolbypassrls, rolcreaterole from pg_roles where rolname = 'opsteward_owner'"
    ) == [(False, False, False)]


async def test_web_cannot_read_the_engine(instance: Instance) -> None:
    assert instance.sql("select has_schema_privilege('opsteward_web', 'dbos', 'usage')") == [(False,)]
    tables = instance.sql("select relname from pg_class where relnamespace = 'dbos'::regnamespace and relkind = 'r'")
    assert len(tables) > 5
    for (table,) in tables:
        state = await state_of(instance.services.web, None, f'select * from dbos."{table}"')
        assert state == DENIED, table


@roles
async def test_work_is_enqueued_for_the_own_tenant_only(
    instance: Instance, alpha: Populated, bravo: Populated, role: str
) -> None:
    """The engine's tables lie outside of row-level security, so its door asks for the tenant."""
    for as_whom in (alpha.tenant.id, None):
        with pytest.raises(ProgrammingError, match="own tenant"):
            async with database(instance, role).unit_of_work(as_whom) as session:
                await durable.enqueue(
                    session,
                    workflow="actions.plan",
                    workflow_id=f"stolen {role} {as_whom}",
                    arguments={"tenant_id": str(bravo.tenant.id), "run_id": bravo.ids["action_id"]},
                )
    async with database(instance, role).unit_of_work(alpha.tenant.id) as session:
        with pytest.raises(ProgrammingError, match="own tenant"):
            await durable.enqueue(session, workflow="actions.plan", workflow_id="none's", arguments={})
    assert instance.sql("select count(*) from dbos.workflow_status where workflow_uuid like 'stolen%%'") == [(0,)]


async def test_rolled_back_is_not_enqueued(instance: Instance, alpha: Populated) -> None:
    with pytest.raises(ZeroDivisionError):
        async with instance.services.web.unit_of_work(alpha.tenant.id) as session:
            arguments = {"tenant_id": str(alpha.tenant.id), "run_id": alpha.ids["action_id"]}
            await durable.enqueue(session, workflow="actions.plan", workflow_id="undone", arguments=arguments)
            raise ZeroDivisionError
    assert instance.sql("select count(*) from dbos.workflow_status where workflow_uuid = 'undone'") == [(0,)]
