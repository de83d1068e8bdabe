"""One batch of checked rows into the tables, in the caller's transaction: its users, their enrolments, access,
history, report, audit and news, and how far the job has come. A batch is done as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core import feed
from opsteward.core.bus import Bus
from opsteward.core.changes import Change, record_changes
from opsteward.core.clock import now
from opsteward.core.db import copy_text
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.core.log import correlation_id
from opsteward.directory.enrollment_rules.rules import Grant, due_access, meeting
from opsteward.directory.enrollment_rules.service import duty_pairs
from opsteward.directory.imports import batch_sql as sql
from opsteward.directory.imports import unchanged_rows
from opsteward.directory.imports.batches import Batch
from opsteward.directory.imports.models import ImportJob
from opsteward.directory.imports.records import Problem, shown
from opsteward.directory.types import UsersEnrolled, UserStatus
from opsteward.directory.user_changes import PEOPLE
from opsteward.telemetry import audit

#: The kind of the notice that says that an import has come further.
IMPORT = "import"
#: Most problems of a job that are kept; all are counted.
MAX_PROBLEMS = 100_000
#: Most users that one message on the bus tells of.
MAX_LET_IN = 5000
#: Most users of each kind that a dry run shows.
MAX_SHOWN = 100


def values_of(job: ImportJob) -> dict[str, object]:
    """What most statements are about."""
    return {
        "tenant": job.tenant_id, "job": job.id, "actor": job.requested_by, "at": now(),
        "correlation": correlation_id.get(),
    }  # fmt: skip


async def execute(
    session: AsyncSession, statement: sa.TextClause, values: Mapping[str, object], **more: object
) -> sa.CursorResult[Any]:
    """With those of the values that the statement names."""
    every = {**values, **more}
    found = await session.execute(statement, {name: every[name] for name in statement._bindparams})
    return cast("sa.CursorResult[Any]", found)


class OutOfOrder(Exception):
    """A row means the user of a known row behind it: which of them counts is seen when all are looked at."""


class _Tally:
    """What becomes of one batch."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.problems = list(batch.problems)
        self.failed = set(batch.failed)
        self.created = self.changed = self.unchanged = 0
        #: unchanged ones that were known before
        self.taken = len(batch.known)
        self.has_rules = False

    def refuse(self, row: int, field: str, reason: str, value: object) -> None:
        self.failed.add(row)
        self._add(row, "error", field, reason, value)

    def warn(self, row: int, field: str, reason: str, value: object) -> None:
        self._add(row, "warning", field, reason, value)

    def _add(self, row: int, kind: str, field: str, reason: str, value: object) -> None:
        self.problems.append(Problem(row, self.batch.lines.get(row), kind, field, reason, shown(value)))


async def write(session: AsyncSession, job: ImportJob, batch: Batch, bus: Bus) -> int:
    """Take the batch into the tables, or in a dry run see what would become of it; the job is further afterwards.

    Its known rows are taken over already. Returns how many users are new by it. Raises OutOfOrder.
    """
    if batch.broken and job.error is not None:
        return 0  # it is on record already: the process died right after it
    values, tally = values_of(job), _Tally(batch)
    if batch.staged:
        if not (await session.execute(sql.PLAN_ANEW)).one()[1]:
            await session.execute(sql.STAGING)
        await copy_text(session, sql.COPY, batch.staged)
        if not await _all_new(session, job, values, tally):
            if job.mode != "create":
                await _match(session, job, values, tally)
            await (_preview if job.dry_run else _create)(session, job, values, tally)
        if tally.created:
            await _flag_mistaken(session, job, values, tally)
        if tally.created and not job.dry_run:
            await _let_in(session, values, tally, bus)
    if job.mode == "full" and batch.refused_keys:
        await execute(session, sql.MEET_REFUSED, values, keys=batch.refused_keys)
    if batch.digests and not job.dry_run:
        await unchanged_rows.keep(session, job, batch, troubled={one.row for one in tally.problems})
    await keep_problems(session, job, tally.problems)
    _count(job, tally)
    await session.flush()
    if not job.dry_run:
        await _tell(session, job, tally)
    await feed.announce(session, kind=IMPORT, object_id=str(job.id))
    return tally.created


