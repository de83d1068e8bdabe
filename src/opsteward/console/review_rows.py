"""Access reviews as they are shown: a campaign in short, and who has what with the decisions about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from opsteward.console.languages import _
from opsteward.console.names import Names
from opsteward.console.wording import DECISION, look_of
from opsteward.core.clock import now
from opsteward.directory.types import ReviewInfo, ReviewItemInfo


@dataclass(frozen=True, kw_only=True)
class ReviewRow:
    """A campaign with the name of who began it."""

    review: ReviewInfo
    by: str
    overdue: bool

    @classmethod
    def of(cls, review: ReviewInfo, names: Names) -> ReviewRow:
        """From a campaign."""
        late = review.status == "open" and review.due_at is not None and review.due_at <= now()
        return cls(review=review, by=names.actor(review.created_by), overdue=late)

    @property
    def decided(self) -> int:
        """How many items somebody has decided about."""
        return self.review.items - self.review.undecided

    @property
    def percent(self) -> float:
        """The same as a share."""
        return 100 * self.decided / self.review.items if self.review.items else 100.0


@dataclass(frozen=True, kw_only=True)
class ItemRow:
    """One thing that somebody has, and who decided about it."""

    item: ReviewItemInfo
    by: str
    #: The decisions before the one that stands, the last one first, in words.
    earlier: tuple[str, ...]

    @classmethod
    def of(cls, item: ReviewItemInfo, names: Names) -> ItemRow:
        """From an item."""
        return cls(
            item=item,
            by=names.actor(item.decided_by) if item.decided_by else "",
            earlier=tuple(
                _(
                    "%(decision)s before by %(name)s",
                    decision=look_of(DECISION, one["decision"]).word,
                    name=names.actor(one["decided_by"]),
                )
                + (f", “{one['reason']}”" if one["reason"] else "")
                for one in reversed(item.earlier)
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A user with what it has, as far as it is on this page, and whether this operator may decide on it."""

    user_id: UUID
    full_name: str
    username: str
    items: tuple[ItemRow, ...]
    may_decide: bool

    @property
    def open(self) -> tuple[ReviewItemInfo, ...]:
        """What is still to be decided."""
        return tuple(row.item for row in self.items if row.item.decision is None)


def holders_of(items: Sequence[ReviewItemInfo], names: Names, *, may_decide: bool) -> list[Holder]:
    """The items, which come user by user, under their users."""
    found = []
    for user_id, of_user in groupby(items, key=lambda one: one.user_id):
        rows = tuple(ItemRow.of(one, names) for one in of_user)
        first = rows[0].item
        found.append(
            Holder(
                user_id=user_id,
                full_name=first.full_name,
                username=first.username,
                items=rows,
                may_decide=may_decide,
            )
        )
    return found
