"""The access reviews: campaigns over who has what, newest first, and the beginning of a new one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from uuid import UUID

from nicegui import ui
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from opsteward.accounts.types import Identity
from opsteward.console.addresses import cursor_of
from opsteward.console.elements import advice, button, link, section, select, tag, text
from opsteward.console.keyed import KeyedList, one
from opsteward.console.live import LivePage
from opsteward.console.names import Names
from opsteward.console.reviews import ReviewRow, draw_review_row
from opsteward.console.services import ConsoleServices
from opsteward.console.sheet import Sheet, storable
from opsteward.console.wording import counted
from opsteward.core.clock import now
from opsteward.core.feed import Notice
from opsteward.directory.reviews import service as review_service
from opsteward.directory.reviews.service import REVIEW
from opsteward.directory.users import queries as user_queries

_PAGE = 30
#: How long people have, as it is offered.
_TIMES = {
    "week": ("a week", timedelta(days=7)),
    "fortnight": ("two weeks", timedelta(days=14)),
    "month": ("30 days", timedelta(days=30)),
    "": ("no end", None),
}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that the page shows."""

    reviews: list[ReviewRow]
    older: str


def install(services: ConsoleServices) -> None:
    """Serve the page at `/access-reviews`."""

    @ui.page("/access-reviews")
    async def campaigns(request: Request) -> Response | None:
        return await ReviewsPage(services, request).open()


class ReviewsPage(LivePage[Seen]):
    """The campaigns with how far each is."""

    needs = ("access_reviews.read",)
    every = 60.0  # one becomes overdue without a notice

    def __init__(self, services: ConsoleServices, request: Request) -> None:
        super().__init__(services, request)
        self._before = request.query_params.get("before", "")

    def concerns(self, notice: Notice) -> bool:
        return notice.kind == REVIEW

    async def read(self, session: AsyncSession) -> Seen:
        found = await review_service.reviews(session, before=cursor_of(self._before, "before"), limit=_PAGE)
        names = await Names.read(session, ())
        return Seen(
            reviews=[ReviewRow.of(review, names) for review in found],
            older=str(found[-1].id) if len(found) == _PAGE else "",
        )

    def lay_out(self, data: Seen) -> None:
        ui.page_title("Access reviews - Opsteward")
        self._sheet = Sheet()
        with tag("div", "headline wide"):
            self._headline = text("", name="h1")
            self._start_button = one(self._draw_start)
        with section("Campaigns", "fact_check"):
            self._reviews = KeyedList[ReviewRow](
                key=lambda row: row.review.id,
                render=draw_review_row,
                empty=lambda: advice(
                    "None yet. A campaign lists what active users have now; a reviewer keeps or revokes each of it."
                ),
            )
            self._pager = one(self._draw_pager)

    def show(self, data: Seen) -> None:
        self._headline.set_text(_headline(data))
        self._start_button.show([self.identity.may("access_reviews.write")])
        self._reviews.show(data.reviews)
        self._pager.show([data.older])

    def _draw_pager(self, older: str) -> None:
        with tag("div", "buttons"):
            if self._before:
                link("Newest", "/access-reviews", "button small")
            if older:
                link("Older", f"/access-reviews?before={older}", "button small")

    def _draw_start(self, may_start: bool) -> None:
        if not may_start:
            text("You may look. To begin one you need the role admin or owner.", "quiet", name="p")
            return
        with tag("div", "buttons"):
            button("New campaign…", self._start, picture="add_circle", kind="main")

    async def _start(self) -> None:
        """Ask whose access, and until when; then list it."""
        async with self.services.db.unit_of_work(self.identity.tenant_id) as session:
            shares = await user_queries.shares(session)
        given = {"name": f"Access review of {now():%B %Y}", "role": "", "department": "", "time": "fortnight"}

        def fill() -> None:
            box = ui.input("Its name", value=given["name"], on_change=lambda e: given.update(name=str(e.value or "")))
            box.props("outlined maxlength=200 autocomplete=off")
            for field, words, names in (
                ("role", "roles", shares.roles),
                ("department", "departments", shares.departments),
            ):
                offered = [("", f"all {words}"), *((name, f"{name} ({names[name]})") for name in sorted(names))]
                select(field.capitalize(), offered, partial(_choose, given, field))
            times = [(key, words) for key, (words, _) in _TIMES.items()]
            select("To be decided within", times, partial(_choose, given, "time"), chosen=given["time"])

        reason = await self._sheet.ask(
            "Begin an access review", fill=fill, yes="Begin it", picture="fact_check", kind="main", with_reason=False
        )
        if reason is None:
            return
        began: list[UUID] = []

        async def work(session: AsyncSession, by: Identity) -> None:
            _, time = _TIMES.get(given["time"], _TIMES[""])
            review = await review_service.start(
                session,
                name=storable(given["name"].strip()),
                actor=by.actor,
                role=storable(given["role"]) or None,
                department=storable(given["department"]) or None,
                due_at=now() + time if time else None,
            )
            began.append(review.id)

        await self.act("access_reviews.write", work, done="The campaign is open")
        if began:
            self._client.open(f"/access-reviews/{began[0]}")


def _choose(given: dict[str, str], field: str, value: str) -> None:
    given[field] = value


def _headline(data: Seen) -> str:
    waiting = [row for row in data.reviews if row.review.status == "open"]
    overdue = sum(row.overdue for row in waiting)
    if not waiting:
        return "No access review is open"
    words = f"{counted(len(waiting), 'access review')} open"
    return f"{words}, {overdue} overdue" if overdue else words
