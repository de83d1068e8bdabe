"""Access reviews: a campaign lists who has what, until it is closed. Its items and their decisions lie beside."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core import feed
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, Invalid, NotFound
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.core.name_keys import name_problem
from opsteward.directory.models import AccessReview
from opsteward.directory.types import ReviewInfo
from opsteward.telemetry import audit

#: The kind of the notice that says that a campaign has changed.
REVIEW = "access_review"

#: In the order of the index that every item goes into, with ids that follow each other (the campaign's own, counted
#: on): at random places of the indexes, and with random ids, 300,000 take twice as long.
_FILL = sa.text("""
insert into opsteward.access_review_items (id, tenant_id, review_id, user_id, kind, name)
select (left(cast(:review as text), 24) || lpad(to_hex(row_number() over ()), 12, '0'))::uuid,
    h.tenant_id, cast(:review as uuid), h.user_id, h.kind, h.name
from (
select u.tenant_id, u.id as user_id, h.kind, h.name
from opsteward.users u cross join lateral (
    select 'permission' as kind, unnest(u.permissions) as name
    union all select 'system', unnest(u.system_access)) h
where u.tenant_id = :tenant and u.status = 'active' and (cast(:role as text) is null or u.role = :role)
    and (cast(:department as text) is null or u.department = :department)
order by u.id, h.kind, h.name) h
""")


async def start(
    session: AsyncSession,
    *,
    name: str,
    actor: str,
    role: str | None = None,
    department: str | None = None,
    due_at: datetime | None = None,
) -> ReviewInfo:
    """Begin a campaign over what active users have now, of all or of a role or department.

    Raises Invalid for a bad name or where nobody has anything.
    """
    if problem := name_problem(name, most=200):
        raise Invalid.field("name", problem, "use 1 to 200 printable characters")
    review = AccessReview(
        id=uuid7(),
        tenant_id=tenant_of(session),
        name=name,
        status="open",
        created_by=actor,
        created_at=now(),
        due_at=due_at,
        closed_at=None,
        items=0,
        undecided=0,
        revoked=0,
    )
    session.add(review)
    await session.flush()
    values = {"review": str(review.id), "tenant": review.tenant_id, "role": role, "department": department}
    filled = await session.execute(_FILL, values)
    review.items = review.undecided = filled.rowcount  # type: ignore[attr-defined]
    if not review.items:
        raise Invalid("no active user of these has any access", remedy="choose another role or department, or all")
    await session.flush()
    await note(session, "access_review.started", review.id, actor)
    return info(review)


async def get_review(session: AsyncSession, *, review_id: UUID) -> ReviewInfo:
    """Raises NotFound."""
    row = await session.scalar(_by_id(session, review_id))
    if row is None:
        raise NotFound("no access review of this id")
    return info(row)


async def reviews(session: AsyncSession, *, before: UUID | None = None, limit: int = 50) -> list[ReviewInfo]:
    """The campaigns, newest first."""
    own = AccessReview.tenant_id == tenant_of(session)
    query = sa.select(AccessReview).where(own).order_by(AccessReview.id.desc()).limit(limit)
    rows = await session.scalars(query if before is None else query.where(AccessReview.id < before))
    return [info(row) for row in rows]


async def open_review(session: AsyncSession, review_id: UUID) -> AccessReview:
    """The row of an open campaign, held until the end of this transaction. Raises NotFound, Conflict when closed."""
    row = await session.scalar(_by_id(session, review_id).with_for_update())
    if row is None:
        raise NotFound("no access review of this id")
    if row.status != "open":
        raise Conflict("this access review is closed")
    return row


async def close(session: AsyncSession, *, review_id: UUID, actor: str) -> ReviewInfo:
    """End a campaign; what is undecided is kept. Raises NotFound, Conflict when it is closed."""
    review = await open_review(session, review_id)
    review.status, review.closed_at = "closed", now()
    await session.flush()
    await note(session, "access_review.closed", review_id, actor)
    return info(review)


def info(row: AccessReview) -> ReviewInfo:
    """A campaign as it is shown."""
    return ReviewInfo(**{name: getattr(row, name) for name in ReviewInfo.__dataclass_fields__})


async def note(session: AsyncSession, verb: str, review_id: UUID, actor: str, detail: JsonObject | None = None) -> None:
    """Keep it in the audit log, and tell the pages that show it."""
    await audit.record(
        session, actor=actor, verb=verb, object_type="access_review", object_id=str(review_id), detail=detail
    )
    await feed.announce(session, kind=REVIEW, object_id=str(review_id))


def _by_id(session: AsyncSession, review_id: UUID) -> sa.Select[AccessReview]:
    return sa.select(AccessReview).where(AccessReview.tenant_id == tenant_of(session), AccessReview.id == review_id)
