"""`/api/v1/users/bulk-import`, its jobs, and `/api/v1/users/export`: people by the file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, replace
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import Field, ValidationError
from starlette.requests import ClientDisconnect

from opsteward.accounts.types import Identity
from opsteward.api import uploads
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.middleware.json_limits import check_json
from opsteward.api.rest.schemas.base import Input, Page, Ref
from opsteward.api.rest.schemas.users import ImportedUser
from opsteward.api.routes import Routes
from opsteward.api.services import ApiServices
from opsteward.core.blocking_calls import in_thread
from opsteward.core.error_words import problems_of
from opsteward.core.errors import FieldProblem, Invalid, Malformed, NotFound
from opsteward.core.json_types import Json
from opsteward.core.word_list import words
from opsteward.directory.exports import EXPORTS, exported
from opsteward.directory.imports import jobs
from opsteward.directory.imports.columns import check_mapping, means_something
from opsteward.directory.imports.csv_records import inert
from opsteward.directory.imports.jobs import ImportInfo, ImportOrder, ImportReport
from opsteward.directory.imports.json_records import holds_several
from opsteward.directory.imports.people_lists import Ambiguous, people_in
from opsteward.directory.imports.reading import format_of
from opsteward.directory.imports.text_encoding import EncodingFinder, first_character
from opsteward.directory.user_fields import FIELD_NAMES
from opsteward.tasks import queries as task_queries
from opsteward.tasks.types import NewTask, TaskStatus

router = Routes(prefix="/api/v1", tags=["users"])

Mode = Literal["create", "upsert", "full"]
Named = Annotated[str | None, Field(max_length=100)]
_FILE = {"schema": {"type": "string", "format": "binary"}}
#: What stands beside the users in pages of other systems' interfaces.
_PAGE_MARKS = frozenset(words("""
    kind etag schemas object ok count total totalResults total_count limit offset start more has_more next next_page
    nextPageToken previous prev page pages per_page pageSize cursor"""))  # fmt: skip
#: Columns of a report's download.
_TOLD = ("row", "line", "kind", "field", "reason", "value")
_ENDED_BADLY = {TaskStatus.CANCELLED, TaskStatus.FAILED, TaskStatus.DEAD_LETTER}


class BulkIn(Input):
    """Users as JSON; `enrollment_type` is each one's role, if it is not given."""

    users: Annotated[list[Json], Field(min_length=1, description="objects with username, email, full_name and more")]
    enrollment_type: Named = None
    mode: Mode | None = None
    dry_run: Annotated[bool | None, Field(strict=True)] = None


@router.post(
    "/users/bulk-import",
    summary="Import users from JSON or a file",
    responses={
        200: {"description": "A small import, done: the report"},
        202: {"description": "A large one: the job that does it, and how far it is", "model": ImportReport},
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": BulkIn.model_json_schema()},
                **dict.fromkeys(
                    ("application/x-ndjson", "text/csv", "text/ldif", "application/xml", "text/vcard"), _FILE
                ),
            },
        }
    },
)
async def bulk_import(
    request: Request,
    response: Response,
    services: ServicesDep,
    identity: Annotated[Identity, needs("users.write")],
    mode: Mode = "create",
    dry_run: bool = False,
    enrollment_type: Annotated[str | None, Query(max_length=100)] = None,
    mapping: Annotated[str | None, Query(max_length=20_000, description="JSON: field by column name")] = None,
    delimiter: Annotated[str, Query(max_length=3, description="one character, or tab")] = "",
    encoding: Annotated[str, Query(max_length=40)] = "",
) -> ImportReport:
    """Good rows are taken, each bad one is reported with its row, field and reason. Sent again, it is the same job.

    Up to `import_at_once` rows are done when this answers; more are a job, whose report is at `imports/{job_id}`.
    """
    order = ImportOrder(
        format=format_of(request.headers.get("content-type", "application/json")),
        mode=mode, dry_run=dry_run, enrollment_type=enrollment_type, mapping=_mapping(mapping),
        delimiter=_delimiter(delimiter),
    )  # fmt: skip
    body = uploads.Body(request.stream())
    try:
        await body.look(services.settings.api.max_body_bytes)
        if order.format == "json" and first_character(body.begun, encoding) != "[":
            order, content = await _from_object(services, body, order, encoding)
            encoding = "utf-8"
            body = uploads.Body(_one(content))
            await body.look(services.settings.api.max_body_bytes)
        report = await _done_at_once(services, identity, body, order, encoding) if body.whole else None
        if report is None:
            report = await _queued(services, identity, body, order, encoding)
    except ClientDisconnect:
        raise Malformed.field("body", "ended too early", "send it again") from None
    response.status_code = 200 if report.ended_at else 202
    return report


