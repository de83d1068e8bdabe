"""What would sign Opsteward in to its own database: no registration may, and no connection, whoever asks.

What works on a system works with the role that was registered for it. On Opsteward's own server, which asks for no
password on its private socket, that could be the superuser: every tenant's rows, and the audit log.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict
from pydantic import BaseModel
from sqlalchemy.exc import ProgrammingError

from opsteward.core.db import Database
from opsteward.core.errors import FieldProblem

_DEFAULT_PORT = 5432


class OwnDatabase:
    """Where Opsteward's own database is, and the roles that are its own."""

    def __init__(self, url: str, *, embedded: bool = False) -> None:
        """`url`: how Opsteward's administrator connects (libpq), `embedded` or not; connects to nothing."""
        known = conninfo_to_dict(url)
        #: Whether other databases may be on its server; the embedded one is Opsteward's alone.
        self.is_shared = not embedded
        self.database = str(known.get("dbname") or "")
        hosts = [*str(known.get("host") or "").split(","), *str(known.get("hostaddr") or "").split(",")]
        self._hosts = [host for host in hosts if host]
        self._ports = {int(port) for port in str(known.get("port") or _DEFAULT_PORT).split(",") if port}
        own = (f"{self.database}_{kind}" for kind in ("owner", "app", "web"))
        self.roles = frozenset({str(known.get("user") or ""), *own})

    def refusal(self, config: BaseModel) -> FieldProblem | None:
        """Why a system with this configuration of a connector can't be registered, or None: a courtesy, since an
        address may lead elsewhere tomorrow; what counts is `OwnServer`, at each connection. Only what names a `host`,
        `port`, `dbname` and `username` is a database. On a server that is shared another database, with a role of its
        own, is nobody's business but the operator's."""
        host, port, dbname, username = (getattr(config, name, None) for name in ("host", "port", "dbname", "username"))
        if not isinstance(host, str) or not isinstance(port, int) or not self._is_here(host, port):
            return None
        if dbname == self.database or not self.is_shared:
            return FieldProblem(
                field="endpoint", problem="is Opsteward's own database", remedy="name another system; see /readyz"
            )
        if username in self.roles:
            return FieldProblem(
                field="credentials.username",
                problem="is a role of Opsteward's own on its own database server",
                remedy="make a role for monitoring: CREATE ROLE ... LOGIN IN ROLE pg_monitor",
            )
        return None

    def _is_here(self, host: str, port: int) -> bool:
        return any(_is_same_place(own, own_port, host, port) for own in self._hosts for own_port in self._ports)


class OwnServer:
    """Opsteward's own database server, as `contracts.connector.OwnServer` says: asked anew each time, since the server
    behind an address may change while we run."""

    def __init__(self, db: Database, own: OwnDatabase) -> None:
        self._db = db
        self.database = own.database
        self.roles = own.roles
        self.is_shared = own.is_shared

    async def identifier(self) -> str | None:
        """Its system identifier, or None where our role may not read it. Raises Unavailable."""
        try:
            row = await self._db.look_up(
                "select cast(system_identifier as text) as id from pg_catalog.pg_control_system()", {}
            )
        except ProgrammingError:  # a hardened server keeps it from us
            return None
        return str(row.id) if row is not None else None

    async def holds(self, lock: int) -> bool:
        """Whether some session on it holds this advisory lock (64 bits). Raises Unavailable."""
        row = await self._db.look_up(
            "select 1 from pg_catalog.pg_locks where locktype = 'advisory' and granted and objsubid = 1"
            " and cast(classid as bigint) = :high and cast(objid as bigint) = :low",
            {"high": lock >> 32, "low": lock & 0xFFFFFFFF},
        )
        return row is not None


def _is_same_place(own: str, own_port: int, host: str, port: int) -> bool:
    if own.startswith("/"):
        return host.startswith("/") and _is_same_socket(own, own_port, host, port)
    if port != own_port:
        return False
    if _is_loopback(own):
        return _is_loopback(host) or host.startswith("/")
    return host.casefold().rstrip(".") == own.casefold().rstrip(".")


def _is_same_socket(own: str, own_port: int, host: str, port: int) -> bool:
    """By folder or by file, through whatever links lead there."""
    if Path(os.path.realpath(host)).is_relative_to(os.path.realpath(own)):
        return True
    try:
        return Path(host, f".s.PGSQL.{port}").samefile(Path(own, f".s.PGSQL.{own_port}"))
    except OSError:
        return False


def _is_loopback(host: str) -> bool:
    """This machine by name or address, also in the short forms that the resolver takes (127.1)."""
    if host.casefold().rstrip(".") == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            address = ipaddress.ip_address(socket.inet_aton(host))
        except OSError:
            return False
    return address.is_loopback or address.is_unspecified
