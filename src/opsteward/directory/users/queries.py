"""Users in lists, with their history, and the figures of all of them. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.keyset import in_order
from opsteward.core.name_keys import folded
from opsteward.core.references import called
from opsteward.directory.models import User, UserChange
from opsteward.directory.types import (
    ALL_SYSTEMS,
    EnrollmentAnalytics,
    GrowthPoint,
    UserAnalytics,
    UserChangeInfo,
    UserInfo,
    UserStatus,
)
from opsteward.directory.users.service import info

#: What users can be ordered by; ids are made in the order of registration.
ORDERS = {"username": User.username_key, "registered": User.id}
_FIND = sa.text("select opsteward.find_users(:part, :words, :status, :role, :department, :after, :most)")


async def page(
    session: AsyncSession,
    *,
    search: str | None = None,
    status: UserStatus | None = None,
    role: str | None = None,
    department: str | None = None,
    after: str | None = None,
    ref: str | None = None,
    limit: int = 50,
    by: str = "username",
    descending: bool = False,
    after_id: UUID | None = None,
) -> list[UserInfo]:
    """Those who hold their names, in the order of their usernames. `search` is part of a username, an address or a
    full name, whatever its case; `after` is the username of the last one of the page before. With `ref` those who are
    called so, by username, address or id, who gave their names back among them. `by`: in another order of ORDERS, then
    behind the user `after_id`; what is searched for comes by username."""
    tenant_id = tenant_of(session)
    if ref is not None:
        named = [User.holds_names & (key == folded(ref)) for key in (User.username_key, User.email_key)]
        ids = await called(session, User, ref, names=named)
        return await several(session, user_ids=ids)
    query = sa.select(User).where(User.tenant_id == tenant_id, User.holds_names)
    if search:
        found = await session.scalars(
            _FIND,
            {
                "part": folded(search),
                "words": search,
                "status": status,
                "role": role,
                "department": department,
                "after": folded(after) if after else None,
                "most": limit,
            },
        )
        return [
            info(row)
            for row in await session.scalars(query.where(User.id.in_(found.all())).order_by(User.username_key))
        ]
    if status is not None:
        query = query.where(User.status == status)
    if role is not None:
        query = query.where(User.role == role)
    if department is not None:
        query = query.where(User.department == department)
    if after:
        query = query.where(User.username_key > folded(after))
    query = in_order(query, by=ORDERS[by], row_id=User.id, descending=descending, after=after_id)
    return [info(row) for row in await session.scalars(query.limit(limit))]


@dataclass(frozen=True, kw_only=True)
class Shares:
    """How many users there are of each status, role and department, the larger first; of those who hold their names.

    Not more than `MOST_SHARES` roles and departments.
    """

    statuses: dict[str, int]
    roles: dict[str, int]
    departments: dict[str, int]


MAX_SHARES = 200
_SHARES = sa.text("""
select grouping(status, role, department) as kind, coalesce(status, role, department) as name, count(*) as n
from opsteward.users where tenant_id = :tenant and holds_names
group by grouping sets ((status), (role), (department)) order by n desc, name
""")
#: What `grouping` says of a row that counts a status, a role, a department.
_OF_STATUS, _OF_ROLE, _OF_DEPARTMENT = 0b011, 0b101, 0b110


async def shares(session: AsyncSession) -> Shares:
    """Counts of all users of the tenant, in one pass over them."""
    rows = list(await session.execute(_SHARES, {"tenant": tenant_of(session)}))
    found = {
        kind: {row.name: row.n for row in rows if row.kind == kind and row.name is not None}
        for kind in (_OF_STATUS, _OF_ROLE, _OF_DEPARTMENT)
    }
    return Shares(
        statuses={status: found[_OF_STATUS].get(status, 0) for status in UserStatus},
        roles=dict(list(found[_OF_ROLE].items())[:MAX_SHARES]),
        departments=dict(list(found[_OF_DEPARTMENT].items())[:MAX_SHARES]),
    )


async def holders(session: AsyncSession, *, what: str, limit: int) -> list[UserInfo]:
    """Active users who have this system, whatever its case, or every one, or this permission; by username."""
    system = sa.func.unnest(User.system_access).column_valued("system")
    rows = await session.scalars(
        sa.select(User)
        .where(
            User.tenant_id == tenant_of(session),
            User.status == UserStatus.ACTIVE,
            User.holds_names,
            sa.or_(
                User.permissions.contains([what]),
                sa.exists().where(sa.func.lower(system).in_([what.lower(), ALL_SYSTEMS])),
            ),
        )
        .order_by(User.username_key)
        .limit(limit)
    )
    return [info(row) for row in rows]


async def reports_of(session: AsyncSession, *, user_id: UUID, limit: int = 50) -> list[UserInfo]:
    """Those whose manager this user is, by username."""
    rows = await session.scalars(
        sa.select(User)
        .where(User.tenant_id == tenant_of(session), User.manager_id == user_id, User.holds_names)
        .order_by(User.username_key)
        .limit(limit)
    )
    return [info(row) for row in rows]


async def history(session: AsyncSession, *, user_id: UUID, limit: int = 200) -> list[UserChangeInfo]:
    """What happened to a user after it was registered, newest first."""
    rows = await session.scalars(
        sa.select(UserChange)
        .where(UserChange.tenant_id == tenant_of(session), UserChange.user_id == user_id)
        .order_by(UserChange.id.desc())
        .limit(limit)
    )
    return [
        UserChangeInfo(**{name: getattr(row, name) for name in UserChangeInfo.__dataclass_fields__}) for row in rows
    ]


_COUNTS = sa.text("""
select 'status' as by, status as name, count(*) as n,
       count(*) filter (where created_at >= :since) as new
