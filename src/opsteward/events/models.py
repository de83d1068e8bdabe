"""Tables of events, incidents and standing orders. Private to this room."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core.clock import now
from opsteward.core.db import Base, TenantRow
from opsteward.core.json_types import JsonObject


class Event(TenantRow, Base):
    """One thing that happened, exactly as it was sent, with its classification."""

    __tablename__ = "events"
    __table_args__ = (
        sa.Index("ix_events_tenant_incident", "tenant_id", "incident_id", "received_at"),
        sa.Index("ix_events_tenant_received", "tenant_id", "received_at"),
        sa.Index(
            "ix_events_tenant_recovery",
            "tenant_id",
            "fingerprint",
            "occurred_at",
            postgresql_where=sa.text("resolved"),
        ),
    )

    received_at: Mapped[datetime] = mapped_column(default=now)
    occurred_at: Mapped[datetime]
    source: Mapped[str]
    error_type: Mapped[str | None]
    message: Mapped[str]
    stack_trace: Mapped[str | None]
    context: Mapped[JsonObject]
    resolved: Mapped[bool] = mapped_column(default=False)
    category: Mapped[str]
    severity: Mapped[str]
    action: Mapped[str]
    priority: Mapped[int]
    confidence: Mapped[float]
    rule_id: Mapped[str]
    fingerprint: Mapped[str]
    object_key: Mapped[str] = mapped_column(default="", server_default="")
    incident_id: Mapped[UUID | None]


class Incident(TenantRow, Base):
    """One cause, one page: what many events have in common until it is over."""

    __tablename__ = "incidents"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "number"),
        sa.Index("ix_incidents_tenant_status", "tenant_id", "status", "opened_at"),
        sa.Index("ix_incidents_tenant_system", "tenant_id", "system_id", "status"),
        sa.Index(
            "ix_incidents_tenant_assigned",
            "tenant_id",
            "assigned_to",
            "urgency",
            "number",
            postgresql_where=sa.text("assigned_to is not null"),
        ),
        sa.Index("ix_incidents_tenant_muted", "tenant_id", "number", postgresql_where=sa.text("muted is not null")),
        sa.Index("ix_incidents_tenant_urgency", "tenant_id", "urgency", "number"),
        sa.Index(
            "ix_incidents_tenant_resolved_at",
            "tenant_id",
            sa.text("resolved_at desc"),
            postgresql_where=sa.text("resolved_at is not null"),
        ),
    )

    number: Mapped[int]
    title: Mapped[str]
    status: Mapped[str]
    category: Mapped[str]
    severity: Mapped[str]
    source: Mapped[str]
    system_id: Mapped[UUID | None]
    event_count: Mapped[int]
    opened_at: Mapped[datetime]
    last_event_at: Mapped[datetime]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[str | None]
    resolution: Mapped[str | None]
    assigned_to: Mapped[str | None]
    #: How often it was reopened.
    reopened: Mapped[int] = mapped_column(default=0)
    #: Of the event that opened it.
    labels: Mapped[JsonObject] = mapped_column(default=dict)
    #: By which silence or inhibition nothing is done and nobody told: see `muting.types.Muted`.
    muted: Mapped[JsonObject | None] = mapped_column(JSONB(none_as_null=True))
    #: When its own recovery ended it; null where a person or a repair did.
    recovered_at: Mapped[datetime | None]
    #: It came back again and again: a recovery ends it only once it has lasted.
    flapping: Mapped[bool] = mapped_column(default=False)
    #: By which lists are sorted: what is not resolved first, then by severity.
    urgency: Mapped[int] = mapped_column(
        sa.Computed(
            "case status when 'resolved' then 0 else 10 end"
            " + case severity when 'high' then 3 when 'medium' then 2 when 'low' then 1 else 0 end",
            persisted=True,
        )
    )


class IncidentFingerprint(Base):
    """Which open incident takes events of a fingerprint; the row goes when the incident ends."""

    __tablename__ = "incident_fingerprints"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    incident_id: Mapped[UUID] = mapped_column(sa.ForeignKey("opsteward.incidents.id"))


class IncidentGroup(Base):
    """Which fingerprints an incident has taken; stays when it has ended."""

    __tablename__ = "incident_groups"
    __table_args__ = (sa.Index("ix_incident_groups_tenant_incident", "tenant_id", "incident_id"),)

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    incident_id: Mapped[UUID] = mapped_column(sa.ForeignKey("opsteward.incidents.id"), primary_key=True)
    bound_at: Mapped[datetime] = mapped_column(default=now)


class GroupDecisionRow(Base):
    """What people decided about the events of a fingerprint."""

    __tablename__ = "group_decisions"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    category: Mapped[str | None]
    joins: Mapped[str | None]
    apart: Mapped[bool] = mapped_column(default=False)
    decided_by: Mapped[str]
    decided_at: Mapped[datetime]
    reason: Mapped[str]


class IncidentObject(Base):
    """The last that was reported of an object of an open incident; the row goes when the incident ends.

    `was_in_trouble`: an event reported trouble, be it only noted. Of two events at one instant (`happened_at`) that
    one counts which arrived later.
    """

    __tablename__ = "incident_objects"
    __table_args__ = (
        sa.Index(
            "ix_incident_objects_in_trouble",
            "tenant_id",
            "incident_id",
            "name",
            postgresql_where=sa.text("in_trouble"),
        ),
    )

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    incident_id: Mapped[UUID] = mapped_column(sa.ForeignKey("opsteward.incidents.id"), primary_key=True)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    object_key: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    was_in_trouble: Mapped[bool]
    in_trouble: Mapped[bool]
    happened_at: Mapped[datetime]
    received_at: Mapped[datetime]


class TimelineEntry(TenantRow, Base):
    """One line of an incident's timeline."""

    __tablename__ = "timeline_entries"
    __table_args__ = (sa.Index("ix_timeline_entries_tenant_incident", "tenant_id", "incident_id", "at"),)

    incident_id: Mapped[UUID] = mapped_column(sa.ForeignKey("opsteward.incidents.id"))
    at: Mapped[datetime] = mapped_column(default=now)
    kind: Mapped[str]
    title: Mapped[str]
    #: Who did what it tells, as a reference; null where it tells of something that happened.
    actor: Mapped[str | None]
    detail: Mapped[JsonObject]


