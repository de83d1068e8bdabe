"""Tables of sagas. Private to provisioning."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core.db import Base, TenantRow
from opsteward.core.json_types import JsonObject


class SagaRow(TenantRow, Base):
    """One change over several systems."""

    __tablename__ = "sagas"
    __table_args__ = (sa.Index("ix_sagas_tenant_id_id", "tenant_id", "id"),)

    name: Mapped[str]
    status: Mapped[str]
    plan_hash: Mapped[str]
    action_id: Mapped[UUID | None]
    requested_by: Mapped[str]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    error: Mapped[str | None]


class SagaStepRow(Base):
    """One step of a saga. `before`: all attributes of the record before; `place`: where it stood in its list. `made_id`
    is the system's name of the record since the step. `may_be_older`: a create that was sent twice found the record
    there, whoever made it."""

    __tablename__ = "saga_steps"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    saga_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    system_id: Mapped[UUID]
    resource: Mapped[str]
    #: The step in words, as it was approved.
    words: Mapped[str]
    operation: Mapped[str]
    native_id: Mapped[str | None]
    values: Mapped[JsonObject]
    before: Mapped[JsonObject | None]
    place: Mapped[int | None]
    made_id: Mapped[str | None]
    may_be_older: Mapped[bool] = mapped_column(server_default=sa.false())
    status: Mapped[str]
    problem: Mapped[str] = mapped_column(server_default="")
