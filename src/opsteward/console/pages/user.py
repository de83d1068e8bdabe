"""One user: what it is, what it may, who its manager is, how it was let in, and all that happened to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from nicegui import ui
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from opsteward.accounts.types import Identity
from opsteward.console.access_card import GrantRow, ask_for_end, ask_for_grant, draw_access, draw_grant
from opsteward.console.addresses import id_of
from opsteward.console.elements import advice, button, link, more, section, tag, text
from opsteward.console.enrollments import Duties, EnrollmentRow, draw_enrollment
from opsteward.console.keyed import KeyedList, one
from opsteward.console.live import LivePage
from opsteward.console.names import Names
from opsteward.console.people import Line, draw_line, draw_person, draw_user_facts, history_of
from opsteward.console.role_change import ask_for_role
from opsteward.console.services import ConsoleServices
from opsteward.console.sheet import Sheet, storable
from opsteward.core.feed import Notice
from opsteward.directory.enrollment import service as enrollment_service
from opsteward.directory.enrollment_rules.service import rules_of
from opsteward.directory.entitlements import service as entitlements
from opsteward.directory.types import UserChangeInfo, UserInfo, UserStatus
from opsteward.directory.user_changes import PEOPLE
from opsteward.directory.users import queries as user_queries
from opsteward.directory.users.service import MOVES, get_user

_MAX_REPORTS = 12
_MAX_ENROLLMENTS = 20
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Move:
    """A step of the lifecycle, as a button: what it is called, what it does, and what is said when it is done."""

    words: str
    picture: str
    kind: str
    does: str
    done: str


_MOVES = {
    UserStatus.ACTIVE: Move(
        "Activate", "check_circle", "good", "The user gets the access of its enrolment and its grants again.", "active"
    ),
    UserStatus.SUSPENDED: Move(
        "Suspend", "pause_circle", "", "The user loses every access at once, until it is activated again.", "suspended"
    ),
    UserStatus.INACTIVE: Move(
        "Deactivate",
        "person_off",
        "bad",
        "The user has left: it loses every access at once. Nothing is erased.",
        "inactive",
    ),
    UserStatus.ARCHIVED: Move("Archive", "inventory_2", "", "The user is put away. It has no access.", "archived"),
}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that the page of a user shows."""

    user: UserInfo
    manager: UserInfo | None
    reports: list[UserInfo]
    grants: list[GrantRow]
    enrollments: list[EnrollmentRow]
    roles: list[str]
    history: list[Line]


def install(services: ConsoleServices) -> None:
    """Serve the page at `/users/{id}`."""

    @ui.page("/users/{user_id}")
    async def user(request: Request, user_id: str) -> Response | None:
        return await UserPage(services, request, user_id).open()