async def _match(session: AsyncSession, job: ImportJob, values: Mapping[str, object], tally: _Tally) -> None:
    """Rows of users who are there already: what differs is changed."""
    found = (await execute(session, sql.MATCH, values)).one()
    matched, differ, move = found.matched, found.differ, found.move
    if not matched:
        return
    if found.met < matched:
        await execute(session, sql.MET_BEFORE, values)
        if tally.taken and (await session.execute(sql.MET_TOO_EARLY)).scalar_one():
            raise OutOfOrder
    if differ:
        await execute(session, sql.ADDRESS_TAKEN, values)
    if move:
        await _move(session, values, tally)
    refused = (await session.execute(sql.REFUSED)).all() if found.met < matched or differ else []
    for row in refused:
        _refuse_match(tally, row)
    for row in await session.execute(sql.STANDING) if found.gone or found.told_status else ():
        tally.warn(row.row, "status", f"is {row.status} and stays so: change it on purpose", row.username)
    tally.changed = differ - len([row for row in refused if row.refused != "seen"])
    if differ:
        seen_too = "select count(*) from pg_temp.import_match where differs and refused = 'seen'"
        tally.changed -= (await session.execute(sa.text(seen_too))).scalar_one()
    tally.unchanged = matched - len(refused) - tally.changed
    if not tally.changed:
        return
    if job.dry_run:
        left = MAX_SHOWN - len(job.diff.get("changed", ()))
        if left > 0:
            shown_too = (await execute(session, sql.DIFFERENCES, values, most=left)).all()
            _show(job, "changed", ({"row": r.row, "username": r.username, "fields": r.fields} for r in shown_too))
        return
    if move:
        await _stage_rules(session, values, tally)
        await execute(session, sql.EXPIRE_ENROLLMENTS, values)
        await execute(session, sql.ENROL_MOVED, values)
        await execute(session, sql.DROP_DENIALS, values)
    await execute(session, sql.CHANGE, values)


async def _move(session: AsyncSession, values: Mapping[str, object], tally: _Tally) -> None:
    """What those are due whose role changes, or who lose their access; two permissions that must not meet refuse it."""
    pairs = await duty_pairs(session)
    moved, refused = [], []
    for row in await execute(session, sql.MOVING, values):
        enrolling = tally.batch.enrolling[row.rule]
        waits = bool(enrolling.rule.needed())
        status = _next_status(row.status, row.said, joins=row.moves and not waits)
        rule = enrolling.rule.within(row.permissions, row.system_access) if waits else enrolling.rule
        permissions, systems = due_access(rule, [Grant(*one) for one in row.grants or ()], status=status)
        if pair := meeting(permissions, pairs):
            refused.append({"row": row.row, "refused": " and ".join(pair)})
        moved.append({"row": row.row, "permissions": permissions, "systems": systems, "status": status})
    await execute(session, sql.MOVED, values, moved=moved)
    if refused:
        await execute(session, sql.REFUSE, values, refused=refused)


def _next_status(status: str, said: str | None, *, joins: bool) -> str:
    """A file takes access, and never gives it back; by a new role that is let in at once a joiner becomes active."""
    if said == UserStatus.INACTIVE and status in (UserStatus.ACTIVE, UserStatus.PENDING, UserStatus.SUSPENDED):
        return UserStatus.INACTIVE
    if said == UserStatus.SUSPENDED and status == UserStatus.ACTIVE:
        return UserStatus.SUSPENDED
    return UserStatus.ACTIVE if joins and status == UserStatus.PENDING else status


def _refuse_match(tally: _Tally, row: sa.Row[Any]) -> None:
    if row.refused == "seen":
        before = f"is the same as in row {row.seen}" if row.seen else "is the same as in a row that was refused"
        tally.refuse(row.row, "username", before, row.username)
    elif row.refused == "email":
        tally.refuse(row.row, "email", "is taken by another user", row.email)
    else:
        reason = f"would bring {row.refused} together, which must not meet in one user (segregation of duties)"
        tally.refuse(row.row, "role", reason, row.username)


async def _all_new(session: AsyncSession, job: ImportJob, values: Mapping[str, object], tally: _Tally) -> bool:
    """Add them all at once, where nobody has been met so far: false, and nothing done, if one of them is there."""
    if job.dry_run or job.changed or job.unchanged or tally.taken:
        return False
    await _stage_rules(session, values, tally)
    try:
        async with session.begin_nested():
            tally.created = (await execute(session, sql.CREATE, values)).rowcount
    except IntegrityError:
        return False
    return True


async def _stage_rules(session: AsyncSession, values: Mapping[str, object], tally: _Tally) -> None:
    if not tally.has_rules:
        await execute(session, sql.RULES, values, rules=[one.for_sql() for one in tally.batch.enrolling])
        tally.has_rules = True


async def _create(session: AsyncSession, job: ImportJob, values: Mapping[str, object], tally: _Tally) -> None:
    matched = tally.changed + tally.unchanged
    if matched == len(tally.batch.staged):
        return
    await _stage_rules(session, values, tally)
    tally.created = (await execute(session, sql.CREATE_FREE, values)).rowcount
    if tally.created + matched < len(tally.batch.staged):
        await _refuse_taken(session, job, values, tally)