class SourceSettingsRow(Base):
    """What a tenant has set for a source: its own forms, how it is signed, topics that it takes."""

    __tablename__ = "source_settings"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(primary_key=True)
    settings: Mapped[JsonObject]
    secret_sealed: Mapped[bytes | None]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime]


class SourceBody(TenantRow, Base):
    """A body as it came, kept to look at and to be read again: those of no known form, and the last of the others."""

    __tablename__ = "source_bodies"
    __table_args__ = (sa.Index("ix_source_bodies_tenant_slug", "tenant_id", "slug", "mapped", sa.text("id desc")),)

    slug: Mapped[str]
    received_at: Mapped[datetime] = mapped_column(default=now)
    kind: Mapped[str]
    headers: Mapped[JsonObject]
    body: Mapped[str]
    mapped: Mapped[bool]
    #: Why the source's own forms could not be used; mostly empty.
    trouble: Mapped[str]
    #: How many events it became, and the first of them.
    reading: Mapped[JsonObject]


class SourceCount(Base):
    """How much came from a source."""

    __tablename__ = "source_counts"

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(primary_key=True)
    bodies: Mapped[int] = mapped_column(sa.BigInteger)
    events: Mapped[int] = mapped_column(sa.BigInteger)
    unmapped: Mapped[int] = mapped_column(sa.BigInteger)
    refused: Mapped[int] = mapped_column(sa.BigInteger)
    last_received_at: Mapped[datetime | None]
    #: Why something was refused last.
    last_refusal: Mapped[str]


class StandingOrderVersion(TenantRow, Base):
    """The standing orders of a tenant as they were applied; the highest version is in force."""

    __tablename__ = "standing_order_versions"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "version"),)

    version: Mapped[int]
    text: Mapped[str]
    applied_by: Mapped[str]
    applied_at: Mapped[datetime] = mapped_column(default=now)
