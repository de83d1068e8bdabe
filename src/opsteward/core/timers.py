"""Durable timers: what is to be done at an instant, kept in the database and done once by whoever leads.

A timer is a kind and a key of its tenant. It is set, moved and cancelled in the caller's transaction, and taken away
in the transaction that does its work: a process that dies in between leaves it due. Nobody asks the database while
none is due; news of a nearer one comes by the feed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core import feed
from opsteward.core.clock import now
from opsteward.core.db import Base, Database, tenant_of
from opsteward.core.errors import OpsError, Unavailable
from opsteward.core.log import get_logger
from opsteward.core.pause import pause

log = get_logger(__name__)

#: The kind of the notice that says that a timer was set.
TIMERS = "timers"
_LOOK_ANYWAY = 300.0  # seconds, should the news of one be lost
_RETRY = 1.0  # seconds while the database is away
_RETRY_WORK = 30.0  # seconds until work that failed is tried again
Handler = Callable[[AsyncSession, str], Awaitable[None]]


class Timer(Base):
    """One instant that is waited for."""

    __tablename__ = "timers"
    __table_args__ = (sa.Index("ix_timers_due_at", "due_at"),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime]


async def set_timer(session: AsyncSession, *, kind: str, key: str, at: datetime) -> None:
    """Wait for this instant; a timer of this kind and key that waits already is moved to it."""
    row = {"tenant_id": tenant_of(session), "kind": kind, "key": key, "due_at": at}
    await session.execute(
        insert(Timer)
        .values(row)
        .on_conflict_do_update(index_elements=["tenant_id", "kind", "key"], set_={"due_at": at})
    )
    await feed.announce(session, kind=TIMERS, object_id="")


async def cancel_timer(session: AsyncSession, *, kind: str, key: str) -> None:
    """Wait no more."""
    await session.execute(
        sa.delete(Timer).where(Timer.tenant_id == tenant_of(session), Timer.kind == kind, Timer.key == key)
    )


class Timers:
    """Does what has fallen due, on the leader. Handlers are added before `run`, one for each kind."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self._handlers = dict(handlers)
        self._changed = asyncio.Event()

    def refresh(self) -> None:
        """A timer was set."""
        self._changed.set()

    async def run(self, db: Database) -> None:
        """Until cancelled."""
        while True:
            self._changed.clear()
            wait = _RETRY
            try:
                wait = await self.fire_due(db)
            except Unavailable:
                pass
            except Exception:  # a boundary: nor one bad round end the leader's other duties
                log.exception("core.timers.crashed")
            await pause(wait, until=self._changed)

    async def fire_due(self, db: Database) -> float:
        """Do what is due now; seconds until there is something to do again."""
        async with db.unit_of_work(None) as session:
            due = (await session.execute(sa.text("select * from opsteward.due_timers()"))).all()
        for row in due:
            await self._fire_alone(db, row.tenant_id, row.kind, row.key)
        async with db.unit_of_work(None) as session:
            next_at = await session.scalar(sa.text("select opsteward.next_timer_due()"))
        if next_at is None:
            return _LOOK_ANYWAY
        seconds: float = (next_at - now()).total_seconds()
        return min(_LOOK_ANYWAY, max(0.01, seconds))

    async def _fire_alone(self, db: Database, tenant_id: UUID, kind: str, key: str) -> None:
        """In a transaction of its own: one that fails is put off, and holds up no other."""
        try:
            async with db.unit_of_work(tenant_id) as session:
                gone = await session.scalar(
                    sa.delete(Timer)
                    .where(Timer.tenant_id == tenant_id, Timer.kind == kind, Timer.key == key, Timer.due_at <= now())
                    .returning(Timer.key)
                )
                handler = self._handlers.get(kind)
                if gone is not None and handler is not None:
                    await handler(session, key)
            return
        except Unavailable:
            raise
        except OpsError as error:
            log.warning("core.timer.put_off", kind=kind, key=key, error=error.detail)
        except Exception:  # a boundary: see above
            log.exception("core.timer.failed", kind=kind, key=key)
        async with db.unit_of_work(tenant_id) as session:
            later = now().timestamp() + _RETRY_WORK
            await session.execute(
                sa.update(Timer)
                .where(Timer.tenant_id == tenant_id, Timer.kind == kind, Timer.key == key, Timer.due_at <= now())
                .values(due_at=sa.func.to_timestamp(later))
            )
