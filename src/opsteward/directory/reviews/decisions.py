"""Decisions of an access review: what is revoked is taken at once; what is kept after all is given back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from opsteward.core.clock import iso, now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, Invalid
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.directory.models import AccessReview, AccessReviewItem, User, UserGrant
from opsteward.directory.reviews.service import info, note, open_review
from opsteward.directory.types import EarlierDecision, ReviewInfo
from opsteward.directory.user_changes import change

#: Most items that one request decides.
MAX_DECISIONS = 500
Outcome = Literal["keep", "revoke"]


@dataclass(frozen=True, kw_only=True)
class Decision:
    """`keep` or `revoke`, of one item. To change a decision one names the one that it is `instead_of`, so that nobody
    undoes by accident what somebody else has just decided."""

    item_id: UUID
    decision: Outcome
    reason: str = ""
    instead_of: Outcome | None = None


async def decide(session: AsyncSession, *, review_id: UUID, decisions: Sequence[Decision], actor: str) -> ReviewInfo:
    """Keep or take what these items list, all or none. What is taken is taken at once; where a revoke becomes a keep,
    the user has again what the rule or a grant gives. Who decides as it is decided already changes nothing.

    Raises NotFound; Invalid for an item that is not of this review, or is there twice; Conflict when the review is
    closed, when an item is decided otherwise than `instead_of` says, and when two permissions would meet.
    """
    review = await open_review(session, review_id)
    rows = await _rows(session, review_id, decisions)
    at = now()
    taken: list[AccessReviewItem] = []
    #: Those whose revoke ends, with the instant of it.
    back: list[tuple[AccessReviewItem, datetime]] = []
    changed: list[JsonObject] = []
    news = 0
    for one in decisions:
        row = rows[one.item_id]
        if row.decision == one.decision:
            continue
        _check(row, one)
        news += 1
        if row.decision is None:
            review.undecided -= 1
        elif row.decided_at is not None:
            changed.append({"item_id": str(row.id), "before": row.decision, "after": one.decision})
            row.earlier = [*row.earlier, _as_earlier(row, row.decided_at)]
            if row.decision == "revoke":
                back.append((row, row.decided_at))
                review.revoked -= 1
        if one.decision == "revoke":
            taken.append(row)
            review.revoked += 1
        row.decision, row.reason, row.decided_by, row.decided_at = one.decision, one.reason, actor, at
    await session.flush()
    await _give_back(session, back)
    await _take(session, taken, review=review, actor=actor, at=at)
    await _work_out(session, {row.user_id for row in (*taken, *(row for row, _ in back))}, review=review, actor=actor)
    detail: JsonObject = {"items": news} | ({"changed": [*changed]} if changed else {})
    await note(session, "access_review.decided", review_id, actor, detail)
    return info(review)


async def _rows(session: AsyncSession, review_id: UUID, decisions: Sequence[Decision]) -> dict[UUID, AccessReviewItem]:
    """The items to be decided, held until the end of this transaction. Raises Invalid."""
    query = (
        sa.select(AccessReviewItem)
        .where(
            AccessReviewItem.tenant_id == tenant_of(session),
            AccessReviewItem.review_id == review_id,
            AccessReviewItem.id.in_({one.item_id for one in decisions}),
        )
        .order_by(AccessReviewItem.id)
        .with_for_update()
    )
    rows = {row.id: row for row in await session.scalars(query)}
    seen: set[UUID] = set()
    for number, one in enumerate(decisions):
        if one.item_id not in rows:
            raise Invalid.field(f"decisions.{number}.item_id", "is no item of this review", "see its items")
        if one.item_id in seen:
            raise Invalid.field(f"decisions.{number}.item_id", "is there twice", "decide each item once")
        seen.add(one.item_id)
    return rows


def _check(row: AccessReviewItem, one: Decision) -> None:
    if row.decision == one.instead_of:
        return
    if row.decision is None:
        raise Conflict(f"item {row.id} is not decided yet", remedy="leave `instead_of` out")
    raise Conflict(
        f"item {row.id} is decided already: {row.decision}", remedy=f"to change it, say `instead_of`: {row.decision}"
    )


def _as_earlier(row: AccessReviewItem, decided_at: datetime) -> EarlierDecision:
    return {
        "decision": row.decision or "",
        "decided_by": row.decided_by or "",
        "decided_at": iso(decided_at),
        "reason": row.reason,
    }


async def _take(
    session: AsyncSession, taken: Sequence[AccessReviewItem], *, review: AccessReview, actor: str, at: datetime
) -> None:
    """Deny each of it to its user: single grants of it end, and what the rule gives is not given to this one."""
    if not taken:
        return
    tenant_id = tenant_of(session)
    pairs = [(row.user_id, row.kind, row.name) for row in taken]
    await session.execute(
        sa.update(UserGrant)
        .where(
            UserGrant.tenant_id == tenant_id,
            sa.tuple_(UserGrant.user_id, UserGrant.kind, UserGrant.name).in_(pairs),
            ~UserGrant.denied,
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


async def _give_back(session: AsyncSession, back: Sequence[tuple[AccessReviewItem, datetime]]) -> None:
    """Lift the denials of these revokes, and let the single grants go on that they ended, unless their time is over
    or another one has come. What another review took stays taken."""
    if not back:
        return
    tenant_id, at = tenant_of(session), now()
    own = (
        UserGrant.tenant_id == tenant_id,
        UserGrant.user_id.in_({row.user_id for row, _ in back}),
    )
    instants = [(row.user_id, row.kind, row.name, instant) for row, instant in back]
    what = (UserGrant.user_id, UserGrant.kind, UserGrant.name)
    await session.execute(
        sa.update(UserGrant)
        .where(
            *own,
            UserGrant.denied,
            UserGrant.revoked_at.is_(None),
            sa.tuple_(*what, UserGrant.granted_at).in_(instants),
        )
        .values(revoked_at=at)
    )
    other = aliased(UserGrant)
    another = sa.exists().where(
        other.tenant_id == tenant_id,
        other.user_id == UserGrant.user_id,
        other.kind == UserGrant.kind,
        other.name == UserGrant.name,
        ~other.denied,
        other.revoked_at.is_(None),
    )
    await session.execute(
        sa.update(UserGrant)
        .where(
            *own,
            ~UserGrant.denied,
            sa.tuple_(*what, UserGrant.revoked_at).in_(instants),
            sa.or_(UserGrant.expires_at.is_(None), UserGrant.expires_at > at),
            ~another,
        )
        .values(revoked_at=None)
    )


async def _work_out(session: AsyncSession, user_ids: set[UUID], *, review: AccessReview, actor: str) -> None:
    """What these users have now, with a line in the history of each."""
    if not user_ids:
        return
    users = await session.scalars(
        sa.select(User)
        .where(User.tenant_id == tenant_of(session), User.id.in_(user_ids))
        .order_by(User.id)
        .with_for_update()
    )
    for user in users:
        await change(session, user, {}, what="reviewed", actor=actor, reason=f"access review: {review.name}")
