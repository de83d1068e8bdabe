"""One access review: user by user what each has, found by search and filters, to be kept or revoked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from nicegui import ui
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from opsteward.accounts.types import Identity
from opsteward.console.addresses import cursor_of, id_of, storable_words
from opsteward.console.elements import MAX_SEARCHED, advice, button, link, search_box, section, select, tag, text
from opsteward.console.keyed import KeyedList, one
from opsteward.console.live import LivePage
from opsteward.console.names import Names
from opsteward.console.review_filter import Filter
from opsteward.console.reviews import (
    Holder,
    ReviewRow,
    draw_holder,
    draw_review_chips,
    draw_review_facts,
    holders_of,
    keep_all,
)
from opsteward.console.services import ConsoleServices
from opsteward.console.sheet import Sheet
from opsteward.console.wording import counted
from opsteward.core.feed import Notice
from opsteward.directory.reviews import queries as review_queries
from opsteward.directory.reviews import service as review_service
from opsteward.directory.reviews.service import REVIEW
from opsteward.directory.types import ALL_SYSTEMS, ReviewItemInfo

_PAGE = 60
_KINDS = (("", "all kinds"), ("permission", "permissions"), ("system", "systems"))
#: What may be shown of an open campaign, and of a closed one.
_SHOWN = {
    "open": (("", "still to be decided"), ("keep", "kept"), ("revoke", "revoked"), ("all", "all")),
    "closed": (("", "all"), ("open", "never decided"), ("keep", "kept"), ("revoke", "revoked")),
}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that the page shows. `wanted` is the filter that it was found by, `names` are all that the campaign lists,
    `next` is the item after which the list goes on."""

    wanted: Filter
    row: ReviewRow
    names: list[str]
    holders: list[Holder]
    next: str


def install(services: ConsoleServices) -> None:
    """Serve the page at `/access-reviews/{id}`."""

    @ui.page("/access-reviews/{review_id}")
    async def campaign(request: Request, review_id: str) -> Response | None:
        return await ReviewPage(services, request, review_id).open()


