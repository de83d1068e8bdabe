"""Doing an import job: reading and checking on a thread, writing here, side by side. After a crash it goes on.

How far it has come is committed with what was done, so a job that is begun again does nothing twice.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.blocking_calls import in_thread
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.db import Database, leave_to_the_log_writer
from opsteward.core.errors import Conflict
from opsteward.core.json_types import JsonObject
from opsteward.core.log import get_logger
from opsteward.directory.enrollment_rules.service import duty_pairs, rules_of
from opsteward.directory.imports import finishing, jobs, unchanged_rows
from opsteward.directory.imports.batch_writing import OutOfOrder, write
from opsteward.directory.imports.batches import Batch
from opsteward.directory.imports.day_order import day_order_of
from opsteward.directory.imports.models import ImportJob
from opsteward.directory.imports.reading import records
from opsteward.directory.imports.records import Blocks, KnownRow
from opsteward.directory.imports.row_checks import Checker
from opsteward.directory.imports.settings import ImportSettings
from opsteward.directory.imports.stored_parts import Parts, Used

log = get_logger(__name__)

#: Of `import_batch` rows each: the most that are written in one transaction.
_BATCHES_AT_ONCE = 20
#: After so many new users the planner learns how large the tables are.
_LOOK_AGAIN = 20_000
#: Times that one transaction is tried when another adds the same users at the same moment.
_TRIES = 5
_MAX_NOTES = 500


class Imports:
    """Does import jobs; one per process."""

    def __init__(self, bus: Bus, settings: ImportSettings) -> None:
        self._bus = bus
        self._first_size, self._size = settings.batch, settings.batch * _BATCHES_AT_ONCE
        self._most_leavers = settings.max_leavers

    async def run(self, db: Database, *, tenant_id: UUID, job_id: UUID, progress: Callable[[int, str], None]) -> None:
        """Do the job from where it stands until its end. Raises NotFound; Conflict when another process does it."""
        async with db.unit_of_work(tenant_id) as session:
            job = await jobs.locked(session, job_id)
            if job.ended_at is not None:
                return
            if job.stage == "rows":
                parts = Parts(db, tenant_id, job_id, job.size)
                size = job.size
                reading = await self._reading(
                    session, job, parts, lambda: Parts(db, tenant_id, job_id, size, parts.loop), used=parts.used
                )
            job.status, job.started_at = "running", job.started_at or now()
            stage, position = job.stage, job.position
        created = 0
        if stage == "rows":
            created = await self._rows(db, tenant_id, job_id, _Flow(reading, parts.used), position, progress)
        while await self._follow(db, tenant_id, job_id, progress):
            pass
        if created >= _LOOK_AGAIN:
            await _look_again(db, tenant_id)

    async def do_at_once(self, session: AsyncSession, *, job_id: UUID, content: bytes) -> None:
        """Do a small job in this transaction, its whole content given."""
        job = await jobs.locked(session, job_id)
        job.status, job.started_at = "running", now()
        reading = await self._reading(session, job, iter([content]), lambda: iter([content]))
        while (batch := await in_thread(next, reading.batches, None)) is not None:
            batch.read = 1.0
            await write(session, job, batch, self._bus)
        _end_rows(job, reading.notes)
        while await finishing.step(session, job, most_leavers=self._most_leavers):
            pass

    async def _reading(
        self,
        session: AsyncSession,
        job: ImportJob,
        blocks: Blocks,
        again: Callable[[], Blocks],
        *,
        used: Used | None = None,
    ) -> _Reading:
        """`again` gives the file from its beginning. `used`: of a large file, whose rows are counted, and whose
        batches are known again by the next import."""
        notes: list[str] = []

        def note(text: str) -> None:
            if len(notes) < _MAX_NOTES:
                notes.append(text)

        reading = jobs.reading_of(job)
        rules, duties = await rules_of(session), await duty_pairs(session)
        typed, wanted = reading.format in ("json", "ndjson"), job.options["enrollment_type"]
        before, known = None, None
        if used is not None:
            job.options = {**job.options, "context": unchanged_rows.context_of(rules)}
            before = await unchanged_rows.earlier(session, job)
            known = before.rows if before else unchanged_rows.KnownRows(b"", b"")
        order = day_order_of(again, reading)
        checker = Checker(rules, duties, enrollment_type=wanted, typed=typed, day_order=order)
        found = records(blocks, reading, note)
        first_size = size = sys.maxsize  # staging is emptied at the end of a transaction: one of a small job is a batch
        if used is not None:
            found = used.counted(found)
            first_size, size = self._first_size, self._size
        return _Reading(
            batches=checker.batches(found, first_size=first_size, size=size, skip=job.position, known=known),
            notes=notes,
            before=before,
            again=Checker(rules, duties, enrollment_type=wanted, typed=typed, day_order=order),
        )

    async def _rows(
        self,
        db: Database,
        tenant_id: UUID,
        job_id: UUID,
        flow: _Flow,
        position: int,
        progress: Callable[[int, str], None],
    ) -> int:
        """How many users are new by it."""
        coming = asyncio.create_task(flow.next())
        created, percent = 0, 0
        try:
            while (batch := await coming) is not None:
                coming = asyncio.create_task(flow.next())
                created += await self._write(db, tenant_id, job_id, batch, position, flow.reading)
                position = max(position, batch.last)
                percent = max(percent, min(95, int(batch.read * 95)))
                progress(percent, f"{position} rows")
        finally:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
        async with db.unit_of_work(tenant_id) as session:
            _end_rows(await _at(session, job_id, position), flow.reading.notes)
        return created

    async def _write(
        self, db: Database, tenant_id: UUID, job_id: UUID, batch: Batch, position: int, reading: _Reading
    ) -> int:
        """How many users are new by it."""
        tries = _TRIES
        while True:
            tries -= 1
            try:
                async with db.unit_of_work(tenant_id) as session:
                    await leave_to_the_log_writer(session)
                    job = await _at(session, job_id, position)
                    taken = await _taken_over(session, job, batch, reading) if batch.known else batch
                    return await write(session, job, taken, self._bus)
            except OutOfOrder:
                batch = await _looked_at(batch, reading, known=())
            except Conflict:  # somebody has just added one of these users: seen now, it is a row's error
                if not tries:
                    raise

    async def _follow(self, db: Database, tenant_id: UUID, job_id: UUID, progress: Callable[[int, str], None]) -> bool:
        async with db.unit_of_work(tenant_id) as session:
            job = await jobs.locked(session, job_id)
            if job.ended_at is not None:
                return False
            more = await finishing.step(session, job, most_leavers=self._most_leavers)
            progress(job.progress, job.stage)
            return more


async def _taken_over(session: AsyncSession, job: ImportJob, batch: Batch, reading: _Reading) -> Batch:
    """The batch with those of its known rows that are still true; the others are looked at with the rest."""
    assert reading.before is not None
    known = await unchanged_rows.take_over(session, job, reading.before, batch.known)
    return batch if len(known) == len(batch.known) else await _looked_at(batch, reading, known=known)


async def _looked_at(batch: Batch, reading: _Reading, *, known: Sequence[KnownRow]) -> Batch:
    """The same with no more known rows than these."""
    rows = {one.row for one in known}
    left = [record for record in batch.records if record.row not in rows]
    made = await in_thread(reading.again.checked, batch.first, left)
    made.last, made.read, made.digests, made.known = batch.last, batch.read, batch.digests, list(known)
    return made


async def _look_again(db: Database, tenant_id: UUID) -> None:
    async with db.unit_of_work(tenant_id) as session:
        await session.execute(sa.text("select opsteward.analyze_people()"))


async def _at(session: AsyncSession, job_id: UUID, position: int) -> ImportJob:
    job = await jobs.locked(session, job_id)
    if job.stage != "rows" or job.position != position:
        raise TakenOver("another process goes on with this import")
    return job


class TakenOver(Conflict):
    """This process was taken for dead, and its import is done elsewhere."""

    code = "import_taken_over"
    title = "Another process goes on with this import"


def _end_rows(job: ImportJob, notes: list[str]) -> None:
    job.notes = [*job.notes, *notes]
    job.stage = "managers"


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """The batches of a file as they are read. `again` checks those that were thought to be known, and are not."""

    batches: Iterator[Batch]
    notes: list[str]
    before: unchanged_rows.Before | None
    again: Checker


class _Flow:
    """The checked batches of a file, one after the other, made on a thread."""

    def __init__(self, reading: _Reading, used: Used) -> None:
        self.reading = reading
        self._used = used

    async def next(self) -> Batch | None:
        batch = await in_thread(next, self.reading.batches, None)
        if batch is not None:
            batch.read = self._used.share(batch.last)
        return batch


def result_of(info: jobs.ImportInfo) -> JsonObject:
    """What the task of a job gives."""
    return {
        "job_id": str(info.job_id),
        "status": info.status,
        "successful_imports": info.successful_imports,
        "failed_imports": info.failed_imports,
        "skipped": info.skipped,
        "created": info.created,
        "changed": info.changed,
        "unchanged": info.unchanged,
        "left": info.left,
    }
