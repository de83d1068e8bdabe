"""Tables of provisioning. Private to this room."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core.db import Base


class AccessDue(Base):
    """Somebody whose access to a system is to be brought up to date. The database writes it when users change.

    A `batch` is what one task brings up to date; a newer change takes it out of there again.
    """

    __tablename__ = "access_due"
    __table_args__ = (
        sa.Index("ix_access_due_at", "due_at", postgresql_where=sa.text("batch is null")),
        sa.Index("ix_access_due_batch", "tenant_id", "batch", postgresql_where=sa.text("batch is not null")),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    system_id: Mapped[UUID] = mapped_column(primary_key=True)
    #: The username, as it is or was.
    login: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[UUID]
    batch: Mapped[UUID | None]
    due_at: Mapped[datetime] = mapped_column(server_default=sa.func.now())
