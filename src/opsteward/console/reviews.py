"""How access reviews are shown: a campaign in short, and who has what with the decisions about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.console.elements import ago, at, bar, button, chip, icon, link, tag, text
from opsteward.console.live import LivePage
from opsteward.console.names import Names
from opsteward.console.sheet import Sheet, storable
from opsteward.console.wording import DECISION, REVIEW, Look, look_of
from opsteward.core.clock import now
from opsteward.directory.reviews.decisions import Decision, Outcome, decide
from opsteward.directory.types import ALL_SYSTEMS, ReviewInfo, ReviewItemInfo

_OVERDUE = Look("alarm", "overdue", "bad")


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
                f"{look_of(DECISION, one['decision']).word} before by {names.actor(one['decided_by'])}"
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


def draw_review_row(row: ReviewRow) -> None:
    """A campaign in short, as a link to its page."""
    with tag("a", "row-link") as whole:
        with tag("div", "row-head"):
            text(row.review.name, "title")
            draw_review_chips(row)
        draw_review_facts(row)
    whole.props["href"] = f"/access-reviews/{row.review.id}"


def draw_review_chips(row: ReviewRow) -> None:
    """Where it stands."""
    with tag("div", "chips"):
        chip(_OVERDUE if row.overdue else look_of(REVIEW, row.review.status))


def draw_review_facts(row: ReviewRow) -> None:
    """How far it is, and since when."""
    one = row.review
    decided = one.items - one.undecided
    percent = 100 * decided / one.items if one.items else 100.0
    with tag("div", "progress"):
        bar(percent, f"{decided} of {one.items} decided")
        text(f"{int(percent)} %", "seconds")
    with tag("p", "why"):
        text(f"{decided} of {one.items} decided")
        text(f"{one.revoked} revoked")
        if one.status == "closed" and one.undecided:
            text(f"{one.undecided} kept without a decision")
        text(f"begun by {row.by}")
        ago(one.created_at)
        if one.closed_at is not None:
            ago(one.closed_at, "closed")
        elif one.due_at is not None:
            at(one.due_at, "was due" if row.overdue else "due")


def draw_holder(page: LivePage[Any], sheet: Sheet, review: ReviewInfo, holder: Holder) -> None:
    """A user, each thing that it has, and the buttons for who may press them."""
    with tag("div", "holder"):
        with tag("p", "who-has"):
            link(holder.full_name or holder.username, f"/users/{holder.user_id}", "title")
            text(holder.username, "quiet")
        if holder.may_decide and len(holder.open) > 1:
            with tag("div", "buttons"):
                keep = partial(keep_all, page, review, holder.open)
                button(f"Keep all {len(holder.open)}", keep, picture="done_all", kind="small")
    with tag("ul", "held"):
        for row in holder.items:
            with tag("li"):
                _draw_item(page, sheet, review, row, may_decide=holder.may_decide)


def _draw_item(page: LivePage[Any], sheet: Sheet, review: ReviewInfo, row: ItemRow, *, may_decide: bool) -> None:
    one = row.item
    with tag("div", "what"):
        with tag("span", "word"):
            icon("key" if one.kind == "permission" else "dns")
            text("every system" if one.kind == "system" and one.name == ALL_SYSTEMS else one.name)
        text(one.kind, "quiet")
        if one.decision is not None:
            chip(look_of(DECISION, one.decision))
            with tag("span", "quiet"):
                text(f"by {row.by} ")
                if one.decided_at is not None:
                    ago(one.decided_at)
            if one.reason:
                text(f"“{one.reason}”", "quiet")
            for words in row.earlier:
                text(words, "quiet")
    if may_decide:
        with tag("div", "buttons"):
            _draw_verdicts(page, sheet, review, one)


def _draw_verdicts(page: LivePage[Any], sheet: Sheet, review: ReviewInfo, one: ReviewItemInfo) -> None:
    """What may still be said of it: both, or the other one than what was decided."""
    if one.decision is None:
        button("Keep", partial(keep_all, page, review, (one,)), picture="check_circle", kind="small good")
    elif one.decision == "revoke":
        keep = partial(_keep_after_all, page, sheet, review, one)
        button("Keep after all", keep, picture="check_circle", kind="small good")
    if one.decision != "revoke":
        words = "Revoke after all" if one.decision else "Revoke"
        button(words, partial(_revoke, page, sheet, review, one), picture="block", kind="small bad")


async def keep_all(page: LivePage[Any], review: ReviewInfo, items: Sequence[ReviewItemInfo]) -> None:
    """Keep each of these, which nobody has decided yet."""
    words = f"{items[0].name} is kept" if len(items) == 1 else f"{len(items)} are kept"
    await _decide(page, review, [Decision(item_id=one.id, decision="keep") for one in items], done=words)


async def _revoke(page: LivePage[Any], sheet: Sheet, review: ReviewInfo, item: ReviewItemInfo) -> None:
    words = (
        "It is taken at once, from this user alone, whatever gave it. While the campaign is open, this can be changed."
    )
    who = item.full_name or item.username
    reason = await _asked(sheet, f"Revoke {item.name} of {who}?", words, yes="Revoke it", picture="block", kind="bad")
    if reason is not None:
        one = Decision(item_id=item.id, decision="revoke", reason=storable(reason), instead_of=_standing(item))
        await _decide(page, review, [one], done=f"{item.name} is taken from {item.username}")


async def _keep_after_all(page: LivePage[Any], sheet: Sheet, review: ReviewInfo, item: ReviewItemInfo) -> None:
    words = "It is given back at once, where the user's role or a single grant still gives it."
    who = item.full_name or item.username
    title = f"Keep {item.name} of {who} after all?"
    reason = await _asked(sheet, title, words, yes="Keep it", picture="check_circle", kind="main")
    if reason is not None:
        one = Decision(item_id=item.id, decision="keep", reason=storable(reason), instead_of=_standing(item))
        await _decide(page, review, [one], done=f"{item.name} of {item.username} is kept")


async def _asked(sheet: Sheet, title: str, words: str, *, yes: str, picture: str, kind: str) -> str | None:
    return await sheet.ask(title, fill=lambda: text(words, name="p"), yes=yes, picture=picture, kind=kind)


def _standing(item: ReviewItemInfo) -> Outcome | None:
    """The decision as this page shows it: it is changed only if nobody has changed it meanwhile."""
    decisions: dict[str | None, Outcome] = {"keep": "keep", "revoke": "revoke"}
    return decisions.get(item.decision)


async def _decide(page: LivePage[Any], review: ReviewInfo, wanted: Sequence[Decision], *, done: str) -> None:
    async def work(session: AsyncSession, by: Identity) -> object:
        return await decide(session, review_id=review.id, decisions=wanted, actor=by.actor)

    await page.act("enrollments.decide", work, done=done)
