"""The database as the rooms see it: one declarative base, engines by role, one unit of work.

Row-level security does the tenant isolation: every transaction names its tenant, and one that does not sees no
row. The three roles (owner, app, web) are made in `core.provision`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from functools import partial
from typing import Any, TypeAlias
from uuid import UUID

import psycopg
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.exc import IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, SessionTransaction, mapped_column

from opsteward.core.errors import Conflict, Unavailable
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.core.plain_json import json_text
from opsteward.core.process_identity import session_mark
from opsteward.core.shared_look_ups import SharedLookUps

SCHEMA = "opsteward"
APPLICATION_NAME = "opsteward"
_BY_HASH = (
    "select keys.one as key, found.* from unnest(cast(:keys as bytea[])) as keys (one)"
    " cross join lateral look_up(keys.one) as found"
)
_UNIQUE_VIOLATION = "23505"
_LOOKING_UP = 4  # connections for look-ups, each of which holds one for well below a millisecond


class Base(DeclarativeBase):
    """All tables of the product, in the schema `opsteward`."""

    metadata = sa.MetaData(
        schema=SCHEMA,
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        },
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own convention
        datetime: sa.DateTime(timezone=True),
        JsonObject: JSONB,
        list[JsonObject]: JSONB,
        list[str]: ARRAY(sa.Text),
        list[UUID]: ARRAY(sa.Uuid),
        str: sa.Text,
    }


class TenantRow:
    """Mix-in of every table whose rows belong to a tenant; the migration gives such a table its policy."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    tenant_id: Mapped[UUID] = mapped_column(index=False)


#: What a unit of work is for those that hand it on.
DatabaseSession: TypeAlias = AsyncSession


class _UnitOfWork(Session):
    """A session that begins its transaction, and names its tenant to the database, as soon as it has a connection."""


@sa.event.listens_for(_UnitOfWork, "after_begin")
def _begin(session: Session, transaction: SessionTransaction, connection: sa.Connection) -> None:
    """In one round trip: the connections of the engine are in the driver's autocommit, so that it sends no BEGIN of
    its own. What ends the transaction is sent as ever."""
    if transaction.nested:
        return
    tenant_id = session.info["tenant_id"]
    named = "" if tenant_id is None else f"; select set_config('opsteward.tenant', '{UUID(str(tenant_id))}', true)"
    connection.exec_driver_sql(f"begin{named}")


class Database:
    """The engine of one role in one event loop."""

    def __init__(
        self,
        url: str,
        *,
        name: str,
        pool_size: int = 5,
        pool_max: int = 20,
        pool_timeout: float = 10.0,
        session_info: Mapping[str, object] | None = None,
    ) -> None:
        """`pool_timeout`: seconds to wait for a free connection; `session_info`: what each session's `info` holds."""
        self.name = name
        self._session_info = dict(session_info or {})
        self._by_hash: dict[str, SharedLookUps[sa.Row[Any]]] = {}
        self.application_name = f"{APPLICATION_NAME} {name} {session_mark()}"
        self.conninfo = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        options: dict[str, Any] = {
            "isolation_level": "AUTOCOMMIT",  # of the driver: see `_begin`
            "pool_timeout": pool_timeout,
            "pool_recycle": 1800,
            "pool_use_lifo": True,  # the one just used has its statements prepared; the others may rest
            "json_serializer": json_text,
            "connect_args": {
                "application_name": self.application_name,
                "connect_timeout": 5,
                "options": "-c statement_timeout=60000 -c idle_in_transaction_session_timeout=60000",
            },
        }
        address = sa.make_url(url).set(drivername="postgresql+psycopg")
        overflow = max(0, pool_max - pool_size)
        self._engine: AsyncEngine = create_async_engine(address, pool_size=pool_size, max_overflow=overflow, **options)
        # Of its own: look-ups wait for no transaction.
        self._alone = create_async_engine(address, pool_size=min(pool_size, _LOOKING_UP), max_overflow=0, **options)

    async def look_up(self, statement: str, parameters: Mapping[str, object]) -> sa.Row[Any] | None:
        """The row that one statement finds which belongs to no tenant, in one round trip: no transaction around it.

        Raises Unavailable as `unit_of_work` does.
        """
        with _told():
            async with self._alone.connect() as connection:
                return (await connection.execute(sa.text(statement), parameters)).first()

    async def find_by_hash(self, function: str, key: bytes) -> sa.Row[Any] | None:
        """The row that a function of ours gives for a hash, which belongs to no tenant; many callers share a statement.

        Raises Unavailable as `unit_of_work` does.
        """
        shared = self._by_hash.get(function)
        if shared is None:
            statement = sa.text(_BY_HASH.replace("look_up(", f"{SCHEMA}.{function}("))
            shared = self._by_hash[function] = SharedLookUps(partial(self._rows_by_hash, statement))
        return await shared.find(key)

    async def _rows_by_hash(self, statement: sa.TextClause, keys: Sequence[bytes]) -> dict[bytes, sa.Row[Any]]:
        with _told():
            async with self._alone.connect() as connection:
                rows = await connection.execute(statement, {"keys": list(keys)})
                return {bytes(row.key): row for row in rows}

    @asynccontextmanager
    async def unit_of_work(self, tenant_id: UUID | None) -> AsyncIterator[AsyncSession]:
        """One transaction for one tenant: committed at the end, rolled back on any error. It takes a connection at its
        first statement.

        `None` is for what belongs to no tenant (process heartbeats, look-up functions): no tenant's row is
        visible then. Raises Unavailable when the database is away, no connection is free in time or two transactions
        wait for each other; Conflict when another transaction has just added the same.
        """
        with _told():
            info = self._session_info | {"tenant_id": tenant_id}
            made = AsyncSession(self._engine, expire_on_commit=False, sync_session_class=_UnitOfWork, info=info)
            async with made as session, session.begin():
                yield session
                for when in ("at_the_end", "last"):
                    for finish in session.info.get(when, {}).values():
                        await finish(session)

    @asynccontextmanager
    async def leadership(self, lock: int, *, holder: str) -> AsyncIterator[Callable[[], Awaitable[None]] | None]:
        """Hold a session-wide advisory lock on a connection of its own, or yield None when another has it.

        The session is named `holder` while it holds the lock, so that others can end it when its process is frozen.
        What is yielded raises Unavailable once the connection, and with it the lock, is gone.
        """
        try:
            async with self._engine.connect() as connection:
                if not await connection.scalar(sa.text("select pg_try_advisory_lock(:lock)"), {"lock": lock}):
                    yield None
                    return
                await connection.execute(
                    sa.text("select set_config('application_name', :holder, false)"), {"holder": holder}
                )

                async def held() -> None:
                    try:
                        await connection.execute(sa.text("select 1"))
                    except (OperationalError, InterfaceError) as error:
                        raise Unavailable from error

                try:
                    yield held
                finally:
                    await connection.invalidate()  # closes the session, which frees the lock
        except (OperationalError, InterfaceError) as error:
            raise Unavailable from error

    async def close(self) -> None:
        """Give back all connections."""
        await self._engine.dispose()
        await self._alone.dispose()