class ReviewPage(LivePage[Seen]):
    """A campaign: at first what is still to be decided."""

    needs = ("access_reviews.read",)

    def __init__(self, services: ConsoleServices, request: Request, review_id: str) -> None:
        super().__init__(services, request)
        self._id_given = review_id
        self._filter = Filter.of(request.query_params)
        self._seen: Seen | None = None

    def concerns(self, notice: Notice) -> bool:
        return notice.kind == REVIEW and notice.id in ("", self._id_given.lower())

    async def read(self, session: AsyncSession) -> Seen:
        wanted = self._filter
        wanted.check()
        review = await review_service.get_review(session, review_id=id_of(self._id_given, "access review"))
        items = await review_queries.items(
            session,
            review_id=review.id,
            wanted=wanted.wanted(closed=review.status != "open"),
            after=cursor_of(wanted.after, "after"),
            limit=_PAGE,
        )
        names = await Names.read(session, ())
        may_decide = review.status == "open" and self.identity.may("enrollments.decide")
        return Seen(
            wanted=wanted,
            row=ReviewRow.of(review, names),
            names=await review_queries.names(session, review_id=review.id),
            holders=holders_of(items, names, may_decide=may_decide),
            next=str(items[-1].id) if len(items) == _PAGE else "",
        )

    def lay_out(self, data: Seen) -> None:
        ui.page_title(f"{data.row.review.name[:80]} - Opsteward")
        self._sheet = Sheet()
        with tag("section", "card head"):
            link("← Access reviews", "/access-reviews", "back")
            text(data.row.review.name, name="h1")
            self._state = one(_draw_state)
            self._buttons = one(self._draw_buttons)
        with section("Who has what", "key"):
            self._decisions = one(self._draw_decisions)
            self._lay_out_filters(data.names)
            self._found = text("", "quiet found", name="p")
            self._found.props["aria-live"] = "polite"
            self._holders = KeyedList[Holder](
                key=lambda holder: holder.user_id,
                render=lambda holder: draw_holder(self, self._sheet, data.row.review, holder),
                empty=lambda: None,
            )
            self._nothing = one(self._draw_nothing)
            self._pager = one(self._draw_pager)

    def _lay_out_filters(self, names: list[str]) -> None:
        wanted = self._filter
        offered = sorted({*names, *([wanted.name] if wanted.name else [])}, key=str.casefold)
        with tag("div", "filters"):
            search_box("Part of a name, username or address", self._find, given=wanted.search)
            select("Kind", _KINDS, partial(self._choose, "kind"), chosen=wanted.kind)
            entries = [("", "all of them"), *((name, _in_words(name)) for name in offered)]
            select("Permission or system", entries, partial(self._choose, "name"), chosen=wanted.name)

    def _choose(self, field: str, value: str) -> None:
        self._client.open(self._address(self._filter.changed(**{field: value})))

    async def _find(self, typed: str) -> None:
        """Look for what was typed, at once, and keep it in the page's address."""
        words = typed.strip()[:MAX_SEARCHED]
        if words == self._filter.search or not storable_words(words):
            return
        self._filter = self._filter.changed(search=words)
        await self.look_again()
        with self._client:
            ui.navigate.history.replace(self._address(self._filter))

    def show(self, data: Seen) -> None:
        self._seen = data
        review, me = data.row.review, self.identity
        self._state.show([data.row])
        open_here = sum(len(holder.open) for holder in data.holders)
        may = (me.may("access_reviews.write"), me.may("enrollments.decide"))
        self._buttons.show([(review.status, review.undecided, *may, open_here)])
        self._decisions.show([(review.status, data.wanted)])
        self._found.set_text(_found_in_words(data))
        self._holders.show(data.holders)
        self._nothing.show([] if data.holders else [(review.status, review.undecided, data.wanted)])
        self._pager.show([(data.wanted, data.next)])

    def _address(self, wanted: Filter) -> str:
        return f"/access-reviews/{self._id_given}{wanted.query()}"

    def _draw_decisions(self, state: tuple[str, Filter]) -> None:
        status, wanted = state
        with tag("nav", "legend above") as drawn:
            for shown, words in _SHOWN[status]:
                with tag("a", "chip tone-calm") as entry:
                    text(words)
                entry.props["href"] = self._address(wanted.changed(show=shown))
                if shown == wanted.show:
                    entry.props["aria-current"] = "true"
        drawn.props["aria-label"] = "What is shown"

    def _draw_nothing(self, state: tuple[str, int, Filter]) -> None:
        status, undecided, wanted = state
        if wanted.narrows():
            advice("Nothing fits.")
            link("Show everything", self._address(Filter(show="all" if status == "open" else "")))
        elif wanted.show:
            advice("Nothing here.")
        elif status == "open" and not undecided:
            advice("Everything is decided. Close the campaign to keep it as the record.")
        elif wanted.after:
            advice("Nothing more to decide after this place; some is left before it.")
            link("To the beginning", self._address(wanted.changed()))
        else:
            advice("Nothing here.")

    def _draw_pager(self, state: tuple[Filter, str]) -> None:
        wanted, further = state
        with tag("div", "buttons"):
            if wanted.after:
                link("First", self._address(wanted.changed()), "button small")
            if further:
                link("Next", self._address(wanted.changed(after=further)), "button small")

    # -- what one can do ---------------------------------------------------------------------------------------

    def _draw_buttons(self, state: tuple[str, int, bool, bool, int]) -> None:
        status, _, may_close, may_decide, open_here = state
        if status != "open":
            return
        if not may_decide:
            words = "You may look at this, not decide it: that needs the role approver, admin or owner."
            text(words, "quiet", name="p")
        with tag("div", "buttons"):
            if may_decide and open_here:
                button(f"Keep the {open_here} on this page", self._keep_page, picture="done_all")
            if may_close:
                button("Close the campaign", self._close, picture="task_alt")

    def _open_items(self) -> list[ReviewItemInfo]:
        return [item for holder in self._seen.holders for item in holder.open] if self._seen else []

    async def _keep_page(self) -> None:
        items = self._open_items()
        if self._seen is None or not items:
            return
        reason = await self._sheet.ask(
            f"Keep all {len(items)} that this page shows?",
            fill=lambda: text("What you have not looked at is better left open.", name="p"),
            yes="Keep them",
            picture="done_all",
            kind="main",
            with_reason=False,
        )
        if reason is not None:
            await keep_all(self, self._seen.row.review, items)

    async def _close(self) -> None:
        if self._seen is None:
            return
        review = self._seen.row.review
        left = f"{review.undecided} are undecided and stay as they are; the record says so." if review.undecided else ""
        reason = await self._sheet.ask(
            f"Close {review.name}?",
            fill=lambda: text(left or "Everything is decided.", name="p"),
            yes="Close it",
            picture="task_alt",
            kind="main",
            with_reason=False,
        )
        if reason is None:
            return

        async def work(session: AsyncSession, by: Identity) -> object:
            return await review_service.close(session, review_id=review.id, actor=by.actor)

        await self.act("access_reviews.write", work, done="The campaign is closed")


def _draw_state(row: ReviewRow) -> None:
    draw_review_chips(row)
    draw_review_facts(row)


def _in_words(name: str) -> str:
    return "every system" if name == ALL_SYSTEMS else name


def _found_in_words(data: Seen) -> str:
    number = sum(len(holder.items) for holder in data.holders)
    if not data.wanted.narrows() or not number:
        return ""
    if data.wanted.after:
        return f"The next {number} that fit"
    return f"The first {number} that fit" if data.next else f"{counted(number, 'item')} found"
