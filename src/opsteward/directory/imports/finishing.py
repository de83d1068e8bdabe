"""What follows the rows of an import, in steps of one transaction each: managers, those who are absent, the end."""

from __future__ import annotations

import time
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core import feed
from opsteward.core.changes import Change, record_changes
from opsteward.core.clock import now
from opsteward.directory.imports import finishing_sql as sql
from opsteward.directory.imports.batch_sql import PLAN_ANEW
from opsteward.directory.imports.batch_writing import IMPORT, MAX_SHOWN, execute, keep_problems, values_of
from opsteward.directory.imports.models import ImportJob, ImportPart
from opsteward.directory.imports.records import Problem, shown
from opsteward.directory.imports.value_checks import BY_DN, BY_ID
from opsteward.directory.user_changes import PEOPLE
from opsteward.telemetry import audit

_AT_ONCE = 5000


def _head() -> str:
    return f"{time.time_ns() // 1_000_000:012x}"


async def step(session: AsyncSession, job: ImportJob, *, most_leavers: float) -> bool:
    """Do the next step of what follows the rows; False when nothing is left to do. `most_leavers`: a share, 0-1."""
    if job.stage == "managers":
        await _managers(session, job)
    elif job.stage == "guard":
        await _guard(session, job, most_leavers)
    elif job.stage == "leavers":
        await _leavers(session, job)
    elif job.stage == "end":
        await _end(session, job)
        return False
    await session.flush()
    await feed.announce(session, kind=IMPORT, object_id=str(job.id))
    return True


async def _managers(session: AsyncSession, job: ImportJob) -> None:
    values = values_of(job) | {"head": _head(), "dry": job.dry_run, "after": job.cursor, "most": _AT_ONCE}
    await session.execute(PLAN_ANEW)
    if job.cursor is None and not job.dry_run:
        await execute(session, sql.KEEP_NAMES, values)
    await session.execute(sa.text(sql.BOSSES_TABLE))
    await execute(session, sql.BOSSES, values)
    seen = (await session.execute(sql.SEEN)).one()
    problems = [
        Problem(row.row, None, "warning", "manager", _unknown(row.boss), shown(row.manager.lstrip(BY_ID + BY_DN)))
        for row in await session.execute(sql.NOBODY)
    ]
    await keep_problems(session, job, problems)
    if not job.dry_run and seen.rows:
        await execute(session, sql.TOLD, values)
        await execute(session, sql.SET_BOSSES, values)
        await execute(session, sql.CHANGED, values)
    job.changed += seen.changed
    job.unchanged -= seen.changed
    if seen.rows == _AT_ONCE:
        job.cursor = UUID(seen.last)
    else:
        job.cursor, job.progress = None, max(job.progress, 97)
        job.stage = "guard" if job.mode == "full" else "end"


def _unknown(boss: UUID | None) -> str:
    return "names nobody here: left as it was" if boss is None else "is the user itself: left as it was"


async def _guard(session: AsyncSession, job: ImportJob, most_leavers: float) -> None:
    """Whether those who are absent from the file may leave."""
    values = values_of(job) | {"since": job.created_at}
    counted = (await execute(session, sql.ABSENT, values)).one()
    refusal = ""
    if job.error:
        refusal = "nobody leaves: the file could not be read to its end"
    elif job.nameless:
        refusal = f"nobody leaves: of {job.nameless} rows nobody can tell whom they mean"
    elif counted.absent and counted.absent == counted.here:
        refusal = f"nobody leaves: all {counted.here} users would"
    elif counted.absent > most_leavers * counted.here:
        share = 100 * counted.absent / counted.here
        refusal = (
            f"nobody leaves: {counted.absent} of {counted.here} users would ({share:.1f} %), the most is "
            f"{100 * most_leavers:g} % (users_full_import_max_leavers)"
        )
    if refusal and counted.absent:
        await keep_problems(session, job, [Problem(0, None, "error", "mode", refusal, "")])
        job.notes = [*job.notes, refusal]
        job.stage = "end"
        job.digest = None  # once that is mended, or the share is another, the same file is a job of its own
        return
    if job.dry_run:
        names = (await execute(session, sql.ABSENT_SAMPLE, values, most=MAX_SHOWN)).all()
        job.diff = {**job.diff, "left": [{"username": row.username} for row in names]}
        job.departed, job.stage = counted.absent, "end"
        return
    job.stage = "leavers" if counted.absent else "end"


async def _leavers(session: AsyncSession, job: ImportJob) -> None:
    values = values_of(job) | {"head": _head(), "since": job.created_at, "most": _AT_ONCE}
    gone = (await execute(session, sql.LEAVE, values)).rowcount
    job.departed += gone
    if gone:
        counts = {"left": gone}
        await audit.record(
            session, actor=job.requested_by, verb="users.imported", object_type="import", object_id=str(job.id),
            detail=counts,
        )  # fmt: skip
        await record_changes(session, [Change("users_imported", {"job_id": str(job.id), "row": 0, **counts})])
        await feed.announce(session, kind=PEOPLE, object_id=str(job.id))
    if gone < _AT_ONCE:
        job.stage = "end"


async def _end(session: AsyncSession, job: ImportJob) -> None:
    job.status = "failed" if job.error else "completed"
    job.progress, job.ended_at, job.stage = 100, now(), "done"
    of_job = (ImportPart.tenant_id == job.tenant_id, ImportPart.job_id == job.id)
    await session.execute(sa.delete(ImportPart).where(*of_job))
    counts = ("created", "changed", "unchanged", "departed", "failed", "dry_run", "mode")
    await audit.record(
        session, actor=job.requested_by, verb="users.import_ended", object_type="import", object_id=str(job.id),
        detail={name: getattr(job, name) for name in counts},
    )  # fmt: skip
    data = {"job_id": str(job.id), "status": job.status}
    await record_changes(session, [Change("users_import_ended", data)])
    await session.flush()
    await feed.announce(session, kind=IMPORT, object_id=str(job.id))
