"""Import jobs: begun by an upload, kept piece by piece, found again by what they hold, and shown."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.crypto import digest
from opsteward.core.db import tenant_of
from opsteward.core.errors import NotFound
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.core.references import called
from opsteward.directory.imports.models import ImportJob, ImportOptions, ImportPart, ImportProblem, ImportRow
from opsteward.directory.imports.records import Reading
from opsteward.directory.models import EnrollmentRule, User
from opsteward.telemetry import audit

MODES = ("create", "upsert", "full")
#: Bytes of one piece of an upload.
PART_BYTES = 1024 * 1024
#: Most errors, warnings and ids that the answer about a job holds; the whole is paged, or downloaded.
MAX_TOLD = 1000


@dataclass(frozen=True, kw_only=True)
class ImportOrder:
    """What is to become of a file. `mode`: create, upsert, or full (who is absent leaves).

    `strict`: an unknown field of JSON is an error of its row.
    """

    format: str
    mode: str = "create"
    dry_run: bool = False
    enrollment_type: str | None = None
    mapping: dict[str, str] = field(default_factory=dict)
    delimiter: str = ""
    strict: bool = False


@dataclass(frozen=True, kw_only=True)
class ImportInfo:
    """A job as it stands, with the beginning of its report. Named as the callers of old scripts know it."""

    job_id: UUID
    status: str
    mode: str
    dry_run: bool
    format: str
    progress: int
    rows: int
    successful_imports: int
    failed_imports: int
    #: Rows that hold no user and were not meant to; a warning of each says why.
    skipped: int
    created: int
    changed: int
    unchanged: int
    left: int
    error_count: int
    warning_count: int
    notes: list[str]
    diff: dict[str, list[JsonObject]]
    error: str | None
    task_id: UUID | None
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True)
class ImportProblemInfo:
    """What was wrong with one row, or was done to it. Row 0 is the file as a whole.

    `line`: of the file, where it has lines.
    """

    row: int
    line: int | None
    field: str
    reason: str
    value: str


@dataclass(frozen=True, kw_only=True)
class ImportReport(ImportInfo):
    """A job with the first of what went wrong, and of whom it met."""

    errors: list[ImportProblemInfo]
    warnings: list[ImportProblemInfo]
    user_ids: list[UUID]


async def begin(session: AsyncSession, *, order: ImportOrder, actor: str) -> UUID:
    """A job whose file is yet to come."""
    job = ImportJob(
        id=uuid7(), tenant_id=tenant_of(session), status="uploading", mode=order.mode, dry_run=order.dry_run,
        options=_options(order), requested_by=actor, diff={}, notes=[],
    )  # fmt: skip
    session.add(job)
    await session.flush()
    return job.id


def _options(order: ImportOrder) -> ImportOptions:
    return {
        "format": order.format, "enrollment_type": order.enrollment_type, "mapping": order.mapping,
        "delimiter": order.delimiter, "strict": order.strict,
    }  # fmt: skip


def _order(job: ImportJob) -> ImportOrder:
    options = job.options
    return ImportOrder(
        mode=job.mode, dry_run=job.dry_run, format=options["format"], enrollment_type=options["enrollment_type"],
        mapping=options["mapping"], delimiter=options["delimiter"], strict=options["strict"],
    )  # fmt: skip


def content_digest(order: ImportOrder, encoding: str, content: bytes) -> str:
    """Of what a file holds (its SHA-256) and all that decides what becomes of it."""
    return digest({**asdict(order), "encoding": encoding, "content": content.hex()})


async def keep_part(session: AsyncSession, *, job_id: UUID, number: int, data: bytes) -> None:
    """The next piece of the file."""
    part = ImportPart(
        id=uuid7(), tenant_id=tenant_of(session), job_id=job_id, number=number, data=zlib.compress(data, 1)
    )
    session.add(part)
    await session.flush()


async def part(session: AsyncSession, *, job_id: UUID, number: int) -> bytes | None:
    """A piece of the file; None after the last."""
    data = await session.scalar(
        sa.select(ImportPart.data).where(
            ImportPart.tenant_id == tenant_of(session), ImportPart.job_id == job_id, ImportPart.number == number
        )
    )
    return zlib.decompress(data) if data is not None else None


async def accept(
    session: AsyncSession, *, job_id: UUID, size: int, encoding: str, note: str, content: hashlib._Hash
) -> UUID:
    """The upload is complete. Gives the job that does it: this one, or an equal one that runs or is done already."""
    job = await locked(session, job_id)
    order = _order(job)
    whole = content_digest(order, encoding, content.digest())
    standing = await equal_job(session, whole)
    if standing is not None:
        await discard(session, job_id=job_id)
        return standing
    job.digest, job.size, job.status = whole, size, "queued"
    job.options = {**job.options, "encoding": encoding}
    job.notes = [note] if note else []
    await audit.record(
        session, actor=job.requested_by, verb="users.import_begun", object_type="import", object_id=str(job_id),
        detail={"mode": job.mode, "dry_run": job.dry_run, "format": order.format, "bytes": size},
    )  # fmt: skip
    await session.flush()
    return job_id


async def bind_task(session: AsyncSession, *, job_id: UUID, task_id: UUID) -> None:
    """The task that does the job."""
    (await locked(session, job_id)).task_id = task_id
    await session.flush()


async def equal_job(session: AsyncSession, whole: str) -> UUID | None:
    """A job of the same content and options that waits, runs, or is done while no user and no rule has changed."""
    tenant_id = tenant_of(session)
    job = await session.scalar(
        sa.select(ImportJob)
        .where(
            ImportJob.tenant_id == tenant_id,
            ImportJob.digest == whole,
            ImportJob.status.in_(("queued", "running", "completed")),
        )
        .order_by(ImportJob.id.desc())
        .limit(1)
    )
    if job is None:
        return None
    if job.status == "completed":
        newer = (
            sa.exists().where(model.tenant_id == tenant_id, model.updated_at > job.ended_at)
            for model in (EnrollmentRule, User)
        )
        if await session.scalar(sa.select(sa.or_(*newer))):
            return None
    return job.id


async def discard(session: AsyncSession, *, job_id: UUID) -> None:
    """Forget an upload that came to nothing."""
    tenant_id = tenant_of(session)
    await session.execute(sa.delete(ImportPart).where(ImportPart.tenant_id == tenant_id, ImportPart.job_id == job_id))
    await session.execute(sa.delete(ImportJob).where(ImportJob.tenant_id == tenant_id, ImportJob.id == job_id))


async def locked(session: AsyncSession, job_id: UUID) -> ImportJob:
    """The job's row, held until the end of this transaction. Raises NotFound."""
    return await _job(session, job_id, lock=True)