async def _one(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _from_object(
    services: ApiServices, body: uploads.Body, order: ImportOrder, encoding: str
) -> tuple[ImportOrder, bytes]:
    """The options and the users of a JSON object, which is read as a whole, for its options may come last.

    Objects one after the other, and pages of another system's interface, are files as they stand.
    """
    limit = services.settings.api.max_ingest_bytes
    await body.look(limit)
    if len(body.begun) > limit:
        raise uploads.too_large(limit)
    if not body.begun.strip():
        raise Malformed.field("body", "is empty", "send users, or a file of them")
    finder = EncodingFinder(given=encoding)
    text = await in_thread(finder.text_of, body.begun)
    if await in_thread(holds_several, text):
        return order, text.encode()
    value = await in_thread(check_json, text.encode(), max_depth=services.settings.api.max_json_depth)
    if not _is_ours(value):
        try:
            people = await in_thread(people_in, value)
        except Ambiguous as problem:
            raise Invalid.field("body", *str(problem).rsplit(": ", maxsplit=1)) from None
        if people is not None:
            return order, await in_thread(lambda: json.dumps(people.listed, ensure_ascii=False).encode())
    try:
        given = BulkIn.model_validate(value)
    except ValidationError as error:
        raise Invalid(problems=problems_of(error.errors(include_url=False), given=value)) from None
    chosen = {name: getattr(given, name) for name in ("mode", "dry_run", "enrollment_type")}
    changed = asdict(order) | {name: value for name, value in chosen.items() if value is not None}
    changed["strict"] = True
    return ImportOrder(**changed), await in_thread(lambda: json.dumps(given.users, ensure_ascii=False).encode())


def _is_ours(value: Json) -> bool:
    """Whether an object is an order to us, also one with a slip in it, and no export or page of another system: those
    have marks of paging, or further lists and objects, which no option of ours is."""
    if not isinstance(value, dict) or "users" not in value or isinstance(value["users"], dict):
        return False
    return not any(map(_is_foreign, value, value.values())) and not _has_foreign_names(value["users"])


def _has_foreign_names(users: Json) -> bool:
    """Whether entries have names that only other systems use for what is a field here."""
    entries = [one for one in users[:100] if isinstance(one, dict)] if isinstance(users, list) else []
    return any(name not in FIELD_NAMES and means_something(name, {}) for one in entries for name in one)


def _is_foreign(name: str, value: Json) -> bool:
    if name in BulkIn.model_fields:
        return False
    return name in _PAGE_MARKS or (name[:1] in ("@", "_") and name[1:2].isalpha()) or isinstance(value, list | dict)


async def _done_at_once(
    services: ApiServices, identity: Identity, body: uploads.Body, order: ImportOrder, encoding: str
) -> ImportReport | None:
    """A small import in one transaction; None for one with too many rows."""
    content = body.begun
    kept = uploads.held(content, order, encoding)
    if await in_thread(uploads.holds_more_than, services.settings.api.import_at_once, content, order, kept.encoding):
        return None
    async with services.db.unit_of_work(identity.tenant_id) as session:
        begun = await jobs.begin(session, order=order, actor=identity.actor)
        job_id = await jobs.accept(
            session, job_id=begun, size=kept.size, encoding=kept.encoding, note=kept.note, content=kept.content
        )
        if job_id == begun:
            await services.imports.do_at_once(session, job_id=job_id, content=content)
        report = await jobs.report(session, job_id=job_id)
        if job_id == begun:
            _refuse_what_is_none(report)
    return report


def _refuse_what_is_none(report: ImportReport) -> None:
    """What holds no row that could be a user is no import at all. Raises Invalid; nothing is kept of it."""
    if report.error:
        at = next((one.row for one in report.errors if one.field == "file" and one.row), None)
        where = f" (row {at})" if at else ""
        raise Malformed.field("body", f"{report.error}{where}", "mend the file and send it again")
    if not report.rows:
        raise Invalid.field("body", "holds no user", "send at least one")
    if report.failed_imports == report.rows and all(one.field == "row" for one in report.errors):
        raise Invalid(
            problems=[
                FieldProblem(field=f"users.{one.row}", problem=one.reason, remedy="correct it, or leave it out")
                for one in report.errors[:20]
            ]
        )


async def _queued(
    services: ApiServices, identity: Identity, body: uploads.Body, order: ImportOrder, encoding: str
) -> ImportReport:
    begun, kept = await uploads.keep(
        services.db, identity.tenant_id, body, order=order, encoding=encoding, actor=identity.actor,
        limit=services.settings.api.max_import_bytes,
    )  # fmt: skip
    async with services.db.unit_of_work(identity.tenant_id) as session:
        job_id = await jobs.accept(
            session, job_id=begun, size=kept.size, encoding=kept.encoding, note=kept.note, content=kept.content
        )
        if job_id == begun:
            task = NewTask(task_type="users.import", name="import of users", params={"job_id": str(job_id)})
            (submitted,) = await services.submission.submit(session, tasks=[task], actor=identity.actor)
            await jobs.bind_task(session, job_id=job_id, task_id=submitted.id)
        return await jobs.report(session, job_id=job_id)


def _mapping(text: str | None) -> dict[str, str]:
    if not text:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise Invalid.field("mapping", "is no JSON", 'send an object like {"Login": "username"}') from None
    if not isinstance(value, dict):
        raise Invalid.field("mapping", "is no object", 'send an object like {"Login": "username"}')
    return check_mapping(value)


def _delimiter(given: str) -> str:
    found = "\t" if given.lower() in ("tab", "\\t") else given
    if len(found) > 1 or found in ('"', "\r", "\n"):
        raise Invalid.field("delimiter", "is not one character that can stand between cells", "use ; or , or tab")
    return found


@router.get("/users/imports")
async def list_imports(
    session: TenantSession,
    identity: Annotated[Identity, needs("users.read")],
    before: UUID | None = None,
    ref: Ref = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[ImportInfo]:
    """Newest first, without their reports."""
    found = await jobs.page(session, before=before, ref=ref, limit=limit)
    after = str(found[-1].job_id) if len(found) == limit else None
    return Page(items=list(found), next=after)


@router.get("/users/imports/{job_id}")
async def get_import(
    job_id: UUID, session: TenantSession, identity: Annotated[Identity, needs("users.read")]
) -> ImportReport:
    """A job: how far it is, and the first errors, warnings and users of its report."""
    report = await jobs.report(session, job_id=job_id)
    if report.ended_at is not None or report.task_id is None:
        return report
    try:
        task = await task_queries.get(session, task_id=report.task_id)
    except NotFound:
        return report
    if task.status not in _ENDED_BADLY:
        return report
    # a job whose task was ended does not end by itself: it goes on when the task is driven again
    return replace(report, status="failed", error=task.error or f"its task is {task.status}: redrive it to go on")


@router.get("/users/imports/{job_id}/users")
async def imported_users(
    job_id: UUID,
    session: TenantSession,
    identity: Annotated[Identity, needs("users.read")],
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> Page[ImportedUser]:
    """The ids of all users whom an import has added, changed, or found as the file has them."""
    await jobs.problems(session, job_id=job_id, limit=1)
    found = await jobs.user_ids(session, job_id=job_id, limit=limit, after=after)
    return Page(items=[ImportedUser(id=one) for one in found], next=str(found[-1]) if len(found) == limit else None)


@router.get("/users/imports/{job_id}/errors", response_class=StreamingResponse)
async def import_errors(
    job_id: UUID,
    services: ServicesDep,
    identity: Annotated[Identity, needs("users.read")],
    file_format: Annotated[Literal["csv", "ndjson"], Query(alias="format")] = "csv",
) -> StreamingResponse:
    """All errors and warnings. In CSV a cell that a spreadsheet would run begins with an apostrophe."""
    written = _csv if file_format == "csv" else _ndjson
    async with services.db.unit_of_work(identity.tenant_id) as session:
        first = await jobs.problems(session, job_id=job_id)

    async def lines() -> AsyncIterator[str]:
        found = first
        if file_format == "csv":
            yield written([dict(zip(_TOLD, _TOLD, strict=True))])
        while found:
            yield written([{name: getattr(one, name) for name in _TOLD} for one in found])
            async with services.db.unit_of_work(identity.tenant_id) as session:
                found = await jobs.problems(session, job_id=job_id, after=found[-1])

    return _download(lines(), EXPORTS[file_format], f"import-{job_id}-errors.{file_format}")


def _csv(rows: list[dict[str, object]]) -> str:
    buffer = io.StringIO()
    cells = [[inert("" if cell is None else str(cell)) for cell in row.values()] for row in rows]
    csv.writer(buffer).writerows(cells)
    return buffer.getvalue()


def _ndjson(rows: list[dict[str, object]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@router.get("/users/export", response_class=StreamingResponse)
async def export_users(
    services: ServicesDep,
    identity: Annotated[Identity, needs("users.read")],
    file_format: Annotated[Literal["csv", "ndjson", "json", "ldif"], Query(alias="format")] = "csv",
) -> StreamingResponse:
    """All users who hold their names, in a form that can be imported again."""
    content = exported(services.db, identity.tenant_id, file_format)
    return _download(content, EXPORTS[file_format], f"users.{file_format}")


def _download(content: AsyncIterator[str], kind: str, name: str) -> StreamingResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(content, media_type=kind, headers=headers)
