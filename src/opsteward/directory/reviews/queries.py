"""What a campaign lists, found by who has it, what it is and how it was decided. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.core.errors import Invalid, NotFound
from opsteward.core.name_keys import folded
from opsteward.directory.models import AccessReview, AccessReviewItem, User
from opsteward.directory.types import ReviewItemInfo

Kind = Literal["permission", "system"]
Standing = Literal["open", "keep", "revoke"]

#: So many of the users who fit a search are looked up one by one. Where there are more, and they don't fill the page,
#: the items are gone through with all of them at hand.
_FEW = 1000
_MATCHING = sa.text("select u from opsteward.users_matching(:part, :words, :beginning, :most) u")
_PLACE = (AccessReviewItem.user_id, AccessReviewItem.kind, AccessReviewItem.name)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which items: of users of whose username, address or full name `search` is a part; of a kind, a name, a decision
    (`open`: none yet)."""

    search: str | None = None
    kind: Kind | None = None
    name: str | None = None
    decision: Standing | None = None


async def items(
    session: AsyncSession,
    *,
    review_id: UUID,
    wanted: Wanted = Wanted(),
    after: UUID | None = None,
    limit: int = 100,
) -> list[ReviewItemInfo]:
    """What a campaign lists: user by user, in a fixed order. Raises NotFound, Invalid for an `after` of another one."""
    exists = sa.select(AccessReview.id).where(
        AccessReview.tenant_id == tenant_of(session), AccessReview.id == review_id
    )
    if await session.scalar(exists) is None:
        raise NotFound("no access review of this id")
    of_review = [AccessReviewItem.tenant_id == tenant_of(session), AccessReviewItem.review_id == review_id]
    last = None
    if after is not None:
        last = (await session.execute(sa.select(*_PLACE).where(*of_review, AccessReviewItem.id == after))).one_or_none()
        if last is None:
            raise Invalid.field("after", "is no item of this review", "begin at the first page")
        of_review.append(sa.tuple_(*_PLACE) > sa.tuple_(*last))
    if not wanted.search:
        return await _read(session, of_review, wanted, limit)
    values = {"part": folded(wanted.search), "words": wanted.search, "beginning": last[0] if last else None}
    few = list(await session.scalars(_MATCHING, values | {"most": _FEW + 1}))
    of_few = AccessReviewItem.user_id == sa.any_(sa.literal(few[:_FEW], ARRAY(sa.Uuid)))
    found = await _read(session, [*of_review, of_few], wanted, limit)
    if len(found) == limit or len(few) <= _FEW:
        return found
    all_who_fit = _MATCHING.bindparams(**values, most=None).columns(u=sa.Uuid).cte("fits")
    # `is true` keeps it a look into a table of those who fit; as a join the items would come in no order
    of_all = AccessReviewItem.user_id.in_(sa.select(all_who_fit.c.u)).is_(True)
    return await _read(session, [*of_review, of_all], wanted, limit)


async def _read(
    session: AsyncSession, conditions: list[sa.ColumnElement[bool]], wanted: Wanted, limit: int
) -> list[ReviewItemInfo]:
    page = _page_of(conditions, wanted, limit).subquery()
    query = (
        sa.select(AccessReviewItem, User.username, User.full_name)
        .join(page, page.c.id == AccessReviewItem.id)
        .join(User, sa.and_(User.tenant_id == AccessReviewItem.tenant_id, User.id == AccessReviewItem.user_id))
        .where(AccessReviewItem.tenant_id == tenant_of(session))
        .order_by(*_PLACE)
    )
    own = [name for name in ReviewItemInfo.__dataclass_fields__ if name not in ("username", "full_name")]
    return [
        ReviewItemInfo(**{key: getattr(row, key) for key in own}, username=username, full_name=full_name)
        for row, username, full_name in await session.execute(query)
    ]


def _page_of(conditions: list[sa.ColumnElement[bool]], wanted: Wanted, limit: int) -> sa.Select[Any]:
    """The ids of a page. Each part of it is the beginning of a range of an index, in that index's order."""
    if wanted.kind is not None:
        conditions = [*conditions, AccessReviewItem.kind == wanted.kind]
    if wanted.name is not None:
        conditions = [*conditions, AccessReviewItem.name == wanted.name]

    def part(*more: sa.ColumnElement[bool]) -> sa.Select[Any]:
        columns: tuple[sa.SQLColumnExpression[Any], ...] = (AccessReviewItem.id, *_PLACE)
        # Ordered by the decision too (of one, the same order), none but an index of decisions will do: gone through
        # in another one, what is open lies behind all that is decided.
        order = (AccessReviewItem.decision, *_PLACE) if more else _PLACE
        return sa.select(*columns).where(*conditions, *more).order_by(*order).limit(limit)

    undecided, kept, revoked = (
        AccessReviewItem.decision.is_(None),
        AccessReviewItem.decision == "keep",
        AccessReviewItem.decision == "revoke",
    )
    if wanted.decision is not None:
        return part({"open": undecided, "keep": kept, "revoke": revoked}[wanted.decision])
    if wanted.name is None:
        return part()
    ranges = sa.union_all(*(sa.select(part(one).subquery()) for one in (undecided, kept, revoked))).subquery()
    return sa.select(ranges).order_by(ranges.c.user_id, ranges.c.kind, ranges.c.name).limit(limit)


#: Steps from name to name in the index, where reading all items would take a hundred times as long.
_NAMES = sa.text("""
with recursive names as (
    (select name, 1 as place from opsteward.access_review_items
    where tenant_id = :tenant and review_id = :review order by name limit 1)
    union all
    select (select i.name from opsteward.access_review_items i
        where i.tenant_id = :tenant and i.review_id = :review and i.name > n.name order by i.name limit 1), n.place + 1
    from names n where n.name is not null and n.place < :most
)
select name from names where name is not null
""")


async def names(session: AsyncSession, *, review_id: UUID, most: int = 200) -> list[str]:
    """The permissions and systems that a campaign lists, each once, in order; the first of them if there are more."""
    values = {"tenant": tenant_of(session), "review": review_id, "most": most}
    return list(await session.scalars(_NAMES, values))
