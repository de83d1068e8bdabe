"""Schedules: a task submitted again and again, at the times of a cron expression.

The leader watches over them. Each firing has a key that is derived from its schedule and its time, so that it is
submitted once whoever fires it; times that were missed while nobody led are made up by one firing.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import sqlalchemy as sa
from croniter import CroniterError, croniter
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core import feed
from opsteward.core.changes import Change, record_changes
from opsteward.core.clock import now
from opsteward.core.db import Database, tenant_of
from opsteward.core.errors import Conflict, Invalid, NotFound, OpsError, Unavailable
from opsteward.core.ids import derived_id, uuid7
from opsteward.core.keyset import in_order
from opsteward.core.log import get_logger
from opsteward.core.pause import pause
from opsteward.core.references import called
from opsteward.tasks.models import TaskSchedule
from opsteward.tasks.submission import Submission
from opsteward.tasks.types import SCHEDULES, NewTask, ScheduleInfo
from opsteward.telemetry import audit

log = get_logger(__name__)

#: What schedules can be ordered by.
ORDERS: dict[str, Any] = {
    "name": TaskSchedule.name,
    "next": sa.case((TaskSchedule.paused, sa.literal_column("'infinity'::timestamptz")), else_=TaskSchedule.next_at),
    "last": sa.func.coalesce(TaskSchedule.last_at, sa.func.to_timestamp(0)),
}
_LOOK_ANYWAY = 60.0
_RETRY = 1.0  # seconds until the next look while the database is away
_MAX_CRON = 200
#: The library's own "at random": no two processes would agree on the next time.
_RANDOM = re.compile(r"(?<![A-Za-z])R", re.IGNORECASE)


class Schedules:
    """Makes, changes and fires them; one per process, `run()` on the leader alone."""

    def __init__(self, submission: Submission) -> None:
        self._submission = submission
        self._changed = asyncio.Event()

    async def create(
        self, session: AsyncSession, *, name: str, cron: str, timezone: str, task: Mapping[str, object], actor: str
    ) -> ScheduleInfo:
        """`task` is what NewTask takes. Raises Invalid, and Conflict for a taken name."""
        self._submission.check(_task_of(task))
        row = TaskSchedule(
            id=uuid7(),
            tenant_id=tenant_of(session),
            name=name,
            cron=cron,
            timezone=timezone,
            task=dict(task),
            next_at=next_time(cron, timezone, after=now()),
            created_by=actor,
        )
        taken = sa.select(TaskSchedule.id).where(TaskSchedule.tenant_id == row.tenant_id, TaskSchedule.name == name)
        if await session.scalar(taken) is not None:
            raise Conflict(f"there is a schedule {name[:80]!r} already", remedy="choose another name")
        session.add(row)
        await session.flush()
        await _note(session, "created", row, actor=actor)
        return _info(row)

    async def page(
        self,
        session: AsyncSession,
        *,
        ref: str | None = None,
        after: str | None = None,
        limit: int | None = None,
        by: str = "name",
        descending: bool = False,
        after_id: UUID | None = None,
    ) -> list[ScheduleInfo]:
        """The tenant's schedules by name, behind that of the name `after`; `ref`: by name, id, or a part of the id.
        `by`: in another order of ORDERS, then behind the schedule `after_id`."""
        query = sa.select(TaskSchedule).where(TaskSchedule.tenant_id == tenant_of(session))
        if ref is not None:
            ids = await called(session, TaskSchedule, ref, names=[TaskSchedule.name == ref])
            query = query.where(TaskSchedule.id.in_(ids))
        if after is not None:
            query = query.where(TaskSchedule.name > after)
        query = in_order(query, by=ORDERS[by], row_id=TaskSchedule.id, descending=descending, after=after_id)
        return [_info(row) for row in await session.scalars(query.limit(limit))]

    async def get(self, session: AsyncSession, *, schedule_id: UUID) -> ScheduleInfo:
        """Raises NotFound."""
        return _info(await _row(session, schedule_id))

    async def set_paused(self, session: AsyncSession, *, schedule_id: UUID, paused: bool, actor: str) -> ScheduleInfo:
        """A resumed one fires at its next time; what was missed stays missed. Raises NotFound."""
        row = await _row(session, schedule_id)
        row.paused = paused
        if not paused:
            row.next_at = next_time(row.cron, row.timezone, after=now())
        await _note(session, "paused" if paused else "resumed", row, actor=actor)
        return _info(row)

    async def remove(self, session: AsyncSession, *, schedule_id: UUID, actor: str) -> None:
        """Its tasks stay. Raises NotFound."""
        row = await _row(session, schedule_id)
        await session.delete(row)
        await _note(session, "removed", row, actor=actor)

    def refresh(self) -> None:
        """A schedule has changed."""
        self._changed.set()

    async def run(self, db: Database) -> None:
        """Fire what is due, until cancelled."""
        while True:
            self._changed.clear()
            wait = _RETRY
            with suppress(Unavailable):
                wait = await self._fire_due(db)
            await pause(wait, until=self._changed)

    async def _fire_due(self, db: Database) -> float:
        """Seconds until there is something to do again."""
        async with db.unit_of_work(None) as session:
            due = (await session.execute(sa.text("select * from opsteward.due_schedules()"))).all()
        for row in due:
            try:
                async with db.unit_of_work(row.tenant_id) as session:
                    await self._fire(session, row.id)
            except Unavailable:
                raise  # it is due still
            except OpsError as error:
                log.warning("tasks.schedule.not_fired", schedule_id=str(row.id), error=error.detail)
                await self._put_off(db, row.tenant_id, row.id, error.detail)
        async with db.unit_of_work(None) as session:
            next_at = await session.scalar(sa.text("select opsteward.next_schedule_due()"))
        return _LOOK_ANYWAY if next_at is None else min(_LOOK_ANYWAY, max(0.01, (next_at - now()).total_seconds()))

    async def _fire(self, session: AsyncSession, schedule_id: UUID) -> None:
        row = await _row(session, schedule_id)
        if row.paused or row.next_at > now():
            return
        fired_at = row.next_at
        task = _task_of(row.task, repeat_key=derived_id(row.id, fired_at.isoformat()), schedule_id=row.id)
        await self._submission.submit(session, tasks=[task], actor=f"schedule:{row.name}")
        row.last_at, row.last_error = fired_at, None
        row.next_at = next_time(row.cron, row.timezone, after=now())

    async def _put_off(self, db: Database, tenant_id: UUID, schedule_id: UUID, why: str) -> None:
        """What can't be submitted (its type is gone) is said on the schedule, and tried at its next time; without a
        next time (this machine does not know its time zone) it is paused."""
        with suppress(NotFound):
            async with db.unit_of_work(tenant_id) as session:
                row = await _row(session, schedule_id)
                row.last_error = why[:500]
                try:
                    row.next_at = next_time(row.cron, row.timezone, after=now())
                except Invalid as error:
                    row.paused, row.last_error = True, f"paused: {error.detail}"[:500]


def next_time(cron: str, timezone: str, *, after: datetime) -> datetime:
    """When it fires next. What is set for an hour of the clock (no `*` in minute and hour) fires once in an hour that
    comes twice.

    Raises Invalid for a bad expression, an unknown time zone, a time that never comes.
    """
    if timezone not in available_timezones():
        raise Invalid.field("timezone", f"{timezone[:60]!r} is none", "use an IANA name like Europe/Vienna")
    problem = "is no cron expression of five fields (minute hour day month weekday)"
    if len(cron) > _MAX_CRON or len(cron.split()) != 5 or _RANDOM.search(cron) or not croniter.is_valid(cron):
        raise Invalid.field("cron", problem, "for example: */15 6-20 * * mon-fri")
    zone, once = ZoneInfo(timezone), "*" not in "".join(cron.split()[:2])
    times = croniter(cron, after.astimezone(zone))
    try:
        following: datetime = times.get_next(datetime).astimezone(UTC)
        while once and following.astimezone(zone).fold:
            following = times.get_next(datetime).astimezone(UTC)
    except CroniterError:
        raise Invalid.field("cron", "never comes", "choose a day that exists") from None
    return following


def _task_of(task: Mapping[str, object], **more: Any) -> NewTask:
    return NewTask(**{**task, **more})


async def _row(session: AsyncSession, schedule_id: UUID) -> TaskSchedule:
    row = await session.scalar(
        sa.select(TaskSchedule)
        .where(TaskSchedule.tenant_id == tenant_of(session), TaskSchedule.id == schedule_id)
        .with_for_update()
    )
    if row is None:
        raise NotFound("there is no schedule of this id", remedy="see GET /api/v1/schedules")
    return row


async def _note(session: AsyncSession, what: str, row: TaskSchedule, *, actor: str) -> None:
    await audit.record(
        session,
        actor=actor,
        verb=f"tasks.schedule.{what}",
        object_type="schedule",
        object_id=str(row.id),
        detail={"name": row.name, "cron": row.cron, "task_type": row.task.get("task_type")},
    )
    await record_changes(session, [Change(type="schedule_changed", data={"schedule_id": str(row.id), "what": what})])
    await feed.announce(session, kind=SCHEDULES, object_id=str(row.id))


def _info(row: TaskSchedule) -> ScheduleInfo:
    return ScheduleInfo(
        id=row.id,
        name=row.name,
        cron=row.cron,
        timezone=row.timezone,
        task=row.task,
        paused=row.paused,
        next_at=row.next_at,
        last_at=row.last_at,
        last_error=row.last_error,
        created_by=row.created_by,
        created_at=row.created_at,
    )
