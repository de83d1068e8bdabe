"""Whose access to which system is due to be brought up to date. The database notes it (`note_access`), whoever
changes a user; what is done about it is above this room."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.contracts.access import Person
from opsteward.core import feed
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.systems.types import SystemInfo

#: The kind of the notice that says that something is due.
ACCESS_DUE = "access_due"

_EVERYBODY = sa.text("""
insert into opsteward.access_due (tenant_id, system_id, login, user_id)
select :tenant, :system, u.username, u.id from opsteward.users_with_access(:name) u
on conflict (tenant_id, system_id, login) do update set batch = null, due_at = now(), user_id = excluded.user_id
""")
_BIND = sa.text("""
with batches as materialized (
    select system_id, gen_random_uuid() as batch from (
        select distinct system_id from opsteward.access_due
        where tenant_id = :tenant and batch is null and due_at <= now()) due
), bound as (
    update opsteward.access_due d set batch = b.batch from batches b
    where d.tenant_id = :tenant and d.system_id = b.system_id and d.batch is null and d.due_at <= now()
    returning d.system_id, d.batch
)
select distinct system_id, batch from bound order by 1
""")
_TAKE = sa.text("""
with next as materialized (
    select login from opsteward.access_due
    where tenant_id = :tenant and system_id = :system and batch = :batch order by login limit :most for update
), d as (
    delete from opsteward.access_due a using next
    where a.tenant_id = :tenant and a.system_id = :system and a.login = next.login
    returning a.login, a.user_id
)
select d.login, d.user_id, opsteward.may_use(d.user_id, d.login, :name) as wanted from d order by d.login
""")
_OTHERWISE = sa.text("""
select d.login, d.user_id from unnest(:logins, :users, :wanted) as d(login, user_id, wanted)
where d.wanted <> opsteward.may_use(d.user_id, d.login, :name)
""").bindparams(
    sa.bindparam("logins", type_=ARRAY(sa.Text)),
    sa.bindparam("users", type_=ARRAY(sa.Uuid)),
    sa.bindparam("wanted", type_=ARRAY(sa.Boolean)),
)
_AGAIN = sa.text("""
insert into opsteward.access_due (tenant_id, system_id, login, user_id, due_at)
select :tenant, :system, d.login, d.user_id, :at from unnest(:logins, :users) as d(login, user_id)
on conflict (tenant_id, system_id, login) do nothing
""").bindparams(sa.bindparam("logins", type_=ARRAY(sa.Text)), sa.bindparam("users", type_=ARRAY(sa.Uuid)))


async def everybody(session: AsyncSession, *, system: SystemInfo) -> None:
    """All who have access to this system are due: it is new here, or is another than it was."""
    await session.execute(_EVERYBODY, {"tenant": tenant_of(session), "system": system.id, "name": system.name})
    await feed.announce(session, kind=ACCESS_DUE, object_id=str(system.id))


async def tenants(session: AsyncSession) -> list[UUID]:
    """The tenants that have somebody due now. Needs no tenant."""
    return list(await session.scalars(sa.text("select opsteward.tenants_with_due_access()")))


async def bind(session: AsyncSession) -> list[tuple[UUID, UUID]]:
    """What is due now becomes a batch for each system: (system, batch)."""
    rows = await session.execute(_BIND, {"tenant": tenant_of(session)})
    return [(row.system_id, row.batch) for row in rows]


async def take(session: AsyncSession, *, system: SystemInfo, batch: UUID, most: int) -> list[Person]:
    """The next of a batch, as they are to be by now; they are due no more once this is committed."""
    wanted = {"tenant": tenant_of(session), "system": system.id, "name": system.name, "batch": batch, "most": most}
    rows = await session.execute(_TAKE, wanted)
    return [Person(user_id=row.user_id, login=row.login, wanted=row.wanted) for row in rows]


async def drop(session: AsyncSession, *, batch: UUID) -> None:
    """Forget a batch: its system is gone, or nobody can keep access to it."""
    await session.execute(
        sa.text("delete from opsteward.access_due where tenant_id = :tenant and batch = :batch"),
        {"tenant": tenant_of(session), "batch": batch},
    )


async def otherwise(session: AsyncSession, *, system: SystemInfo, people: Sequence[Person]) -> list[Person]:
    """Those of these who are to be otherwise by now."""
    asked = {
        "logins": [one.login for one in people],
        "users": [one.user_id for one in people],
        "wanted": [one.wanted for one in people],
    }
    rows = await session.execute(_OTHERWISE, asked | {"name": system.name})
    found = {row.login for row in rows}
    return [one for one in people if one.login in found]


async def again(session: AsyncSession, *, system: SystemInfo, people: Sequence[Person], after: float = 0.0) -> None:
    """These are due, `after` seconds from now; who is due already stays so."""
    due = {"logins": [one.login for one in people], "users": [one.user_id for one in people]}
    at = now() + timedelta(seconds=after)
    await session.execute(_AGAIN, due | {"tenant": tenant_of(session), "system": system.id, "at": at})
    if not after:
        await feed.announce(session, kind=ACCESS_DUE, object_id=str(system.id))
