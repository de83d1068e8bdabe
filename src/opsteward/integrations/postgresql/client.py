"""One short, read-only session on a PostgreSQL server; the only user of psycopg here.

The session is called `opsteward`, so that checks and actions know their own kind, can't write
(`default_transaction_read_only`; ending a session is no write) and can't hang (`statement_timeout`).
Each statement is its own transaction: pg_stat_activity is frozen inside one, and we want to see it move.
"""

from __future__ import annotations

import asyncio
import functools
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, LiteralString, TypeVar

from opsteward.contracts.connector import OwnServer
from opsteward.core.errors import AuthFailed, BadReply, ConnectorError, Timeout
from opsteward.core.http_client import REGISTERED_SYSTEMS, resolve_host, unreachable
from opsteward.integrations.postgresql.config import PostgresConfig
from opsteward.integrations.postgresql.own_server import refuse_own, refuse_own_roles, refused

if TYPE_CHECKING:
    import psycopg
    from psycopg.abc import Buffer
    from psycopg.adapt import Loader
    from psycopg.rows import DictRow
    from psycopg.sql import SQL, Composed

Shape = TypeVar("Shape")
STATEMENT_TIMEOUT = 4.0  # seconds
_MAY_WRITE: Final[LiteralString] = """
    select set_config('default_transaction_read_only', 'off', false),
        set_config('statement_timeout', %(statement)s, false), set_config('lock_timeout', %(lock)s, false)"""
_MAY_READ: Final[LiteralString] = """
    select set_config('default_transaction_read_only', 'on', false),
        set_config('statement_timeout', %(statement)s, false), set_config('lock_timeout', '0', false)"""
#: Of all statements that change who is a member, for some hundreds of people at once.
_MEMBERS_TIMEOUT = 20.0  # seconds
_GRACE = 1.0  # seconds that the server gets to report its own timeout before we give up on it

# libpq gives no SQLSTATE for a refused connection, only the server's words (in English, else `refused`).
_REFUSALS = (
    ("too_many_connections", ("too many connections", "too many clients", "connection slots are reserved")),
    ("starting", ("database system is", "not yet accepting connections")),
    ("no_database", ('database "',)),
)
_AUTH_WORDS = (
    "authentication failed",
    "no password supplied",
    "pg_hba.conf",
    'role "',
    "is not permitted to log in",
)


