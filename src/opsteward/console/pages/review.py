"""One access review: user by user what each has, to be kept or revoked."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from nicegui import ui
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from opsteward.console.addresses import cursor_of, id_of
from opsteward.console.elements import advice, button, link, section, tag, text
from opsteward.console.keyed import KeyedList, one
from opsteward.console.live import LivePage
from opsteward.console.names import Names
from opsteward.console.reviews import (
    Holder,
    ReviewRow,
    draw_holder,
    draw_review_chips,
    draw_review_facts,
    holders_of,
    keep_all,
)
from opsteward.console.rooms import ConsoleRooms
from opsteward.console.sheet import Sheet
from opsteward.core.errors import Invalid
from opsteward.core.feed import Notice
from opsteward.identity.people import ReviewItemInfo
from opsteward.identity.service import reviews
from opsteward.identity.service.reviews import REVIEW
from opsteward.identity.types import Identity

_PAGE = 60


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that the page shows. `next` is the item after which the list goes on."""

    row: ReviewRow
    holders: list[Holder]
    next: str


def install(rooms: ConsoleRooms) -> None:
    """Serve the page at `/access-reviews/{id}`."""

    @ui.page("/access-reviews/{review_id}")
    async def campaign(request: Request, review_id: str) -> Response | None:
        return await ReviewPage(rooms, request, review_id).open()


class ReviewPage(LivePage[Seen]):
    """A campaign: at first what is still to be decided."""

    needs = ("access_reviews.read",)

    def __init__(self, rooms: ConsoleRooms, request: Request, review_id: str) -> None:
        super().__init__(rooms, request)
        self._id_given = review_id
        self._shown = request.query_params.get("show", "")
        self._after = request.query_params.get("after", "")
        self._seen: Seen | None = None

    def concerns(self, notice: Notice) -> bool:
        return notice.kind == REVIEW and notice.id in ("", self._id_given.lower())

    async def read(self, session: AsyncSession) -> Seen:
        if self._shown not in ("", "all"):
            raise Invalid.field("show", f"{self._shown[:40]!r} is none", "leave it out, or use all")
        review = await reviews.get_review(session, review_id=id_of(self._id_given, "access review"))
        items = await reviews.items(
            session,
            review_id=review.id,
            undecided=not self._shown and review.status == "open",
            after=cursor_of(self._after, "after"),
            limit=_PAGE,
        )
        names = await Names.read(session, ())
        may_decide = review.status == "open" and self.identity.may("enrollments.decide")
        return Seen(
            row=ReviewRow.of(review, names),
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
            self._filter = one(self._draw_filter)
            self._holders = KeyedList[Holder](
                key=lambda holder: holder.user_id,
                render=lambda holder: draw_holder(self, self._sheet, data.row.review, holder),
                empty=lambda: None,
            )
            self._nothing = one(self._draw_nothing)
            self._pager = one(self._draw_pager)

    def show(self, data: Seen) -> None:
        self._seen = data
        review, me = data.row.review, self.identity
        self._state.show([data.row])
        open_here = sum(len(holder.open) for holder in data.holders)
        may = (me.may("access_reviews.write"), me.may("enrollments.decide"))
        self._buttons.show([(review.status, review.undecided, *may, open_here)])
        self._filter.show([review.status] if review.status == "open" else [])
        self._holders.show(data.holders)
        self._nothing.show([] if data.holders else [review.undecided])
        self._pager.show([data.next])

    def _address(self, **changed: str) -> str:
        query = {name: value for name, value in ({"show": self._shown} | changed).items() if value}
        address = f"/access-reviews/{self._id_given}"
        return f"{address}?{urlencode(query)}" if query else address

    def _draw_filter(self, _: str) -> None:
        with tag("nav", "legend above") as drawn:
            for shown, words in (("", "still to be decided"), ("all", "all")):
                with tag("a", "chip tone-calm") as entry:
                    text(words)
                entry.props["href"] = self._address(show=shown)
                if shown == self._shown:
                    entry.props["aria-current"] = "true"
        drawn.props["aria-label"] = "What is shown"

    def _draw_nothing(self, undecided: int) -> None:
        if undecided and self._after:
            advice("Nothing more to decide after this place; some is left before it.")
            link("To the beginning", self._address())
        elif not undecided:
            advice("Everything is decided. Close the campaign to keep it as the record.")
        else:
            advice("Nothing here.")

    def _draw_pager(self, further: str) -> None:
        with tag("div", "buttons"):
            if self._after:
                link("First", self._address(), "button small")
            if further:
                link("Next", self._address(after=further), "button small")

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
            fill=lambda: text("What you have not looked at is better left open. The decisions stand.", name="p"),
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
            return await reviews.close(session, review_id=review.id, actor=by.actor)

        await self.act("access_reviews.write", work, done="The campaign is closed")


def _draw_state(row: ReviewRow) -> None:
    draw_review_chips(row)
    draw_review_facts(row)