class UserPage(LivePage[Seen]):
    """One user, and what can be done with it."""

    needs = ("users.read",)

    def __init__(self, services: ConsoleServices, request: Request, user_id: str) -> None:
        super().__init__(services, request)
        self._id_given = user_id
        self._seen: Seen | None = None

    def concerns(self, notice: Notice) -> bool:
        return notice.kind == PEOPLE and notice.id in ("", self._id_given.lower())

    async def read(self, session: AsyncSession) -> Seen:
        user = await get_user(session, user_id=id_of(self._id_given, "user"))
        names, rules = await Names.read(session, ()), await rules_of(session)
        changes = await user_queries.history(session, user_id=user.id)
        people = {one.id: one for one in await user_queries.several(session, user_ids=list(_people_in(user, changes)))}
        may_see = self.identity.may("enrollments.read")
        found = await enrollment_service.page(session, user_id=user.id, limit=_MAX_ENROLLMENTS) if may_see else []
        duties = await Duties.read(session, found)
        draw = partial(EnrollmentRow.of, names=names, rules=rules, me=self.identity, duties=duties, with_user=False)
        return Seen(
            user=user,
            manager=people.get(user.manager_id) if user.manager_id else None,
            reports=await user_queries.reports_of(session, user_id=user.id, limit=_MAX_REPORTS + 1),
            grants=[
                GrantRow.of(g, names, self.identity) for g in await entitlements.grants_of(session, user_id=user.id)
            ],
            enrollments=[draw(one) for one in found],
            roles=sorted({*rules.by_name, *(role for rule in rules.by_name.values() for role in rule.match.roles)}),
            history=history_of(user, changes, names, {str(key): who.full_name for key, who in people.items()}),
        )

    def lay_out(self, data: Seen) -> None:
        self._sheet = Sheet()
        ui.page_title(f"{data.user.full_name[:80]} - Opsteward")
        with tag("section", "card head"):
            link("← Users", "/users", "back")
            self._name = text("", name="h1")
            self._facts = one(draw_user_facts)
            self._buttons = one(self._draw_buttons)
        with tag("div", "panes"):
            with tag("div", "pane"):
                with section("Access", "key"):
                    self._access = one(draw_access)
                    text("Grants beside the enrolment", "label", name="p")
                    self._grants = KeyedList[GrantRow](
                        key=lambda row: row.grant.id,
                        render=lambda row: draw_grant(self, self._sheet, data.user.id, row),
                        empty=lambda: advice("none"),
                    )
                    self._grant = one(self._draw_grant_button)
                with section("Enrolments", "how_to_reg"):
                    self._enrollments = KeyedList[EnrollmentRow](
                        key=lambda row: row.enrollment.id,
                        render=lambda row: draw_enrollment(self, self._sheet, row),
                        empty=lambda: advice("None that you may see."),
                    )
                self._people = one(_draw_people)
                self._profile = one(_draw_profile)
            with tag("div", "pane"), section("What happened", "timeline", "late"):
                self._history = KeyedList[Line](
                    key=lambda line: line.key,
                    render=draw_line,
                    empty=lambda: None,
                    name="ol",
                    classes="timeline",
                )

    def show(self, data: Seen) -> None:
        self._seen = data
        user, may_write = data.user, self.identity.may("users.write")
        self._name.set_text(user.full_name)
        self._facts.show([user])
        self._buttons.show([(user.status, may_write)])
        self._access.show([user])
        self._grants.show(data.grants)
        self._grant.show([0] if may_write and user.status == UserStatus.ACTIVE else [])
        self._enrollments.show(data.enrollments)
        self._people.show([(data.manager, tuple(data.reports))] if data.manager or data.reports else [])
        self._profile.show([user] if user.profile_data else [])
        self._history.show(data.history)

    # -- what one can do ---------------------------------------------------------------------------------------

    def _draw_buttons(self, state: tuple[str, bool]) -> None:
        status, may_write = state
        if not may_write:
            text("You may read this. To act on it you need the role operator, admin or owner.", "quiet", name="p")
            return
        with tag("div", "buttons"):
            button("Change role", self._change_role, picture="swap_horiz", kind="main")
            button("Set an end", self._set_end, picture="event")
            for target, move in _MOVES.items():
                if target in MOVES[UserStatus(status)]:
                    button(move.words, partial(self._move, target), picture=move.picture, kind=move.kind)

    def _draw_grant_button(self, _: object) -> None:
        with tag("div", "buttons"):
            button("Grant…", self._ask_for_grant, picture="add_circle")

    async def _ask_for_grant(self) -> None:
        if self._seen is not None:
            await ask_for_grant(self, self._sheet, self._seen.user)

    async def _change_role(self) -> None:
        if self._seen is not None:
            await ask_for_role(self, self._sheet, self._seen.user, self._seen.roles)

    async def _set_end(self) -> None:
        if self._seen is not None:
            await ask_for_end(self, self._sheet, self._seen.user)

    async def _move(self, target: UserStatus) -> None:
        if self._seen is None:
            return
        user, move = self._seen.user, _MOVES[target]
        reason = await self._sheet.ask(
            f"{move.words} {user.full_name}?",
            fill=lambda: text(move.does, name="p"),
            yes=move.words,
            picture=move.picture,
            kind=move.kind or "main",
        )
        if reason is None:
            return

        async def work(session: AsyncSession, by: Identity) -> object:
            return await self.services.users.set_status(
                session, user_id=user.id, status=target, actor=by.actor, reason=storable(reason)
            )

        await self.act("users.write", work, done=f"{user.username} is {move.done}")


def _people_in(user: UserInfo, changes: list[UserChangeInfo]) -> set[UUID]:
    """The managers that the page speaks of, of now and of before."""
    told = {str(one) for change in changes for one in change.fields.get("manager_id", ())}
    return {UUID(one) for one in told if _ID.fullmatch(one)} | ({user.manager_id} if user.manager_id else set())


def _draw_people(state: tuple[UserInfo | None, tuple[UserInfo, ...]]) -> None:
    manager, reports = state
    with section("Manager and reports", "account_tree"):
        if manager is not None:
            text("Manager", "label", name="p")
            draw_person(manager)
        if reports:
            number = f"{_MAX_REPORTS} and more" if len(reports) > _MAX_REPORTS else str(len(reports))
            text(f"Reports ({number})", "label", name="p")
            with tag("div", "persons"):
                for report in reports[:_MAX_REPORTS]:
                    draw_person(report)


def _draw_profile(user: UserInfo) -> None:
    with section("Profile", "badge"):
        more("What is kept beside", user.profile_data, opened=True)