class PostgresClient:
    """Connects with the first statement. Raises only ConnectorError subclasses."""

    def __init__(self, config: PostgresConfig, own_server: Callable[[], OwnServer | None] = lambda: None) -> None:
        """`own_server` is asked with each connection; one to Opsteward's own database is refused."""
        self._own_server = own_server
        self._config = config
        self._connection: psycopg.AsyncConnection[DictRow] | None = None

    def another(self) -> PostgresClient:
        """One more, to the same server, with a session of its own."""
        return PostgresClient(self._config, self._own_server)

    async def rows(
        self, query: LiteralString, params: Mapping[str, object] | None = None, *, shape: Callable[..., Shape]
    ) -> list[Shape]:
        """The rows of one statement, each made by `shape` of its columns; text that is no UTF-8 with marks in it."""
        async with self.session() as connection:
            cursor = connection.cursor()
            for name in ("text", "varchar", "name"):
                cursor.adapters.register_loader(name, _text_of_any_encoding())
            await cursor.execute(query, params)
            return [shape(**row) for row in await cursor.fetchall()]

    async def change_members(
        self, role: str, *, given: Sequence[str], taken: Sequence[str], made: Sequence[str]
    ) -> None:
        """Who is a member of this role from now on, all of it or nothing; `made` are roles to make before."""
        from psycopg.sql import SQL, Identifier

        statements = [_making(sorted(made))] if made else []
        for text, names in ((SQL("grant {} to {}"), given), (SQL("revoke {} from {}"), taken)):
            if names:
                statements.append(text.format(Identifier(role), SQL(", ").join(map(Identifier, names))))
        async with self.session(limit=_MEMBERS_TIMEOUT + _GRACE) as connection, connection.transaction():
            await connection.execute("set transaction read write")
            await connection.execute(f"set local statement_timeout = {int(_MEMBERS_TIMEOUT * 1000)}")
            own = self._own_server()
            # asked again: a pooler may lead each transaction elsewhere
            if own is not None and await refuse_own(connection, own):
                await refuse_own_roles(connection, own, role=role, people=[*given, *taken, *made])
            for statement in statements:
                await connection.execute(statement)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[psycopg.AsyncConnection[DictRow]]:
        """A transaction that may change data, but never on our own server."""
        async with self.session() as connection, connection.transaction():
            await connection.execute("set transaction read write")
            own = self._own_server()
            if own is not None and await refuse_own(connection, own):
                raise refused("the endpoint leads to Opsteward's own server", "register another system")
            yield connection

    async def execute(self, statement: SQL | Composed, *, seconds: float, lock_seconds: float) -> None:
        """One statement that changes something, outside of a transaction, but never on our own server.

        It is cut off after `seconds`, and after `lock_seconds` in a queue of locks; 0: no limit there.
        """
        bounds = {"statement": f"{int(seconds * 1000)}ms", "lock": f"{int(lock_seconds * 1000)}ms"}
        async with self.session(limit=seconds + _GRACE) as connection:
            own = self._own_server()
            if own is not None and await refuse_own(connection, own):
                raise refused("the endpoint leads to Opsteward's own server", "register another system")
            await connection.execute(_MAY_WRITE, bounds)
            try:
                await connection.execute(statement)
            finally:
                if not connection.closed:
                    await connection.execute(_MAY_READ, {"statement": f"{int(STATEMENT_TIMEOUT * 1000)}ms"})

    @asynccontextmanager
    async def session(
        self, *, limit: float | None = STATEMENT_TIMEOUT + _GRACE
    ) -> AsyncIterator[psycopg.AsyncConnection[DictRow]]:
        """The connection, for at most so many seconds; what goes wrong is an error of ours."""
        import psycopg

        connection = await self._open()
        started = time.monotonic()
        try:
            async with asyncio.timeout(limit):
                yield connection
        except TimeoutError as exc:
            raise Timeout(f"PostgreSQL did not answer within {time.monotonic() - started:.1f} s") from exc
        except psycopg.errors.QueryCanceled as exc:
            raise Timeout("PostgreSQL cancelled our statement: it took too long") from exc
        except psycopg.errors.InsufficientPrivilege as exc:
            raise AuthFailed(f"PostgreSQL does not permit it: {_primary(exc)}") from exc
        except psycopg.Error as exc:
            if connection.closed:
                raise unreachable("tcp", "PostgreSQL closed the connection") from exc
            raise BadReply(f"PostgreSQL refused our statement ({exc.sqlstate}): {_primary(exc)}") from exc

    async def close(self) -> None:
        """Give the connection back; a server that is gone is no trouble any more."""
        import psycopg

        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close()
            except (psycopg.Error, OSError):
                return

    async def _open(self) -> psycopg.AsyncConnection[DictRow]:
        if self._connection is not None:
            return self._connection
        import psycopg
        from psycopg.conninfo import make_conninfo
        from psycopg.rows import dict_row

        limit = self._config.settings.connect_timeout_seconds
        try:
            async with asyncio.timeout(limit):
                target = make_conninfo(**await self._parameters())
                connection = await psycopg.AsyncConnection.connect(target, autocommit=True, row_factory=dict_row)
                await _speak_utf8(connection)
                await self._check(connection)
                await _refuse_pooler(connection)
        except (TimeoutError, psycopg.errors.ConnectionTimeout) as exc:
            raise Timeout(f"PostgreSQL did not accept us within {limit:g} s") from exc
        except psycopg.Error as exc:
            # Not chained: the cause's text is the server's, and is kept scrubbed in ours.
            raise _refusal(exc, self._config.password.get_secret_value()) from None
        self._connection = connection
        return connection

    async def _check(self, connection: psycopg.AsyncConnection[DictRow]) -> None:
        """Not our own database. Raises AuthFailed, with the connection closed."""
        own = self._own_server()
        checked = False
        try:
            if own is not None:
                await refuse_own(connection, own)
            checked = True
        finally:
            if not checked:
                await connection.close()

    async def _parameters(self) -> dict[str, str]:
        config = self._config
        host = addresses = config.host
        if not host.startswith("/"):
            allowed = await resolve_host(host, config.port, REGISTERED_SYSTEMS)
            addresses = ",".join(address for _, address in allowed)
            host = ",".join([host] * len(allowed))
        parameters = {
            "host": host,
            "hostaddr": "" if config.host.startswith("/") else addresses,
            "port": str(config.port),
            "dbname": config.dbname,
            "user": config.username,
            # Said even when empty, and no password file: else libpq would send the server of a tenant our own
            # database's PGPASSWORD or .pgpass entry.
            "password": config.password.get_secret_value(),
            "passfile": f"{os.devnull}/none",
            "sslmode": config.sslmode,
            "gssencmode": "disable",
            "application_name": "opsteward",
            "options": "-c default_transaction_read_only=on -c TimeZone=UTC"
            f" -c statement_timeout={int(STATEMENT_TIMEOUT * 1000)}",
        }
        if config.sslrootcert:
            parameters["sslrootcert"] = config.sslrootcert
        return parameters