async def _job(session: AsyncSession, job_id: UUID, *, lock: bool = False) -> ImportJob:
    query = sa.select(ImportJob).where(ImportJob.tenant_id == tenant_of(session), ImportJob.id == job_id)
    job = await session.scalar(query.with_for_update() if lock else query)
    if job is None:
        raise NotFound("no import of this id")
    return job


def reading_of(job: ImportJob) -> Reading:
    """How the job's file is to be read."""
    options = job.options
    return Reading(
        format=options["format"],
        encoding=options.get("encoding", "utf-8"),
        mapping=options["mapping"],
        delimiter=options["delimiter"],
        strict=options.get("strict", False),
    )


async def page(
    session: AsyncSession, *, before: UUID | None = None, ref: str | None = None, limit: int = 50
) -> list[ImportInfo]:
    """Newest first; `ref`: by its id, or a part of it."""
    query = sa.select(ImportJob).where(ImportJob.tenant_id == tenant_of(session), ImportJob.status != "uploading")
    if before is not None:
        query = query.where(ImportJob.id < before)
    if ref is not None:
        query = query.where(ImportJob.id.in_(await called(session, ImportJob, ref)))
    return [info(row) for row in await session.scalars(query.order_by(ImportJob.id.desc()).limit(limit))]


async def get(session: AsyncSession, *, job_id: UUID) -> ImportInfo:
    """The job without its report. Raises NotFound."""
    return info(await _job(session, job_id))


async def report(session: AsyncSession, *, job_id: UUID) -> ImportReport:
    """The job with the first of its problems and users. Raises NotFound."""
    job = await _job(session, job_id)
    problems = [
        one for kind in ("error", "warning") for one in await _problems(session, job_id, limit=MAX_TOLD, kind=kind)
    ]
    shown = [(one.kind, ImportProblemInfo(one.row, one.line, one.field, one.reason, one.value)) for one in problems]
    return ImportReport(
        **_shown(job),
        errors=[one for kind, one in shown if kind == "error"],
        warnings=[one for kind, one in shown if kind == "warning"],
        user_ids=[] if job.dry_run else await user_ids(session, job_id=job_id, limit=MAX_TOLD),
    )


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """One problem of the report; `line` is the file's, where it has lines. Row 0 is the file as a whole."""

    id: UUID
    row: int
    line: int | None
    kind: str
    field: str
    reason: str
    value: str


async def _problems(
    session: AsyncSession, job_id: UUID, *, limit: int, kind: str | None = None, after: Announcement | None = None
) -> list[Announcement]:
    query = sa.select(ImportProblem).where(
        ImportProblem.tenant_id == tenant_of(session), ImportProblem.job_id == job_id
    )
    if kind is not None:
        query = query.where(ImportProblem.kind == kind)
    if after is not None:
        query = query.where(sa.tuple_(ImportProblem.row, ImportProblem.id) > sa.tuple_(after.row, after.id))
    rows = await session.scalars(query.order_by(ImportProblem.row, ImportProblem.id).limit(limit))
    return [Announcement(**{name: getattr(row, name) for name in Announcement.__dataclass_fields__}) for row in rows]


async def problems(
    session: AsyncSession, *, job_id: UUID, after: Announcement | None = None, limit: int = 5000
) -> list[Announcement]:
    """What is on the job's report after that, by row. Raises NotFound."""
    await _job(session, job_id)
    return await _problems(session, job_id, limit=limit, after=after)


async def user_ids(session: AsyncSession, *, job_id: UUID, limit: int, after: UUID | None = None) -> list[UUID]:
    """Users whom the job has added, changed, or found as the file has them; in the order of their ids."""
    query = sa.select(ImportRow.user_id).where(
        ImportRow.tenant_id == tenant_of(session), ImportRow.job_id == job_id, ImportRow.outcome != "refused"
    )
    if after is not None:
        query = query.where(ImportRow.user_id > after)
    return list(await session.scalars(query.order_by(ImportRow.user_id).limit(limit)))


def info(job: ImportJob) -> ImportInfo:
    """As others see it."""
    return ImportInfo(**_shown(job))


def _shown(job: ImportJob) -> dict[str, Any]:
    same = (
        "status", "mode", "dry_run", "progress", "created", "changed", "unchanged", "notes", "diff", "error",
        "task_id", "requested_by", "created_at", "started_at", "ended_at",
    )  # fmt: skip
    return {
        "job_id": job.id,
        "format": job.options["format"],
        "rows": job.position,
        "successful_imports": job.created + job.changed + job.unchanged,
        "failed_imports": job.failed,
        "skipped": max(0, job.position - job.created - job.changed - job.unchanged - job.failed),
        "left": job.departed,
        "error_count": job.errors,
        "warning_count": job.warnings,
        **{name: getattr(job, name) for name in same},
    }
