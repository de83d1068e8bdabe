"""The users: how many of each status, a search that finds while one types, and filters."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial
from urllib.parse import urlencode

from nicegui import ui
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from opsteward.console.addresses import check_words, storable_words
from opsteward.console.elements import MAX_SEARCHED, advice, icon, link, search_box, section, select, tag, text
from opsteward.console.kept_shares import KeptShares
from opsteward.console.keyed import one
from opsteward.console.live import LivePage
from opsteward.console.services import ConsoleServices
from opsteward.console.shares import draw_legend, draw_shares
from opsteward.console.user_rows import UserRows
from opsteward.console.wording import USER, counted
from opsteward.core.errors import Invalid
from opsteward.core.feed import Notice
from opsteward.directory.types import UserInfo, UserStatus
from opsteward.directory.user_changes import PEOPLE
from opsteward.directory.users import queries as user_queries
from opsteward.directory.users.queries import Shares

_PAGE = 50
#: The longest that each may be in an address of ours.
_MAX = {"search": MAX_SEARCHED, "role": 100, "department": 200, "after": 255}


@dataclass(frozen=True)
class Filter:
    """What one looks for, as it stands in the page's address."""

    search: str = ""
    status: str = ""
    role: str = ""
    department: str = ""
    after: str = ""

    def address(self, **changed: str) -> str:
        """The page with some of it changed; another filter begins at the first again."""
        query = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "after"} | changed
        given = urlencode({name: value for name, value in query.items() if value})
        return f"/users?{given}" if given else "/users"

    def check(self) -> None:
        """Raises Invalid for what an address of ours never holds."""
        if self.status and self.status not in set(UserStatus):
            raise Invalid.field("status", f"{self.status[:40]!r} is none", f"use one of {', '.join(UserStatus)}")
        check_words({name: (getattr(self, name), most) for name, most in _MAX.items()})


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that the page shows. `wanted` is the filter that `users` were found by."""

    wanted: Filter
    shares: Shares
    users: list[UserInfo]


def install(services: ConsoleServices) -> None:
    """Serve the page at `/users`."""
    shares = KeptShares(services.feed)

    @ui.page("/users")
    async def users(request: Request) -> Response | None:
        return await UsersPage(services, request, shares).open()


class UsersPage(LivePage[Seen]):
    """Users by their usernames, those that one looks for, and the counts of all."""

    needs = ("users.read",)

    def __init__(self, services: ConsoleServices, request: Request, shares: KeptShares) -> None:
        super().__init__(services, request)
        self._filter = Filter(*(request.query_params.get(f.name, "") for f in fields(Filter)))
        self._shares = shares

    def concerns(self, notice: Notice) -> bool:
        return notice.kind == PEOPLE

    async def read(self, session: AsyncSession) -> Seen:
        wanted = self._filter
        wanted.check()
        found = await user_queries.page(
            session,
            search=wanted.search or None,
            status=UserStatus(wanted.status) if wanted.status else None,
            role=wanted.role or None,
            department=wanted.department or None,
            after=wanted.after or None,
            limit=_PAGE,
        )
        return Seen(wanted=wanted, shares=await self._shares.read(session), users=found)

    def lay_out(self, data: Seen) -> None:
        ui.page_title("Users - Opsteward")
        with tag("div", "headline wide"):
            self._headline = text("", name="h1")
            _draw_ways(may_write=self.identity.may("users.write"))
        with tag("section", "card head"):
            self._picture = one(partial(draw_shares, USER))
            self._legend = one(self._draw_legend)
        with section("Users", "group"):
            self._lay_out_filters(data.shares)
            self._found = text("", "quiet found", name="p")
            self._found.props["aria-live"] = "polite"
            self._users = UserRows(self._filter.address(after=self._filter.after))
            self._nothing = one(_draw_nothing)
            self._pager = one(self._draw_pager)

    def _lay_out_filters(self, shares: Shares) -> None:
        with tag("div", "filters"):
            search_box("Part of a name, username or address", self._find, given=self._filter.search)
            select(
                "Role",
                [("", "all roles"), *_offered(shares.roles, self._filter.role)],
                lambda value: self._client.open(self._filter.address(role=value)),
                chosen=self._filter.role,
            )
            select(
                "Department",
                [("", "all departments"), *_offered(shares.departments, self._filter.department)],
                lambda value: self._client.open(self._filter.address(department=value)),
                chosen=self._filter.department,
            )

    def show(self, data: Seen) -> None:
        counts, wanted = data.shares.statuses, data.wanted
        self._headline.set_text(_headline(counts))
        self._picture.show([tuple(counts.items())])
        self._legend.show([(tuple(counts.items()), wanted)])
        self._found.set_text(_found_in_words(data))
        self._users.show(data.users, wanted.address(after=wanted.after))
        self._nothing.show([] if data.users else [(wanted == Filter(), bool(sum(counts.values())))])
        older = wanted.address(after=data.users[-1].username) if len(data.users) == _PAGE else ""
        self._pager.show([(wanted, older)])

    async def _find(self, typed: str) -> None:
        """Look for what was typed, at once, and keep it in the page's address."""
        words = typed.strip()[:MAX_SEARCHED]
        if words == self._filter.search or not storable_words(words):
            return
        self._filter = replace(self._filter, search=words, after="")
        await self.look_again()

    def _draw_legend(self, state: tuple[tuple[tuple[str, int], ...], Filter]) -> None:
        counts, wanted = state
        draw_legend(USER, counts, chosen=wanted.status, address=lambda status: wanted.address(status=status))

    def _draw_pager(self, state: tuple[Filter, str]) -> None:
        wanted, older = state
        with tag("div", "buttons"):
            if wanted.after:
                link("First", wanted.address(), "button small")
            if older:
                link("Next", older, "button small")