def _making(names: Sequence[str]) -> Composed:
    """One statement that makes these roles. They are the server's: for another database of it somebody may be making
    the same ones, so all do it in one order, not to block each other, and leave out what is there by then."""
    from psycopg.sql import SQL, Literal

    body = SQL(
        "declare name text; begin foreach name in array {}::text[] loop"
        " begin execute format('create role %I login', name);"
        " exception when duplicate_object or unique_violation then null; end; end loop; end"
    ).format(Literal(list(names)))
    return SQL("do {}").format(Literal(body.as_string()))


@asynccontextmanager
async def closing(client: PostgresClient) -> AsyncIterator[None]:
    """Closes the client at the end of the block."""
    try:
        yield
    finally:
        await client.close()


def _pooler() -> ConnectorError:
    """We may not look through one: what is set for one session would hold for those of others too."""
    return unreachable(
        "policy",
        "A pooler (as PgBouncer) stands before this PostgreSQL, and does not pass on that our session is read-only:"
        " register the server's own address",
    )


async def _refuse_pooler(connection: psycopg.AsyncConnection[DictRow]) -> None:
    """Raises Unreachable, with the connection closed, where what we asked for at its start is not in force."""
    told = connection.info.parameter_status("default_transaction_read_only")
    if told is None:  # an older server, which does not tell by itself
        found = await (
            await connection.execute("select current_setting('default_transaction_read_only') as it")
        ).fetchone()
        told = str(found["it"]) if found else None
    if told != "on":
        await connection.close()
        raise _pooler()


async def _speak_utf8(connection: psycopg.AsyncConnection[DictRow]) -> None:
    """The server converts for us, but for a database in SQL_ASCII: it would refuse what is no UTF-8."""
    encodings = [connection.info.parameter_status(f"{side}_encoding") for side in ("server", "client")]
    if encodings[0] != "SQL_ASCII" and encodings[1] != "UTF8":
        await connection.execute("set client_encoding to 'UTF8'")


@functools.cache
def _text_of_any_encoding() -> type[Loader]:
    """Statements of sessions in other databases come in those databases' encodings, and the server says nothing."""
    from psycopg.adapt import Loader

    class AnyText(Loader):
        def load(self, data: Buffer) -> str:
            return bytes(data).decode("utf-8", "replace")

    return AnyText


def _primary(exc: psycopg.Error) -> str:
    return (exc.diag.message_primary or "no reason given")[:300]


def _refusal(exc: psycopg.Error, password: str) -> ConnectorError:
    """Our error for a connection that was not made, by what the server or the network said."""
    text = str(exc).strip()
    if password:
        text = text.replace(password, "***")
    text = text.rpartition("failed: ")[2].split("\n")[0][:300] or "connection failed"
    low = text.lower()
    # The order counts: a pg_hba.conf refusal names user and database in one sentence.
    if any(word in low for word in _AUTH_WORDS) and "too many" not in low:
        return AuthFailed(f"PostgreSQL refused our sign-in: {text}", extra={"kind": "auth"})
    if "unsupported startup parameter" in low:
        return _pooler()
    for kind, words in _REFUSALS:
        if any(word in low for word in words):
            return unreachable(kind, f"PostgreSQL refused the connection: {text}")
    if "fatal:" in low:
        return unreachable("refused", f"PostgreSQL refused the connection: {text}")
    if "ssl" in low or "certificate" in low:
        return unreachable("tls", f"TLS to PostgreSQL failed: {text}")
    return unreachable("tcp", f"No connection to PostgreSQL: {text}")