from opsteward.users where tenant_id = :tenant group by status
union all
select 'role', role, count(*), 0 from opsteward.users where tenant_id = :tenant group by role
union all
select 'department', coalesce(department, ''), count(*), 0 from opsteward.users where tenant_id = :tenant group by 2
""")
_GROWTH = sa.text("""
select (created_at at time zone 'UTC')::date as day, count(*) as n from opsteward.users
where tenant_id = :tenant and created_at >= :since group by 1 order by 1
""")
_ENROLLED = sa.text("""
select status, automatic, count(*) as n,
       avg(extract(epoch from decided_at - requested_at)) filter (where not automatic) as seconds,
       count(*) filter (where not automatic and decided_at is not null) as decided
from opsteward.enrollments where tenant_id = :tenant and requested_at >= :since group by 1, 2
""")


async def analytics(session: AsyncSession, *, days: int) -> UserAnalytics:
    """Figures of the users, and of the last `days` days: who came, how they were let in. Rates are 0-100."""
    at = now()
    since = (at - timedelta(days=days - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    values = {"tenant": tenant_of(session), "since": since}
    by: dict[str, dict[str, int]] = {"status": {}, "role": {}, "department": {}}
    new = 0
    for row in await session.execute(_COUNTS, values):
        by[row.by][row.name] = row.n
        new += row.new
    growth = {row.day: row.n for row in await session.execute(_GROWTH, values)}
    total = sum(by["status"].values())
    active = by["status"].get(UserStatus.ACTIVE, 0)
    dates = [(since + timedelta(days=number)).date() for number in range(days)]
    return UserAnalytics(
        days=days,
        new_users_count=new,
        total_users=total,
        active_users=active,
        activity_rate=round(100 * active / total, 2) if total else 0.0,
        by_status=by["status"],
        by_role=by["role"],
        by_department={name: n for name, n in by["department"].items() if name},
        growth=[GrowthPoint(date=day, new_users=growth.get(day, 0)) for day in dates],
        enrollment_analytics=_enrolled([dict(row._mapping) for row in await session.execute(_ENROLLED, values)]),
    )


def _enrolled(rows: list[dict[str, Any]]) -> EnrollmentAnalytics:
    def count(status: str) -> int:
        return sum(row["n"] for row in rows if row["status"] == status)

    total = sum(row["n"] for row in rows)
    automatic = sum(row["n"] for row in rows if row["automatic"])
    decided = sum(row["decided"] for row in rows)
    seconds = sum(float(row["seconds"] or 0) * row["decided"] for row in rows)
    return EnrollmentAnalytics(
        total=total,
        auto_approval_rate=round(100 * automatic / total, 2) if total else 0.0,
        pending=count("pending_manual_review"),
        approved=count("approved"),
        rejected=count("rejected"),
        avg_decision_seconds=round(seconds / decided, 3) if decided else None,
    )


async def several(session: AsyncSession, *, user_ids: Sequence[UUID]) -> list[UserInfo]:
    """Those of these users that there are."""
    rows = await session.scalars(sa.select(User).where(User.tenant_id == tenant_of(session), User.id.in_(user_ids)))
    return [info(row) for row in rows]
