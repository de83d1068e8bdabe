"""Tells Opsteward's own database server from others, at each connection, by what the server itself says.

Its address says nothing: a socket's path may be a link, a name may lead elsewhere by now, a port may be forwarded and
a pooler may stand between. So the server is asked for its system identifier, which no two servers share but copies of
one. Where it may not tell, we take a lock with a number that nobody can guess, and see whether our own server has it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, LiteralString

from opsteward.contracts.connector import OwnServer
from opsteward.core.errors import AuthFailed

if TYPE_CHECKING:
    import psycopg
    from psycopg.rows import DictRow

_IDENTIFIER: Final[LiteralString] = "select system_identifier::text as id from pg_catalog.pg_control_system()"
_WHERE: Final[LiteralString] = "select pg_catalog.current_database() as database, session_user::text as role"
#: Roles of ours that whoever is in this role could act as; a superuser is in all of them.
_LEADS_TO: Final[LiteralString] = """
    select o.rolname::text as own from pg_catalog.pg_roles o, pg_catalog.pg_roles r
    where r.rolname = %(role)s and o.rolname = any(%(own)s) and pg_catalog.pg_has_role(r.oid, o.oid, 'member')
    limit 1"""


async def refuse_own(connection: psycopg.AsyncConnection[DictRow], own: OwnServer) -> bool:
    """Whether this is a session on Opsteward's own server, where it is shared with others' databases.

    Raises AuthFailed for a session in Opsteward's own database, by a role of its own, or on a server that is its
    alone; Unavailable while our own database can't be asked.
    """
    if not await _is_own(connection, own):
        return False
    row = await _first(connection, _WHERE)
    if not own.is_shared or row["database"] == own.database:
        raise refused("the endpoint leads to Opsteward's own database", "register another system")
    if row["role"] in own.roles:
        raise refused(
            f"the role {row['role']} is one of Opsteward's own on its own database server",
            "make a role for monitoring: CREATE ROLE ... LOGIN IN ROLE pg_monitor",
        )
    return True


async def refuse_own_roles(
    connection: psycopg.AsyncConnection[DictRow], own: OwnServer, *, role: str, people: Sequence[str]
) -> None:
    """On our own server, which is shared, no role may be given that leads to one of ours, and none of ours may get
    one. Raises AuthFailed."""
    found = await connection.execute(_LEADS_TO, {"role": role, "own": sorted(own.roles)})
    row = await found.fetchone()
    if row is not None:
        raise refused(f"the role {role} leads to {row['own']}, one of Opsteward's own", "set another access_role")
    if ours := sorted(own.roles.intersection(people)):
        raise refused(f"the role {ours[0]} is one of Opsteward's own", "no user may have its name as a login")


def refused(detail: str, remedy: str) -> AuthFailed:
    """How a server that is ours is refused."""
    return AuthFailed(detail, remedy=remedy, extra={"kind": "own_server"})


async def _is_own(connection: psycopg.AsyncConnection[DictRow], own: OwnServer) -> bool:
    theirs, ours = await _identifier(connection), await own.identifier()
    if theirs is not None and ours is not None:
        return theirs == ours
    lock = secrets.randbits(63)
    async with connection.transaction():  # a pooler keeps one server session for us as long as it lasts
        await connection.execute("select pg_catalog.pg_advisory_xact_lock(%s)", [lock])
        return await own.holds(lock)


async def _identifier(connection: psycopg.AsyncConnection[DictRow]) -> str | None:
    import psycopg

    try:
        async with connection.transaction():  # a savepoint where there is one, which a refusal must not end
            return str((await _first(connection, _IDENTIFIER))["id"])
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.SyntaxErrorOrAccessRuleViolation):
        return None  # kept from us, or something that only speaks PostgreSQL's protocol


async def _first(connection: psycopg.AsyncConnection[DictRow], query: LiteralString) -> DictRow:
    row = await (await connection.execute(query)).fetchone()
    assert row is not None
    return row