@contextmanager
def _told() -> Iterator[None]:
    """What the database refuses or fails in, as errors of ours."""
    try:
        yield
    except IntegrityError as error:
        if getattr(error.orig, "sqlstate", None) != _UNIQUE_VIOLATION:
            raise
        raise Conflict("the same was added at the same moment", remedy="look again, then repeat it") from error
    except (OperationalError, InterfaceError, PoolTimeout, TimeoutError) as error:
        if isinstance(error, OperationalError) and not _is_passing(getattr(error.orig, "sqlstate", None)):
            raise
        raise _unavailable(error.orig if isinstance(error, OperationalError) else error) from error
    except psycopg.OperationalError as error:  # of `copy`, which SQLAlchemy knows nothing of
        if not _is_passing(error.sqlstate):
            raise
        raise _unavailable(error) from error


def _is_passing(state: str | None) -> bool:
    """Whether trying again helps: the server is away, or its disk, memory or connections are used up, a statement took
    too long, transactions got in each other's way. All of it is rolled back."""
    return state is None or state[:2] in ("08", "40", "53", "57", "58") or state == "55P03"


def _unavailable(error: BaseException | None) -> Unavailable:
    """With what is used up, where that is the cause."""
    used_up = {"53100": "disk is full", "53200": "memory is used up", "53300": "connections are used up"}
    cause = used_up.get(getattr(error, "sqlstate", None) or "")
    if cause is None:
        return Unavailable()
    return Unavailable(f"the database's {cause}; nothing was taken", remedy="give it room, then repeat the request")


def at_the_end(
    session: AsyncSession, name: str, finish: Callable[[AsyncSession], Awaitable[None]], *, last: bool = False
) -> None:
    """Do `finish(session)` once, as the last thing in this unit of work: what was gathered is written at once.

    `last`: after those that are not, one of which may have done its work as well.
    """
    session.info.setdefault("last" if last else "at_the_end", {})[name] = finish


def when_committed(session: AsyncSession, do: Callable[[], None]) -> None:
    """Call `do` once this unit of work is committed, and never when it is rolled back; it must be quick."""
    waits = True

    def committed(whole: Session) -> None:
        nonlocal waits
        if waits and not whole.in_nested_transaction():  # the end of a savepoint is told as well
            waits = False
            do()

    sa.event.listen(session.sync_session, "after_commit", committed)


async def copy_text(session: AsyncSession, statement: str, lines: Iterable[str]) -> None:
    """`copy ... from stdin` in this unit of work; `lines` are in COPY's text format, each with its end."""
    raw = await (await session.connection()).get_raw_connection()
    async with raw.driver_connection.cursor() as cursor, cursor.copy(statement.encode()) as copying:  # type: ignore[union-attr]
        await copying.write("".join(lines).encode())


async def leave_to_the_log_writer(session: AsyncSession) -> None:
    """Don't wait until this unit of work is on disk, which a later one's commit will do.

    A crash of the database itself may lose the last of such, as a whole; so it is for steps of a work whose place is
    kept with them, that would be done again, and whose last step waits.
    """
    await session.execute(sa.text("set local synchronous_commit = off"))


def tenant_of(session: AsyncSession) -> UUID:
    """The tenant of this unit of work; filters name it beside the policy, so that indexes are used."""
    tenant_id = session.info["tenant_id"]
    if tenant_id is None:
        raise RuntimeError("this unit of work has no tenant")
    return UUID(str(tenant_id))


class Installation(Base):
    """One row: which tables, which engine and which functions this database holds."""

    __tablename__ = "installation"

    migration: Mapped[str] = mapped_column(primary_key=True)
    engine: Mapped[str]
    functions: Mapped[str]
    key_fingerprint: Mapped[str | None]
