"""Heartbeats: what must call us, and is missed when it does not (a dead man's switch).

A heartbeat is a system like any other, with health, history, maintenance and incidents, but for one thing: nobody looks
at it, it calls `/ping/<key>`. When the call is due follows from a period or a cron expression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.crypto import new_token, token_hash
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import Invalid, LimitExceeded, NotFound
from opsteward.core.keyset import in_order
from opsteward.systems.models import Heartbeat, System
from opsteward.systems.rows import ORDERS as SYSTEM_ORDERS
from opsteward.systems.service import Inventory, NewSystem
from opsteward.tasks.schedules import next_time
from opsteward.telemetry import audit

MIN_PERIOD, MAX_PERIOD = 10, 366 * 86_400
MIN_GRACE, MAX_GRACE = 1, 31 * 86_400
PINGS_A_MINUTE = 30
#: What heartbeats can be ordered by, each with the key of its own table.
ORDERS: dict[str, tuple[Any, Any]] = {
    "made": (Heartbeat.system_id, Heartbeat.system_id),
    "name": (System.name_key, System.id),
    "state": (SYSTEM_ORDERS["health"], System.id),
    "last": (sa.func.coalesce(Heartbeat.last_ping_at, sa.func.to_timestamp(0)), Heartbeat.system_id),
    "late": (Heartbeat.late_at, Heartbeat.system_id),
}
_EARLY = timedelta(seconds=5)  # a clock that runs ahead is no reason to expect the call once more
_MAX_DURATION = timedelta(days=31)


@dataclass(frozen=True, kw_only=True)
class NewHeartbeat:
    """What is needed to register one: `period` seconds between calls, or `cron` in `timezone`; `grace` seconds more."""

    name: str
    period: int | None = None
    cron: str | None = None
    timezone: str = "UTC"
    grace: int = 300
    criticality: str = "standard"


@dataclass(frozen=True, kw_only=True)
class HeartbeatInfo:
    """A heartbeat; `id` is that of its system. `late_at`: from then on it is missed. `last_signal`: success, start,
    fail, or exit <code>; `last_duration`: seconds from the last start to the end that followed it."""

    id: UUID
    name: str
    status: str
    period: int | None
    cron: str | None
    timezone: str
    grace: int
    late_at: datetime
    last_ping_at: datetime | None
    last_signal: str | None
    last_duration: float | None
    running_since: datetime | None
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """The only time the key of a heartbeat is seen: whoever has it can call for the heartbeat, and nothing else."""

    id: UUID
    key: str


@dataclass(frozen=True)
class Signal:
    """What a call says: that the work was done, was started, or has failed (with an exit code, if it told one)."""

    name: str
    exit_code: int | None = None

    @property
    def failed(self) -> bool:
        """Whether the work went wrong."""
        return self.name == "fail"

    def __str__(self) -> str:
        return self.name if self.exit_code is None else f"exit {self.exit_code}"


def signal_of(text: str) -> Signal:
    """`success`, `start`, `fail` or an exit code from 0 to 255. Raises NotFound for anything else."""
    if text in ("success", "start", "fail"):
        return Signal(text)
    if text.isascii() and text.isdigit() and len(text) <= 3 and int(text) <= 255:
        return Signal("fail" if int(text) else "success", exit_code=int(text))
    raise NotFound("a heartbeat knows no such signal", remedy="end with nothing, /start, /fail or an exit code 0-255")


async def register(
    session: AsyncSession, inventory: Inventory, *, new: NewHeartbeat, actor: str
) -> tuple[HeartbeatInfo, NewKey]:
    """Expect a call from now on. Raises Invalid naming the field, Conflict for a taken name."""
    _check(new)
    system = await inventory.register(
        session,
        new=NewSystem(
            name=new.name,
            type="service",
            endpoint=f"heartbeat:{new.name}",
            criticality=new.criticality,
            calls_us=True,
        ),
        actor=actor,
    )
    key = new_token()
    row = Heartbeat(
        tenant_id=tenant_of(session),
        system_id=system.id,
        key_hash=token_hash(key),
        period=new.period,
        cron=new.cron,
        timezone=new.timezone,
        grace=new.grace,
        late_at=now(),
        failed=False,
        minute=now(),
        pings_in_minute=0,
    )
    row.late_at = _late_at(row, now())
    session.add(row)
    await session.flush()
    return await get(session, system_id=system.id), NewKey(id=system.id, key=key)


async def get(session: AsyncSession, *, system_id: UUID) -> HeartbeatInfo:
    """Raises NotFound."""
    found = await _read(session, Heartbeat.system_id == system_id)
    if not found:
        raise NotFound("no heartbeat of this id", remedy="see GET /api/v1/heartbeats")
    return found[0]


async def list_heartbeats(
    session: AsyncSession,
    *,
    after: UUID | None = None,
    limit: int = 1000,
    by: str = "made",
    descending: bool = True,
) -> list[HeartbeatInfo]:
    """The newest first, or in another order of ORDERS; `after`: behind this one."""
    column, row_id = ORDERS[by]
    query = in_order(_with_systems(session), by=column, row_id=row_id, descending=descending, after=after)
    return _views(await session.execute(query.limit(limit)))


async def new_key(session: AsyncSession, *, system_id: UUID, actor: str) -> NewKey:
    """A new key in the place of the old one, which is taken no more. Raises NotFound."""
    key = new_token()
    found = await session.scalar(
        sa.update(Heartbeat)
        .where(Heartbeat.tenant_id == tenant_of(session), Heartbeat.system_id == system_id)
        .values(key_hash=token_hash(key))
        .returning(Heartbeat.system_id)
    )
    if found is None:
        raise NotFound("no heartbeat of this id", remedy="see GET /api/v1/heartbeats")
    await audit.record(
        session, actor=actor, verb="heartbeat.key_changed", object_type="system", object_id=str(system_id)
    )
    return NewKey(id=system_id, key=key)


async def take_ping(db: Database, *, key: str, signal: Signal) -> None:
    """Note a call. Raises NotFound for a key that nobody has, LimitExceeded for too many within a minute."""
    owner = await db.find_by_hash("heartbeat_of", token_hash(key))
    if owner is None:
        raise NotFound("no heartbeat has this key")
    async with db.unit_of_work(owner.tenant_id) as session:
        row = await session.scalar(
            sa.select(Heartbeat)
            .where(Heartbeat.tenant_id == owner.tenant_id, Heartbeat.system_id == owner.system_id)
            .with_for_update()
        )
        if row is None:
            raise NotFound("no heartbeat has this key")
        _note(row, signal, now())


async def take_calls(session: AsyncSession, calls: Sequence[tuple[str, Signal]]) -> None:
    """Note calls of a sender that may send events, in their order, each by its heartbeat's name; names that none has
    are passed over. Raises LimitExceeded for too many within a minute.
    """
    names = sorted({name for name, _ in calls})
    rows = await session.execute(
        sa.select(System.name, Heartbeat)
        .join(System, sa.and_(System.tenant_id == Heartbeat.tenant_id, System.id == Heartbeat.system_id))
        .where(Heartbeat.tenant_id == tenant_of(session), System.name == sa.any_(sa.literal(names, ARRAY(sa.Text))))
        .order_by(Heartbeat.system_id)  # in one order everywhere, so that two transactions never wait in a circle
        .with_for_update(of=Heartbeat)
    )
    known, at = {row.name: row.Heartbeat for row in rows}, now()
    for name, signal in calls:
        if name in known:
            _note(known[name], signal, at)


def _note(row: Heartbeat, signal: Signal, at: datetime) -> None:
    minute = at.replace(second=0, microsecond=0)
    row.pings_in_minute = row.pings_in_minute + 1 if row.minute == minute else 1
    row.minute = minute
    if row.pings_in_minute > PINGS_A_MINUTE:
        raise LimitExceeded(
            f"a heartbeat is called at most {PINGS_A_MINUTE} times a minute",
            remedy="call once when the work is done",
            extra={"retry_after": 60 - at.second},
        )
    row.last_ping_at, row.last_signal = at, str(signal)
    if signal.name == "start":
        # what was started must end within the grace time; to start once more gains none, and mends nothing
        if row.running_since is None and row.late_at > at:
            row.late_at = at + timedelta(seconds=row.grace)
        row.running_since = at
        return
    if row.running_since is not None:
        row.last_duration = min(at - row.running_since, _MAX_DURATION).total_seconds()
    row.running_since, row.failed = None, signal.failed
    row.late_at = _late_at(row, at)


def _late_at(row: Heartbeat, at: datetime) -> datetime:
    if row.cron is not None:
        due = next_time(row.cron, row.timezone, after=at + _EARLY)
    else:
        due = at + timedelta(seconds=row.period or MIN_PERIOD)
    return due + timedelta(seconds=row.grace)


def _check(new: NewHeartbeat) -> None:
    if (new.cron is None) == (new.period is None):
        raise Invalid.field("period", "is needed, or a cron expression, and not both", "give one of the two")
    if new.period is not None and not MIN_PERIOD <= new.period <= MAX_PERIOD:
        raise Invalid.field("period", "is no usable time", f"give seconds from {MIN_PERIOD} to {MAX_PERIOD}")
    if not MIN_GRACE <= new.grace <= MAX_GRACE:
        raise Invalid.field("grace", "is no usable time", f"give seconds from {MIN_GRACE} to {MAX_GRACE}")
    next_time(new.cron or "* * * * *", new.timezone, after=now())  # raises Invalid


def _with_systems(session: AsyncSession) -> sa.Select[Heartbeat, str, str, datetime]:
    return (
        sa.select(Heartbeat, System.name, System.health, System.created_at)
        .join(System, sa.and_(System.tenant_id == Heartbeat.tenant_id, System.id == Heartbeat.system_id))
        .where(Heartbeat.tenant_id == tenant_of(session))
    )


async def _read(session: AsyncSession, which: sa.ColumnElement[bool]) -> list[HeartbeatInfo]:
    return _views(await session.execute(_with_systems(session).where(which).limit(1)))


def _views(rows: sa.Result[Heartbeat, str, str, datetime]) -> list[HeartbeatInfo]:
    return [
        HeartbeatInfo(
            id=row.system_id,
            name=name,
            status=health,
            period=row.period,
            cron=row.cron,
            timezone=row.timezone,
            grace=row.grace,
            late_at=row.late_at,
            last_ping_at=row.last_ping_at,
            last_signal=row.last_signal,
            last_duration=row.last_duration,
            running_since=row.running_since,
            created_at=created_at,
        )
        for row, name, health, created_at in rows
    ]
