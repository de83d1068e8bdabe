"""The task that does an import of users: its parameter is the job, which knows the file and how far it has come."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel, ConfigDict

from opsteward.contracts.task import TaskContext, TaskType
from opsteward.core.db import Database
from opsteward.core.json_types import JsonObject
from opsteward.directory.imports import jobs
from opsteward.directory.imports.job_runner import Imports, result_of

_MAX_DURATION = 6 * 3600.0  # seconds


class ImportUsers(BaseModel):
    """The import job, as `POST /api/v1/users/bulk-import` made it."""

    model_config = ConfigDict(extra="forbid")

    job_id: UUID


def import_task_type(db: Database, imports: Imports) -> TaskType:
    """`users.import`."""

    async def run(ctx: TaskContext, params: ImportUsers) -> JsonObject:
        await imports.run(db, tenant_id=ctx.tenant_id, job_id=params.job_id, progress=ctx.progress)
        async with db.unit_of_work(ctx.tenant_id) as session:
            return result_of(await jobs.get(session, job_id=params.job_id))

    return TaskType(
        slug="users.import",
        purpose="Takes an uploaded file of users in, row by row; goes on where it was when its process dies",
        params=ImportUsers,
        run=run,
        timeout=_MAX_DURATION,
    )
