"""Tables of people: users, what happened to them, and their enrolments. Private to this room."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core.clock import now
from opsteward.core.db import Base, TenantRow
from opsteward.core.json_types import Json, JsonObject
from opsteward.directory.types import EarlierDecision
from opsteward.directory.user_fields import USER_FIELDS

_HELD = sa.text("holds_names")
#: A leaver keeps its address, and somebody else may have it meanwhile: whoever is hired again comes as a new user.
_ADDRESS_HELD = sa.text("holds_names and status in ('active', 'pending', 'suspended')")


class User(TenantRow, Base):
    """A person (or program) of the tenant's directory. Gives no power over Opsteward itself.

    `permissions` and `system_access` are what holds now: of the enrolment's rule and of single grants together.
    While `holds_names` is set nobody else can take the username; a SCIM DELETE gives it back. The address is the user's
    while it is active, pending or suspended.
    """

    __tablename__ = "users"
    __table_args__ = (
        sa.Index("uq_users_username", "tenant_id", "username_key", unique=True, postgresql_where=_HELD),
        sa.Index("uq_users_email", "tenant_id", "email_key", unique=True, postgresql_where=_ADDRESS_HELD),
        # of leavers too, for who looks one up by its address
        sa.Index("ix_users_email", "tenant_id", "email_key", postgresql_where=_HELD),
        sa.Index("ix_users_status", "tenant_id", "status", postgresql_where=_HELD),
        sa.Index("ix_users_external", "tenant_id", "external_id", postgresql_where=sa.text("external_id is not null")),
        sa.Index("ix_users_manager", "tenant_id", "manager_id", postgresql_where=sa.text("manager_id is not null")),
        sa.Index(
            "ix_users_lookalike", "tenant_id", "lookalike_key", postgresql_where=sa.text("lookalike_key is not null")
        ),
        sa.Index("ix_users_expires", "expires_at", postgresql_where=sa.text("expires_at is not null")),
    )

    username: Mapped[str]
    #: Ordered by code points, so that its index finds what starts with a text in any database.
    username_key: Mapped[str] = mapped_column(sa.Text(collation="C"))
    #: How the username looks in plain letters, where it has others that look like them.
    lookalike_key: Mapped[str | None]
    #: The user whose username this one's can be mistaken for: people get a warning, nothing is merged.
    looks_like: Mapped[UUID | None]
    email: Mapped[str | None]
    email_key: Mapped[str | None]
    full_name: Mapped[str]
    #: What a search looks into. The database makes it; nobody reads it.
    search_key: Mapped[str | None] = mapped_column(
        sa.Computed("username_key || E'\\n' || coalesce(email_key, '') || E'\\n' || lower(full_name)", persisted=True),
        deferred=True,
    )
    status: Mapped[str]
    role: Mapped[str]
    department: Mapped[str | None]
    manager_id: Mapped[UUID | None]
    external_id: Mapped[str | None]
    permissions: Mapped[list[str]]
    system_access: Mapped[list[str]]
    profile_data: Mapped[JsonObject]
    tags: Mapped[list[str]]
    #: What SCIM clients send that has no column of its own.
    scim: Mapped[JsonObject | None]
    source: Mapped[str]
    created_by: Mapped[str]
    holds_names: Mapped[bool] = mapped_column(server_default=sa.true())
    version: Mapped[int] = mapped_column(server_default="1")
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)
    deactivated_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]


for _field in USER_FIELDS:  # plain texts that only files bring and take
    if _field.stored == "text" and _field.name not in User.__table__.columns:
        setattr(User, _field.name, mapped_column(_field.name, sa.Text, nullable=True))


class UserChange(TenantRow, Base):
    """One change of a user after the first: who, when, what (`[before, after]` by field) and why."""

    __tablename__ = "user_changes"
    __table_args__ = (sa.Index("ix_user_changes_user", "tenant_id", "user_id", "id"),)

    user_id: Mapped[UUID]
    at: Mapped[datetime]
    actor: Mapped[str]
    what: Mapped[str]
    reason: Mapped[str]
    fields: Mapped[dict[str, list[Json]]] = mapped_column(JSONB)
    correlation_id: Mapped[str]


class UserGrant(TenantRow, Base):
    """A permission or a system that a user has beside those of the enrolment's rule, for a time or until revoked.

    With `denied` it is one that the user has not, though the rule gives it: a review took it.
    """

    __tablename__ = "user_grants"
    __table_args__ = (
        sa.Index("ix_user_grants_user", "tenant_id", "user_id", postgresql_where=sa.text("revoked_at is null")),
        sa.Index(
            "ix_user_grants_due",
            "expires_at",
            postgresql_where=sa.text("revoked_at is null and expires_at is not null"),
        ),
    )

    user_id: Mapped[UUID]
    kind: Mapped[str]
    name: Mapped[str]
    denied: Mapped[bool] = mapped_column(server_default=sa.false())
    granted_by: Mapped[str]
    reason: Mapped[str]
    granted_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class Enrollment(TenantRow, Base):
    """A request for what a rule gives. `stages` are the approvals that it needs, in order; `stage` is the next one."""

    __tablename__ = "enrollments"
    __table_args__ = (
        sa.Index("ix_enrollments_user", "tenant_id", "user_id"),
        sa.Index("ix_enrollments_status", "tenant_id", "status", "id"),
        sa.Index("ix_enrollments_due", "due_at", postgresql_where=sa.text("due_at is not null")),
    )

    user_id: Mapped[UUID]
    enrollment_type: Mapped[str]
    status: Mapped[str]
    automatic: Mapped[bool]
    stages: Mapped[list[JsonObject]]
    stage: Mapped[int]
    requested_by: Mapped[str]
    requested_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    approver: Mapped[str | None]
    reason: Mapped[str | None]
    #: When the present stage is escalated.
    due_at: Mapped[datetime | None]


class EnrollmentRule(TenantRow, Base):
    """A tenant's own rule, or its own form of one that ships."""

    __tablename__ = "enrollment_rules"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "name"),)

    name: Mapped[str]
    rule: Mapped[JsonObject]
    updated_by: Mapped[str]
    updated_at: Mapped[datetime]


