"""Tables that only SCIM has: groups with their members, and further addresses of users. Private to this room."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from opsteward.core.clock import now
from opsteward.core.db import Base, TenantRow
from opsteward.core.json_types import JsonObject


class ScimGroup(TenantRow, Base):
    """A group that an identity provider keeps here. It gives no access by itself."""

    __tablename__ = "scim_groups"
    __table_args__ = (
        sa.Index("ix_scim_groups_name", "tenant_id", "display_key"),
        sa.Index(
            "ix_scim_groups_external", "tenant_id", "external_id", postgresql_where=sa.text("external_id is not null")
        ),
    )

    display_name: Mapped[str]
    display_key: Mapped[str] = mapped_column(sa.Text(collation="C"))
    external_id: Mapped[str | None]
    scim: Mapped[JsonObject | None]
    version: Mapped[int] = mapped_column(server_default="1")
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(default=now)
    updated_at: Mapped[datetime] = mapped_column(default=now)


class ScimGroupMember(TenantRow, Base):
    """A user or a group (`kind`) within a group; `display` is what the client calls it."""

    __tablename__ = "scim_group_members"
    __table_args__ = (
        sa.UniqueConstraint("tenant_id", "group_id", "member_id"),
        sa.Index("ix_scim_group_members_member", "tenant_id", "member_id"),
    )

    group_id: Mapped[UUID] = mapped_column(sa.ForeignKey("opsteward.scim_groups.id", ondelete="CASCADE"))
    member_id: Mapped[UUID]
    kind: Mapped[str]
    display: Mapped[str | None]


class ScimEmail(TenantRow, Base):
    """The key of an address of a user beside the one in its own row, so that a user is found by each."""

    __tablename__ = "scim_emails"
    __table_args__ = (
        sa.Index("ix_scim_emails_key", "tenant_id", "email_key"),
        sa.Index("ix_scim_emails_user", "tenant_id", "user_id"),
    )

    user_id: Mapped[UUID]
    email_key: Mapped[str]
