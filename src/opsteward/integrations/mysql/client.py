"""One connection to a MariaDB or MySQL server; the only user of asyncmy."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from opsteward.core.errors import AuthFailed, BadReply, ConnectorError, RateLimited, Timeout
from opsteward.core.http_client import REGISTERED_SYSTEMS, resolve_host, unreachable
from opsteward.integrations.mysql.config import MysqlConfig

DUPLICATE = 1062
DEADLOCKS = frozenset({1205, 1213})
_SIGN_IN = frozenset({1044, 1045, 1251, 1275, 1524, 1698, 1862, 2059, 3118, 4151})
_PERMISSION = frozenset({1142, 1143, 1227, 1370})
_BUSY = frozenset({1040, 1203, 1226})
_GONE = frozenset({2003, 2006, 2013, 2014, 2055})


def refused_by_number(error: BadReply) -> int:
    """The server's own code of a statement that it refused; 0 for a reply that can't be understood."""
    return int(error.extra.get("number", 0))


class MysqlClient:
    """Connects with the first statement. Raises only ConnectorError subclasses."""

    def __init__(self, config: MysqlConfig) -> None:
        self._config = config
        self._connection: Any = None

    async def rows(self, statement: str, params: Sequence[object] = ()) -> list[dict[str, Any]]:
        """The rows of one statement."""
        async with self.bounded() as connection, connection.cursor(_dict_cursor()) as cursor:
            await cursor.execute(statement, list(params) or None)
            return list(await cursor.fetchall())

    async def execute(self, statement: str, params: Sequence[object] = ()) -> int:
        """The number of rows that one statement changed."""
        async with self.bounded() as connection, connection.cursor() as cursor:
            await cursor.execute(statement, list(params) or None)
            return int(cursor.rowcount)

    async def stream(self, statement: str, params: Sequence[object], size: int) -> AsyncIterator[list[dict[str, Any]]]:
        """The rows in parts, of which one is in memory at a time."""
        from asyncmy.cursors import SSDictCursor

        async with self.bounded() as connection:
            cursor = connection.cursor(SSDictCursor)
            await cursor.execute(statement, list(params) or None)
        while True:
            async with self.bounded():
                rows = list(await cursor.fetchmany(size))
            if not rows:
                break
            yield rows
        async with self.bounded():
            await cursor.close()

    @asynccontextmanager
    async def bounded(self) -> AsyncIterator[Any]:
        """The connection, for as long as one statement may take; what goes wrong is an error of ours."""
        connection = await self._open()
        limit = self._config.settings.timeout_seconds
        try:
            async with asyncio.timeout(limit):
                yield connection
        except TimeoutError:
            self._drop()
            raise Timeout(f"the database did not answer within {limit:g} s") from None
        except asyncio.CancelledError:
            self._drop()
            raise
        except _raised_by_library() as error:
            mapped = self._mapped(error)
            if not (isinstance(mapped, BadReply) and refused_by_number(mapped)):
                self._drop()
            raise mapped from None

    async def close(self) -> None:
        """Give the connection back."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):  # a server that is gone is no trouble any more
                connection.close()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()

    async def _open(self) -> Any:
        if self._connection is not None:
            return self._connection
        import asyncmy

        config, limit = self._config, self._config.settings.connect_timeout_seconds
        failure: ConnectorError = unreachable("dns", f"{config.host} has no address")
        for _, address in await resolve_host(config.host, config.port, REGISTERED_SYSTEMS):
            try:
                async with asyncio.timeout(limit):
                    self._connection = await asyncmy.connect(
                        host=address,
                        port=config.port,
                        user=config.username,
                        password=config.password.get_secret_value(),
                        database=config.database or None,
                        charset="utf8mb4",
                        connect_timeout=limit,
                        autocommit=True,
                        local_infile=False,
                        program_name="opsteward",
                        ssl=self._tls(),
                        init_command="set time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,ANSI_QUOTES'",
                    )
                return self._connection
            except TimeoutError:
                failure = Timeout(f"the database did not accept us within {limit:g} s")
            except _raised_by_library() as error:
                failure = self._mapped(error)
                if isinstance(failure, AuthFailed):
                    break
        raise failure from None

    def _tls(self) -> ssl.SSLContext | None:
        settings = self._config.settings
        if not settings.tls:
            return None
        context = _ForName(self._config.host, settings.check_certificate_name)
        try:
            if settings.ca_file:
                context.load_verify_locations(settings.ca_file)
            else:
                context.load_default_certs()
        except OSError as error:
            raise unreachable("tls", f"the CA file can't be read: {error.strerror or error.args[0]}") from None
        return context

    def _mapped(self, error: Exception) -> ConnectorError:
        from asyncmy import errors

        if isinstance(error, ConnectorError):
            return error
        number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        text = str(error.args[1] if len(error.args) > 1 else error)[:300]
        if secret := self._config.password.get_secret_value():
            text = text.replace(secret, "***")
        if isinstance(error, RuntimeError) and "auth method" in text:
            return AuthFailed(
                "the account signs in by a method that is not known here (ed25519):"
                " let it use mysql_native_password or caching_sha2_password",
                extra={"kind": "auth"},
            )
        if number in _SIGN_IN:
            return AuthFailed(f"the database refused our sign-in: {text}", extra={"kind": "auth"})
        if number in _PERMISSION:
            return AuthFailed(f"the database does not permit it: {text}", extra={"kind": "permission"})
        if number in _BUSY:
            return RateLimited(f"the database is full: {text}")
        if "certificate verify failed" in text or isinstance(error, ssl.SSLError):
            return unreachable("tls", f"TLS to the database failed: {text}")
        if number in _GONE or isinstance(error, OSError | EOFError | asyncio.IncompleteReadError):
            return unreachable("tcp", f"no connection to the database: {text or type(error).__name__}")
        if isinstance(error, errors.MySQLError) and number:
            return BadReply(f"the database refused it ({number}): {text}", extra={"number": number})
        return BadReply(f"the database answered something that is not its protocol ({type(error).__name__})")


class _ForName(ssl.SSLContext):
    """Holds the certificate against the name that was registered: the library knows only the address of it that was
    looked up before, and connects to that."""

    _name: str

    def __new__(cls, name: str, is_checked: bool) -> _ForName:
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        context._name, context.check_hostname = name, is_checked
        return context

    def __init__(self, name: str, is_checked: bool) -> None:
        """All is done where it is made."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, server_side, self._name, session)


def _raised_by_library() -> tuple[type[Exception], ...]:
    """What the client raises: its own errors, the network's, and what parsing of bytes that are no protocol gives."""
    from asyncmy import errors

    parsing = (ValueError, TypeError, LookupError, AttributeError, AssertionError, struct.error)
    return (errors.MySQLError, ConnectorError, OSError, EOFError, RuntimeError, *parsing)


def _dict_cursor() -> Any:
    from asyncmy.cursors import DictCursor

    return DictCursor


def quoted(name: str) -> str:
    """A name as SQL takes it."""
    return "`" + name.replace("`", "``") + "`"


def assignments(values: Mapping[str, object]) -> str:
    """`a` = %s, `b` = %s"""
    return ", ".join(f"{quoted(name)} = %s" for name in values)
