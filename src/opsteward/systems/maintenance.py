"""Maintenance windows: while one is open, trouble of its systems is recorded but raises no alert.

A window is open once, from `starts_at` to `ends_at`, or again and again: from each time of a cron expression in a time
zone, for `duration` seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, Invalid, NotFound
from opsteward.core.ids import uuid7
from opsteward.systems.models import System, Window
from opsteward.tasks.schedules import next_time
from opsteward.telemetry import audit

MAX_WINDOWS = 1000
MAX_DURATION = 7 * 86_400
_MAX_SINGLE = timedelta(days=90)


@dataclass(frozen=True, kw_only=True)
class MaintenanceWindow:
    """`system_id` null: all systems. Either `starts_at` and `ends_at`, or `cron` in `timezone` with `duration` seconds;
    `next_at`: when it opens next, null when never."""

    id: UUID
    system_id: UUID | None
    reason: str
    starts_at: datetime | None
    ends_at: datetime | None
    cron: str | None
    timezone: str
    duration: int | None
    created_by: str
    created_at: datetime
    active: bool
    next_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class NewWindow:
    """What is needed to plan one; `starts_at` is now if it is left out."""

    system_id: UUID | None = None
    reason: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    cron: str | None = None
    timezone: str = "UTC"
    duration: int | None = None


async def plan_window(session: AsyncSession, *, new: NewWindow, actor: str) -> MaintenanceWindow:
    """Plan a window. Raises Invalid naming the field, Conflict when there are too many."""
    starts_at = _checked(new)
    if new.system_id is not None:
        known = await session.scalar(
            sa.select(System.id).where(System.tenant_id == tenant_of(session), System.id == new.system_id)
        )
        if known is None:
            raise Invalid.field("system_id", "is no registered system", "see GET /api/v1/systems")
    count = await session.scalar(sa.select(sa.func.count()).where(Window.tenant_id == tenant_of(session)))
    if (count or 0) >= MAX_WINDOWS:
        raise Conflict(f"there are {MAX_WINDOWS} maintenance windows already", remedy="remove those that are over")
    row = Window(
        id=uuid7(),
        tenant_id=tenant_of(session),
        system_id=new.system_id,
        reason=new.reason,
        starts_at=starts_at,
        ends_at=new.ends_at,
        cron=new.cron,
        timezone=new.timezone,
        duration=new.duration,
        created_by=actor,
        created_at=now(),
    )
    session.add(row)
    await session.flush()
    await audit.record(
        session, actor=actor, verb="maintenance.planned", object_type="maintenance_window", object_id=str(row.id)
    )
    return _seen(row, now())


async def list_windows(
    session: AsyncSession, *, system_id: UUID | None = None, after: UUID | None = None, limit: int = MAX_WINDOWS
) -> list[MaintenanceWindow]:
    """The windows that are or will be open, and those that are over, newest first; of one system: also those of all.
    `after`: older than this one."""
    query = sa.select(Window).where(Window.tenant_id == tenant_of(session))
    if system_id is not None:
        query = query.where(sa.or_(Window.system_id == system_id, Window.system_id.is_(None)))
    if after is not None:
        query = query.where(Window.id < after)
    at = now()
    return [_seen(row, at) for row in await session.scalars(query.order_by(Window.id.desc()).limit(limit))]


async def end_window(session: AsyncSession, *, window_id: UUID, actor: str) -> None:
    """Remove a window: alerts are raised again from now on. Raises NotFound."""
    gone = await session.scalar(
        sa.delete(Window).where(Window.tenant_id == tenant_of(session), Window.id == window_id).returning(Window.id)
    )
    if gone is None:
        raise NotFound("no maintenance window of this id")
    await audit.record(
        session, actor=actor, verb="maintenance.ended", object_type="maintenance_window", object_id=str(window_id)
    )


async def active_window(session: AsyncSession, *, system_id: UUID, at: datetime) -> MaintenanceWindow | None:
    """The window that is open for a system at this instant."""
    rows = await session.scalars(
        sa.select(Window).where(
            Window.tenant_id == tenant_of(session),
            sa.or_(Window.system_id == system_id, Window.system_id.is_(None)),
            sa.or_(Window.cron.is_not(None), sa.and_(Window.starts_at <= at, Window.ends_at > at)),
        )
    )
    return next((seen for row in rows if (seen := _seen(row, at)).active), None)


def _checked(new: NewWindow) -> datetime | None:
    """The start of a window that is open once. Raises Invalid."""
    if new.cron is None:
        if new.ends_at is None:
            raise Invalid.field("ends_at", "is missing", "give an end, or a cron expression and a duration")
        if new.duration is not None:
            raise Invalid.field("duration", "goes with a cron expression alone", "leave it out, or give cron")
        start = new.starts_at or now()
        if new.ends_at <= max(start, now()):
            raise Invalid.field("ends_at", "is not in the future, or not after the start", "give a later instant")
        if new.ends_at - start > _MAX_SINGLE:
            raise Invalid.field("ends_at", "is more than 90 days after the start", "disable the system instead")
        return start
    if new.starts_at is not None or new.ends_at is not None:
        raise Invalid.field("cron", "does not go with starts_at and ends_at", "give one or the other")
    if new.duration is None or not 60 <= new.duration <= MAX_DURATION:
        raise Invalid.field("duration", "is no usable length", f"give seconds from 60 to {MAX_DURATION}")
    next_time(new.cron, new.timezone, after=now())  # raises Invalid
    return None


def _seen(row: Window, at: datetime) -> MaintenanceWindow:
    active, next_at = _times(row, at)
    return MaintenanceWindow(
        id=row.id,
        system_id=row.system_id,
        reason=row.reason,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        cron=row.cron,
        timezone=row.timezone,
        duration=row.duration,
        created_by=row.created_by,
        created_at=row.created_at,
        active=active,
        next_at=next_at,
    )


def _times(row: Window, at: datetime) -> tuple[bool, datetime | None]:
    if row.cron is not None and row.duration is not None:
        last = next_time(row.cron, row.timezone, after=at - timedelta(seconds=row.duration))
        return last <= at, next_time(row.cron, row.timezone, after=at)
    if row.starts_at is None or row.ends_at is None:
        return False, None
    return row.starts_at <= at < row.ends_at, row.starts_at if row.starts_at > at else None
