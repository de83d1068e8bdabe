"""Access reviews: a campaign lists who has what; a reviewer keeps it or takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core import feed
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, Invalid, NotFound
from opsteward.core.ids import uuid7
from opsteward.identity.keys import name_problem
from opsteward.identity.people import ReviewInfo, ReviewItemInfo
from opsteward.identity.people_models import AccessReview, AccessReviewItem, User, UserGrant
from opsteward.identity.service.access_of_users import change
from opsteward.telemetry.service import audit

#: The kind of the notice that says that a campaign has changed.
REVIEW = "access_review"
#: Most items that one request decides.
MOST_DECISIONS = 500


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`keep` or `revoke`, of one item."""

    item_id: UUID
    decision: str
    reason: str = ""


_FILL = sa.text("""
insert into opsteward.access_review_items (id, tenant_id, review_id, user_id, kind, name)
select gen_random_uuid(), u.tenant_id, :review, u.id, h.kind, h.name
from opsteward.users u cross join lateral (
    select 'permission' as kind, unnest(u.permissions) as name
    union all select 'system', unnest(u.system_access)) h
where u.tenant_id = :tenant and u.status = 'active' and (cast(:role as text) is null or u.role = :role)
    and (cast(:department as text) is null or u.department = :department)
""")
_COUNTS = sa.text("""
select review_id, count(*) as items, count(*) filter (where decision is null) as open,
       count(*) filter (where decision = 'revoke') as revoked
from opsteward.access_review_items where tenant_id = :tenant and review_id = any(:reviews) group by review_id
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
    )
    session.add(review)
    await session.flush()
    values = {"review": review.id, "tenant": review.tenant_id, "role": role, "department": department}
    filled = await session.execute(_FILL, values)
    if not filled.rowcount:  # type: ignore[attr-defined]
        raise Invalid("no active user of these has any access", remedy="choose another role or department, or all")
    await _audited(session, "access_review.started", review.id, actor)
    return await get_review(session, review_id=review.id)


async def get_review(session: AsyncSession, *, review_id: UUID) -> ReviewInfo:
    """Raises NotFound."""
    rows = await _with_counts(
        session, sa.select(AccessReview).where(_own(session, AccessReview), AccessReview.id == review_id)
    )
    if not rows:
        raise NotFound("no access review of this id")
    return rows[0]


async def reviews(session: AsyncSession, *, before: UUID | None = None, limit: int = 50) -> list[ReviewInfo]:
    """The campaigns, newest first."""
    query = sa.select(AccessReview).where(_own(session, AccessReview)).order_by(AccessReview.id.desc()).limit(limit)
    return await _with_counts(session, query if before is None else query.where(AccessReview.id < before))


async def items(
    session: AsyncSession, *, review_id: UUID, undecided: bool = False, after: UUID | None = None, limit: int = 100
) -> list[ReviewItemInfo]:
    """What a campaign lists: user by user, in a fixed order. Raises NotFound, Invalid for an `after` of another one."""
    exists = sa.select(AccessReview.id).where(_own(session, AccessReview), AccessReview.id == review_id)
    if await session.scalar(exists) is None:
        raise NotFound("no access review of this id")
    place = (AccessReviewItem.user_id, AccessReviewItem.kind, AccessReviewItem.name)
    of_review = (_own(session, AccessReviewItem), AccessReviewItem.review_id == review_id)
    query = (
        sa.select(AccessReviewItem, User.username, User.full_name)
        .join(User, sa.and_(User.tenant_id == AccessReviewItem.tenant_id, User.id == AccessReviewItem.user_id))
        .where(*of_review)
        .order_by(*place)
        .limit(limit)
    )
    if undecided:
        query = query.where(AccessReviewItem.decision.is_(None))
    if after is not None:
        last = (await session.execute(sa.select(*place).where(*of_review, AccessReviewItem.id == after))).one_or_none()
        if last is None:
            raise Invalid.field("after", "is no item of this review", "begin at the first page")
        query = query.where(sa.tuple_(*place) > sa.tuple_(*last))
    own = [name for name in ReviewItemInfo.__dataclass_fields__ if name not in ("username", "full_name")]
    return [
        ReviewItemInfo(**{key: getattr(row, key) for key in own}, username=username, full_name=full_name)
        for row, username, full_name in await session.execute(query)
    ]


async def decide(session: AsyncSession, *, review_id: UUID, decisions: Sequence[Decision], actor: str) -> ReviewInfo:
    """Keep or take what these items list, all or none; what is taken is taken at once. An item is decided once.

    Raises NotFound, Invalid for an item that is not of this review, Conflict when the review or an item is decided.
    """
    review = await get_review(session, review_id=review_id)
    if review.status != "open":
        raise Conflict("this access review is closed")
    wanted = {one.item_id: one for one in decisions}
    rows = {
        row.id: row
        for row in await session.scalars(
            sa.select(AccessReviewItem)
            .where(
                _own(session, AccessReviewItem),
                AccessReviewItem.review_id == review_id,
                AccessReviewItem.id.in_(wanted),
            )
            .order_by(AccessReviewItem.id)
            .with_for_update()
        )
    }
    for number, one in enumerate(decisions):
        row = rows.get(one.item_id)
        if row is None:
            raise Invalid.field(f"decisions.{number}.item_id", "is no item of this review", "see its items")
        if row.decision is not None and row.decision != one.decision:
            raise Conflict(f"item {row.id} is decided already: {row.decision}")
    news = [row for row in rows.values() if row.decision is None]
    for row in news:
        row.decision, row.reason = wanted[row.id].decision, wanted[row.id].reason
        row.decided_by, row.decided_at = actor, now()
    await session.flush()
    await _take(session, [row for row in news if row.decision == "revoke"], review=review, actor=actor)
    await _audited(session, "access_review.decided", review_id, actor, {"items": len(news)})
    return await get_review(session, review_id=review_id)


async def close(session: AsyncSession, *, review_id: UUID, actor: str) -> ReviewInfo:
    """End a campaign; what is undecided is kept. Raises NotFound, Conflict when it is closed."""
    closed = await session.scalar(
        sa.update(AccessReview)
        .where(_own(session, AccessReview), AccessReview.id == review_id, AccessReview.status == "open")
        .values(status="closed", closed_at=now())
        .returning(AccessReview.id)
    )
    if closed is None:
        await get_review(session, review_id=review_id)
        raise Conflict("this access review is closed")
    await _audited(session, "access_review.closed", review_id, actor)
    return await get_review(session, review_id=review_id)


async def _take(session: AsyncSession, taken: Sequence[AccessReviewItem], *, review: ReviewInfo, actor: str) -> None:
    """Deny each of it to its user: single grants of it end, and what the rule gives is not given to this one."""
    if not taken:
        return
    tenant_id, at = tenant_of(session), now()
    pairs = [(row.user_id, row.kind, row.name) for row in taken]
    await session.execute(
        sa.update(UserGrant)
        .where(
            UserGrant.tenant_id == tenant_id,
            sa.tuple_(UserGrant.user_id, UserGrant.kind, UserGrant.name).in_(pairs),
            UserGrant.revoked_at.is_(None),
        )
        .values(revoked_at=at)
    )
    denials = [
        {
            "id": uuid7(),
            "tenant_id": tenant_id,
            "user_id": row.user_id,
            "kind": row.kind,
            "name": row.name,
            "denied": True,
            "granted_by": actor,
            "reason": row.reason or f"access review: {review.name}",
            "granted_at": at,
        }
        for row in taken
    ]
    await session.execute(insert(UserGrant), denials)
    users = await session.scalars(
        sa.select(User)
        .where(User.tenant_id == tenant_id, User.id.in_({row.user_id for row in taken}))
        .order_by(User.id)
        .with_for_update()
    )
    for user in users:
        await change(session, user, {}, what="reviewed", actor=actor, reason=f"access review: {review.name}")


async def _with_counts(session: AsyncSession, query: sa.Select[AccessReview]) -> list[ReviewInfo]:
    found = list(await session.scalars(query))
    ids = [row.id for row in found]
    counted = {
        row.review_id: row for row in await session.execute(_COUNTS, {"tenant": tenant_of(session), "reviews": ids})
    }
    own = [name for name in ReviewInfo.__dataclass_fields__ if name not in ("items", "undecided", "revoked")]
    return [
        ReviewInfo(
            **{name: getattr(row, name) for name in own},
            items=counted[row.id].items if row.id in counted else 0,
            undecided=counted[row.id].open if row.id in counted else 0,
            revoked=counted[row.id].revoked if row.id in counted else 0,
        )
        for row in found
    ]


def _own(session: AsyncSession, table: type[AccessReview | AccessReviewItem]) -> sa.ColumnElement[bool]:
    return table.tenant_id == tenant_of(session)


async def _audited(
    session: AsyncSession, verb: str, review_id: UUID, actor: str, detail: dict[str, Any] | None = None
) -> None:
    """Keep it in the audit log, and tell the pages that show it."""
    await audit.record(
        session, actor=actor, verb=verb, object_type="access_review", object_id=str(review_id), detail=detail
    )
    await feed.announce(session, kind=REVIEW, object_id=str(review_id))
