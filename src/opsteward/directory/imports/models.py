"""Tables of imports: the job, the file it takes, whom it has met and what was wrong. Private to this room."""

from __future__ import annotations

from datetime import datetime
from typing import NotRequired
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column
from typing_extensions import TypedDict

from opsteward.core.clock import now
from opsteward.core.db import Base, TenantRow
from opsteward.core.json_types import JsonObject


class ImportOptions(TypedDict):
    """How a file is to be read, and what else decides what becomes of its rows (`context`)."""

    format: str
    enrollment_type: str | None
    mapping: dict[str, str]
    delimiter: str
    strict: bool
    encoding: NotRequired[str]
    context: NotRequired[str]


class ImportJob(TenantRow, Base):
    """One file of users on its way in. `position`: rows that are done and committed; `stage`: what is done now."""

    __tablename__ = "import_jobs"
    __table_args__ = (sa.Index("ix_import_jobs_digest", "tenant_id", "digest"),)

    status: Mapped[str]
    stage: Mapped[str] = mapped_column(server_default="rows")
    mode: Mapped[str]
    dry_run: Mapped[bool]
    #: Format, columns, encoding and the like: what the file is to be read with.
    options: Mapped[ImportOptions] = mapped_column(JSONB)
    #: Of the content and of everything that decides what comes of it: the same twice is the same job.
    digest: Mapped[str | None]
    size: Mapped[int] = mapped_column(sa.BigInteger, server_default="0")
    requested_by: Mapped[str]
    task_id: Mapped[UUID | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    position: Mapped[int] = mapped_column(server_default="0")
    #: The last user that the stage after the rows has looked at.
    cursor: Mapped[UUID | None]
    progress: Mapped[int] = mapped_column(server_default="0")
    created: Mapped[int] = mapped_column(server_default="0")
    changed: Mapped[int] = mapped_column(server_default="0")
    unchanged: Mapped[int] = mapped_column(server_default="0")
    departed: Mapped[int] = mapped_column(server_default="0")
    failed: Mapped[int] = mapped_column(server_default="0")
    #: Rows of which nobody can tell whom they mean.
    nameless: Mapped[int] = mapped_column(server_default="0")
    errors: Mapped[int] = mapped_column(server_default="0")
    warnings: Mapped[int] = mapped_column(server_default="0")
    notes: Mapped[list[str]] = mapped_column(server_default="{}")
    diff: Mapped[dict[str, list[JsonObject]]] = mapped_column(JSONB, server_default="{}")
    error: Mapped[str | None]


class ImportPart(TenantRow, Base):
    """A piece of the uploaded file, compressed; gone when the job has ended."""

    __tablename__ = "import_parts"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "job_id", "number"),)

    job_id: Mapped[UUID]
    number: Mapped[int]
    data: Mapped[bytes]


class ImportRow(Base):
    """A user whom an import has met. The keys are kept where the user is not (yet) there: in a dry run."""

    __tablename__ = "import_rows"
    __table_args__ = (
        sa.Index(
            "ix_import_rows_username", "tenant_id", "job_id", "username_key",
            postgresql_where=sa.text("username_key is not null"),
        ),
        sa.Index(
            "ix_import_rows_email", "tenant_id", "job_id", "email_key",
            postgresql_where=sa.text("email_key is not null"),
        ),
        sa.Index(
            "ix_import_rows_dn", "tenant_id", "job_id", "dn_key", postgresql_where=sa.text("dn_key is not null")
        ),
    )  # fmt: skip

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(primary_key=True)
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    row: Mapped[int]
    outcome: Mapped[str]
    #: The folded username or address of the manager; empty for "none".
    manager: Mapped[str | None]
    username_key: Mapped[str | None]
    email_key: Mapped[str | None]
    #: The key of the distinguished name, where the file has one.
    dn_key: Mapped[str | None]


class ImportBatch(TenantRow, Base):
    """Rows that one transaction took without a word: of each the digest of what it says, and the user whom it means.

    Both have 16 bytes, one row's behind the other's.
    """

    __tablename__ = "import_batches"
    __table_args__ = (sa.Index("ix_import_batches_job", "tenant_id", "job_id", "id"),)

    job_id: Mapped[UUID] = mapped_column(sa.ForeignKey("opsteward.import_jobs.id", ondelete="CASCADE"))
    digests: Mapped[bytes]
    user_ids: Mapped[bytes]


class UserDirectoryName(Base):
    """By which distinguished names of directories a user is known; each is its key (`imports.distinguished`)."""

    __tablename__ = "user_directory_names"
    __table_args__ = (sa.Index("ix_user_directory_names_user", "tenant_id", "user_id"),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    dn_key: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]


class ImportProblem(TenantRow, Base):
    """What was wrong with one row: an error keeps the row out, a warning says what was done to it."""

    __tablename__ = "import_problems"
    __table_args__ = (sa.Index("ix_import_problems_row", "tenant_id", "job_id", "row", "id"),)

    job_id: Mapped[UUID]
    row: Mapped[int]
    line: Mapped[int | None]
    kind: Mapped[str]
    field: Mapped[str]
    reason: Mapped[str]
    value: Mapped[str]
