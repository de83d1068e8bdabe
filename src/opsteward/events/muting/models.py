"""Tables of silences and inhibitions; what has ended stays as their history. Private to this room."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core.clock import now
from opsteward.core.db import Base, TenantRow
from opsteward.core.json_types import JsonObject


class Silence(TenantRow, Base):
    """What matches all of `matchers` is kept quiet from `starts_at` to `ends_at`."""

    __tablename__ = "silences"
    __table_args__ = (sa.Index("ix_silences_tenant_ends", "tenant_id", "ends_at"),)

    matchers: Mapped[list[JsonObject]]
    reason: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]


class Inhibition(TenantRow, Base):
    """While an incident that matches `source` is open, those that match `target` are kept quiet."""

    __tablename__ = "inhibitions"

    name: Mapped[str]
    source: Mapped[list[JsonObject]]
    target: Mapped[list[JsonObject]]
    equal: Mapped[list[str]]
    dependents: Mapped[bool]
    reason: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    removed_at: Mapped[datetime | None]
    removed_by: Mapped[str | None]