async def _preview(session: AsyncSession, job: ImportJob, values: Mapping[str, object], tally: _Tally) -> None:
    taken = await _refuse_taken(session, job, values, tally)
    tally.created = (await execute(session, sql.WOULD_ADD, values, taken=taken)).rowcount
    left = MAX_SHOWN - len(job.diff.get("created", ()))
    if left > 0 and tally.created:
        names = """select s.row, s.username, s.role from pg_temp.import_stage s where s.row <> all(:taken)
            and not exists (select 1 from pg_temp.import_match m where m.row = s.row) order by s.row limit :most"""
        found = (await session.execute(sa.text(names), {"taken": taken, "most": left})).all()
        _show(job, "created", ({"row": r.row, "username": r.username, "role": r.role} for r in found))


async def _refuse_taken(
    session: AsyncSession, job: ImportJob, values: Mapping[str, object], tally: _Tally
) -> list[int]:
    rows: dict[int, sa.Row[Any]] = {}
    for row in await execute(session, sql.TAKEN, values):
        rows.setdefault(row.row, row)
    for row in rows.values():
        by_name = row.name_taken or row.name_row is not None
        field, value, twin = (
            ("username", row.username, row.name_row) if by_name else ("email", row.email, row.address_row)
        )
        tally.refuse(row.row, field, f"is the same as in row {twin}" if twin else "is taken", value)
    return list(rows)


def _show(job: ImportJob, what: str, found: Iterable[JsonObject]) -> None:
    job.diff = {**job.diff, what: [*job.diff.get(what, ()), *found]}


async def _flag_mistaken(session: AsyncSession, job: ImportJob, values: Mapping[str, object], tally: _Tally) -> None:
    """Warn of names that look like another's; nothing is merged."""
    if not (await execute(session, sql.LOOKALIKES, values)).scalar_one():
        return
    refused = sorted(tally.failed)
    for row in (await execute(session, sql.MISTAKEN, values, refused=refused)).all():
        tally.warn(row.row, "username", f"can be mistaken for {shown(row.other)}", row.username)
    if not job.dry_run:
        await execute(session, sql.FLAG_MISTAKEN, values, refused=refused)


async def _let_in(session: AsyncSession, values: Mapping[str, object], tally: _Tally, bus: Bus) -> None:
    enrolling = tally.batch.enrolling
    if not bus.is_heard(UsersEnrolled) or not any(one.standing == UserStatus.ACTIVE for one in enrolling):
        return
    for row in await execute(session, sql.LET_IN, values, refused=sorted(tally.failed)):
        by = enrolling[row.no]
        for begin in range(0, len(row.ids), MAX_LET_IN):
            event = UsersEnrolled(
                user_ids=row.ids[begin : begin + MAX_LET_IN],
                enrollment_type=by.name,
                welcome_template=by.rule.welcome_template,
            )
            await bus.publish(session, event)


async def keep_problems(session: AsyncSession, job: ImportJob, problems: Sequence[Problem]) -> None:
    """Put these on the job's report, as far as it has room."""
    room = MAX_PROBLEMS - job.errors - job.warnings
    ordered = sorted(problems, key=lambda one: one.row)
    if kept := ordered[: max(0, room)]:
        identities = sorted(str(uuid7()) for _ in kept)
        rows = [{"id": one, **problem._asdict()} for one, problem in zip(identities, kept, strict=True)]
        await execute(session, sql.PROBLEMS, values_of(job), problems=rows)
    job.errors += sum(one.kind == "error" for one in problems)
    job.warnings += sum(one.kind == "warning" for one in problems)


def _count(job: ImportJob, tally: _Tally) -> None:
    batch = tally.batch
    job.position = max(job.position, batch.last)
    job.created += tally.created
    job.changed += tally.changed
    job.unchanged += tally.unchanged + tally.taken
    job.failed += len(tally.failed)
    job.nameless += batch.nameless
    job.progress = max(job.progress, min(95, int(batch.read * 95)))
    if batch.broken:
        job.error = batch.broken


async def _tell(session: AsyncSession, job: ImportJob, tally: _Tally) -> None:
    batch = tally.batch
    counts = {"created": tally.created, "changed": tally.changed, "failed": len(tally.failed)}
    await audit.record(
        session, actor=job.requested_by, verb="users.imported", object_type="import", object_id=str(job.id),
        detail={"rows": [batch.first, batch.last], **counts},
    )  # fmt: skip
    if tally.created or tally.changed:
        await record_changes(session, [Change("users_imported", {"job_id": str(job.id), "row": batch.last, **counts})])
        await feed.announce(session, kind=PEOPLE, object_id=str(job.id))