def _draw_ways(*, may_write: bool) -> None:
    """How people come in by the file, and go out."""
    with tag("div", "buttons"):
        with tag("a", "button") as way:
            icon("upload_file")
            text("Import" if may_write else "Imports")
        way.props["href"] = "/users/import"
        with tag("a", "button") as out:
            icon("download")
            text("Export all")
        out.props["href"], out.props["download"] = "/api/v1/users/export?format=csv", "users.csv"


def _offered(counts: dict[str, int], chosen: str) -> list[tuple[str, str]]:
    """By name; the chosen one too where nobody has it."""
    names = sorted({*counts, *([chosen] if chosen else [])}, key=str.casefold)
    return [(name, f"{name} ({counts.get(name, 0)})") for name in names]


def _headline(counts: dict[str, int]) -> str:
    active, pending = counts[UserStatus.ACTIVE], counts[UserStatus.PENDING]
    if not sum(counts.values()):
        return "Nobody is registered yet"
    waits = f", {counted(pending, 'waits', 'wait')} to be let in" if pending else ""
    return f"{counted(active, 'active user')}{waits}"


def _found_in_words(data: Seen) -> str:
    if not data.wanted.search or not data.users:
        return ""
    number = len(data.users)
    if data.wanted.after:
        return f"The next {number} that fit"
    return f"The first {number} that fit" if number == _PAGE else f"{counted(number, 'user')} found"


def _draw_nothing(state: tuple[bool, bool]) -> None:
    everything, any_user = state
    if everything and not any_user:
        advice("Register the first user over the API:")
        advice(
            "with a token that has users.write",
            'curl -H "Authorization: Bearer TOKEN" -H "Content-Type: application/json" URL/api/v1/users '
            """-d '{"username": "ana", "email": "ana@example.com", "full_name": "Ana Silva"}'""",
        )
        advice("Or import a file of them (CSV, JSON, NDJSON, LDIF):", "opsteward users import FILE")
        advice("Or connect your identity provider by SCIM 2.0, at", "URL/scim/v2")
    else:
        advice("Nobody fits.")
        link("Show all", "/users")
