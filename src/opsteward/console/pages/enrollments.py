"""The enrolments: an inbox of those that wait for a person, the longest first, and below what was decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from urllib.parse import urlencode

from nicegui import ui
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from opsteward.console.addresses import cursor_of
from opsteward.console.elements import advice, link, section, select, tag, text
from opsteward.console.enrollments import Duties, EnrollmentRow, draw_enrollment
from opsteward.console.keyed import KeyedList, one
from opsteward.console.live import LivePage
from opsteward.console.names import Names
from opsteward.console.services import ConsoleServices
from opsteward.console.sheet import Sheet
from opsteward.console.wording import counted
from opsteward.core.errors import Invalid
from opsteward.core.feed import Notice
from opsteward.directory.enrollment import service as enrollment_service
from opsteward.directory.enrollment_rules.rules import SHIPPED
from opsteward.directory.enrollment_rules.service import rules_of
from opsteward.directory.types import EnrollmentStatus
from opsteward.directory.user_changes import PEOPLE

_PAGE = 30
_MAX_COUNTED = 1000
_MAY_LOOK = "You may look at these, not decide them: that needs the role approver, admin or owner."
_DECIDED = {
    "approved": "approved",
    "rejected": "rejected",
    "expired": "expired, the user moved on",
    "automatic": "approved by their rule",
}


@dataclass(frozen=True)
class Filter:
    """Which of the decided ones are shown, and from where; as it stands in the page's address."""

    decided: str = ""
    type: str = ""
    before: str = ""
    after: str = ""  # of those that wait

    def address(self, **changed: str) -> str:
        """The page with some of it changed; another filter begins at the newest again."""
        query = {"decided": self.decided, "type": self.type, **changed}
        given = urlencode({name: value for name, value in query.items() if value})
        return f"/enrollments?{given}" if given else "/enrollments"

    def check(self) -> None:
        """Raises Invalid for what an address of ours never holds."""
        if self.decided and self.decided not in _DECIDED:
            raise Invalid.field("decided", f"{self.decided[:40]!r} is none", f"use one of {', '.join(_DECIDED)}")
        if "\x00" in self.type or len(self.type) > 100:
            raise Invalid.field("type", "is no type of enrolment", "choose one of the list")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that the page shows."""

    waiting: list[EnrollmentRow]
    count: int
    next: str
    decided: list[EnrollmentRow]
    older: str
    types: list[str]


def install(services: ConsoleServices) -> None:
    """Serve the page at `/enrollments`."""

    @ui.page("/enrollments")
    async def inbox(request: Request) -> Response | None:
        return await EnrollmentsPage(services, request).open()


class EnrollmentsPage(LivePage[Seen]):
    """What waits and what was decided; a stage becomes overdue without a notice, so it is read again now and then."""

    needs = ("enrollments.read",)
    every = 30.0

    def __init__(self, services: ConsoleServices, request: Request) -> None:
        super().__init__(services, request)
        self._filter = Filter(*(request.query_params.get(f.name, "") for f in fields(Filter)))

    def concerns(self, notice: Notice) -> bool:
        return notice.kind == PEOPLE

    async def read(self, session: AsyncSession) -> Seen:
        wanted = self._filter
        wanted.check()
        waiting = await enrollment_service.waiting(session, after=cursor_of(wanted.after, "after"), limit=_PAGE)
        automatic = wanted.decided == "automatic"
        decided = await enrollment_service.page(
            session,
            status=EnrollmentStatus(wanted.decided) if wanted.decided and not automatic else None,
            enrollment_type=wanted.type or None,
            automatic=automatic,
            decided=True,
            before=cursor_of(wanted.before, "before"),
            limit=_PAGE,
        )
        names, rules = await Names.read(session, ()), await rules_of(session)
        duties = await Duties.read(session, waiting)
        draw = partial(EnrollmentRow.of, names=names, rules=rules, me=self.identity, duties=duties)
        return Seen(
            waiting=[draw(one) for one in waiting],
            count=await enrollment_service.count_waiting(session, most=_MAX_COUNTED),
            next=wanted.address(after=str(waiting[-1].id)) if len(waiting) == _PAGE else "",
            decided=[draw(one) for one in decided],
            older=wanted.address(before=str(decided[-1].id)) if len(decided) == _PAGE else "",
            types=sorted({*rules.by_name, *([wanted.type] if wanted.type else [])}),
        )

    def lay_out(self, data: Seen) -> None:
        ui.page_title("Enrolments - Opsteward")
        self._sheet = Sheet()
        with tag("div", "headline"):
            self._headline = text("", name="h1")
            self._headline.props["aria-live"] = "polite"
            self._why_not = one(_draw_why_not)
        with section("Waiting for a decision", "inbox"):
            self._waiting = self._list(_draw_none_waits)
            self._pager = one(partial(_draw_pager, "First", self._filter.after))
        with section("Decided", "fact_check", "below"):
            with tag("div", "filters"):
                select(
                    "Decision",
                    [("", "all by people"), *_DECIDED.items()],
                    lambda value: self._client.open(self._filter.address(decided=value)),
                    chosen=self._filter.decided,
                )
                select(
                    "Enrolled as",
                    [("", "all types"), *((name, name) for name in data.types)],
                    lambda value: self._client.open(self._filter.address(type=value)),
                    chosen=self._filter.type,
                )
            self._decided = self._list(_draw_none_decided)
            self._older = one(partial(_draw_pager, "Newest", self._filter.before))

    def _list(self, empty: Callable[[], None]) -> KeyedList[EnrollmentRow]:
        return KeyedList[EnrollmentRow](
            key=lambda row: row.enrollment.id,
            render=lambda row: draw_enrollment(self, self._sheet, row),
            empty=empty,
        )

    def show(self, data: Seen) -> None:
        self._headline.set_text(_headline(data))
        self._why_not.show([] if self.identity.may("enrollments.decide") else [_MAY_LOOK])
        self._waiting.show(data.waiting)
        self._pager.show([(self._filter.address(), data.next)])
        self._decided.show(data.decided)
        self._older.show([(self._filter.address(), data.older)])


def _draw_why_not(words: str) -> None:
    text(words, "quiet", name="p")


def _headline(data: Seen) -> str:
    overdue = sum(row.overdue for row in data.waiting)
    if not data.count:
        return "Nobody waits to be let in"
    words = counted(data.count, "enrolment waits", "enrolments wait")
    if data.count == _MAX_COUNTED:
        words = f"{_MAX_COUNTED} enrolments or more wait"
    return f"{words}, {overdue} overdue" if overdue else words


def _draw_pager(first: str, given: str, state: tuple[str, str]) -> None:
    start, further = state
    with tag("div", "buttons"):
        if given:
            link(first, start, "button small")
        if further:
            link("Older" if first == "Newest" else "Next", further, "button small")


def _draw_none_waits() -> None:
    reviewed = sorted(name for name, rule in SHIPPED.items() if rule.needed())
    advice(f"Requests appear here by themselves. Of the rules that ship, {' and '.join(reviewed)} ask a person.")


def _draw_none_decided() -> None:
    advice("Nothing was decided that fits.")