class DutyConflict(TenantRow, Base):
    """Two permissions that nobody may have together; `first` < `second`."""

    __tablename__ = "duty_conflicts"
    __table_args__ = (sa.UniqueConstraint("tenant_id", "first", "second"),)

    first: Mapped[str]
    second: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[datetime]


class AccessReview(TenantRow, Base):
    """A campaign: who had what when it began, for somebody to keep or take. Its counts are kept with each decision."""

    __tablename__ = "access_reviews"

    name: Mapped[str]
    status: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    items: Mapped[int] = mapped_column(server_default="0")
    undecided: Mapped[int] = mapped_column(server_default="0")
    revoked: Mapped[int] = mapped_column(server_default="0")


class AccessReviewItem(TenantRow, Base):
    """One permission or system of one user in a campaign. `earlier` are the decisions before the one that stands.

    What a revoke took (grants that ended, the denial) bears the instant `decided_at`.
    """

    __tablename__ = "access_review_items"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "review_id", "user_id", "kind", "name"),
        sa.Index("ix_access_review_items_decision", "tenant_id", "review_id", "decision", "user_id", "kind", "name"),
        sa.Index("ix_access_review_items_name", "tenant_id", "review_id", "name", "decision", "user_id", "kind"),
    )

    review_id: Mapped[UUID]
    user_id: Mapped[UUID]
    kind: Mapped[str]
    name: Mapped[str]
    decision: Mapped[str | None]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    reason: Mapped[str | None]
    earlier: Mapped[list[EarlierDecision]] = mapped_column(JSONB, server_default="[]")
