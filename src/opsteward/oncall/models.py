"""Tables of on-call schedules, escalations, routes and notices. Private to this room."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core.clock import now
from opsteward.core.db import Base, TenantRow
from opsteward.core.json_types import JsonObject


class OncallSchedule(TenantRow, Base):
    """Who is on call when: `rotations` as `types.Rotation`, the later ones above the earlier."""

    __tablename__ = "oncall_schedules"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "name"),)

    name: Mapped[str]
    timezone: Mapped[str]
    rotations: Mapped[list[JsonObject]]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)


class OncallOverride(TenantRow, Base):
    """Somebody else is on call for a while."""

    __tablename__ = "oncall_overrides"
    __table_args__ = (sa.Index("ix_oncall_overrides_schedule", "tenant_id", "schedule_id", "ends_at"),)

    schedule_id: Mapped[UUID] = mapped_column(sa.ForeignKey("opsteward.oncall_schedules.id", ondelete="cascade"))
    operator_id: Mapped[UUID]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    reason: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)


class EscalationPolicy(TenantRow, Base):
    """Who is paged for incidents that match, one step after another. The first in `position` that matches counts."""

    __tablename__ = "escalation_policies"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "name"),)

    name: Mapped[str]
    position: Mapped[int]
    matchers: Mapped[list[JsonObject]]
    begins: Mapped[str]
    steps: Mapped[list[JsonObject]]
    repeats: Mapped[int]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)


class Escalation(TenantRow, Base):
    """The way of an incident through a policy, as the policy was when it began."""

    __tablename__ = "escalations"
    __table_args__ = (
        sa.Index("ix_escalations_tenant_incident", "tenant_id", "incident_id"),
        sa.Index(
            "uq_escalations_running",
            "tenant_id",
            "incident_id",
            unique=True,
            postgresql_where=sa.text("status = 'running'"),
        ),
    )

    incident_id: Mapped[UUID]
    policy: Mapped[str]
    steps: Mapped[list[JsonObject]]
    repeats: Mapped[int]
    step: Mapped[int]
    round: Mapped[int]
    status: Mapped[str]
    next_at: Mapped[datetime | None]
    started_at: Mapped[datetime] = mapped_column(default=now)
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]


class NotificationRoute(TenantRow, Base):
    """A way to reach people: sealed Apprise URLs, for which incidents and when. With `operator_id`: that person's."""

    __tablename__ = "notification_routes"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "name"),)

    name: Mapped[str]
    urls_sealed: Mapped[bytes]
    services: Mapped[list[str]]
    operator_id: Mapped[UUID | None]
    position: Mapped[int]
    matchers: Mapped[list[JsonObject]]
    begins: Mapped[str]
    #: It tells of plans that wait for an approval.
    approvals: Mapped[bool]
    hours: Mapped[JsonObject | None]
    next_route: Mapped[str | None]
    group_seconds: Mapped[int]
    repeat_seconds: Mapped[int | None]
    report_at: Mapped[str | None]
    timezone: Mapped[str]
    title: Mapped[str | None]
    body: Mapped[str | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)


class NoticeRow(TenantRow, Base):
    """One message by one route, sent at most once. `later_routes` are tried in this order if nobody takes it."""

    __tablename__ = "notices"
    __table_args__ = (
        sa.Index(
            "ix_notices_collecting", "tenant_id", "route_id", "kind", postgresql_where=sa.text("status = 'collecting'")
        ),
        sa.Index("ix_notices_tenant_route_ended", "tenant_id", "route_id", "ended_at"),
    )

    kind: Mapped[str]
    route_id: Mapped[UUID]
    later_routes: Mapped[list[UUID]]
    incident_ids: Mapped[list[UUID]]
    approval_ids: Mapped[list[UUID]]
    #: As `integrations.apprise.slack_buttons.Button`.
    buttons: Mapped[list[JsonObject]]
    title: Mapped[str]
    body: Mapped[str]
    severity: Mapped[str]
    status: Mapped[str]
    told: Mapped[str]
    attempt: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(default=now)
    begun_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    channels: Mapped[list[str]]
    error: Mapped[str | None]
