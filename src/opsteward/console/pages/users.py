"""The users: how many of each status, a search, filters, and ways in and out by file."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.languages import _, ngettext
from opsteward.console.page import Done, Page, Route, Visit, does, shows
from opsteward.console.sorting import sorting
from opsteward.console.wording import USER
from opsteward.directory.types import NewUser, UserStatus
from opsteward.directory.user_changes import PEOPLE
from opsteward.directory.users import queries as user_queries

_PAGE = 50
_COLUMNS = {"username": False, "registered": True}
STATUSES = {status.value: "" for status in UserStatus}


async def users(visit: Visit, session: AsyncSession) -> Page:
    """Users by their usernames, those that one looks for, and the counts of all."""
    status, search = visit.choice("status", STATUSES), visit.query("search")
    role, department = visit.query("role", limit=100), visit.query("department")
    order = sorting(visit, _COLUMNS)
    after = visit.query("after", limit=255) if search else visit.cursor("after")
    found = await user_queries.page(
        session,
        search=search or None,
        status=UserStatus(status) if status else None,
        role=role or None,
        department=department or None,
        after=after if isinstance(after, str) and after else None,
        by=order.column,
        descending=order.descending,
        after_id=after if isinstance(after, UUID) else None,
        limit=_PAGE + 1,
    )
    shares = await visit.services.user_shares.read(session)
    return Page(
        template="users.html",
        title=_("Users"),
        about=(PEOPLE,),
        values={
            "headline": _headline(shares.statuses),
            "users": found[:_PAGE],
            "everybody": (sum(shares.statuses.values()), visit.address(status="")),
            "counts": [(name, number, visit.address(status=name)) for name, number in shares.statuses.items()],
            "anybody": bool(sum(shares.statuses.values())),
            "filters": [
                ("status", _("State"), {name: USER[name].word for name in STATUSES}, status),
                ("role", _("Role"), _offered(shares.roles, role), role),
                ("department", _("Department"), _offered(shares.departments, department), department),
            ],
            "roles": sorted(shares.roles, key=str.casefold),
            "by": {} if search else order.heads,
            "sorting": None if search else order,
            "search": search,
            "status": status,
            "may_write": visit.identity.may("users.write"),
            "next": visit.address(after=found[_PAGE - 1].username if search else str(found[_PAGE - 1].id))
            if len(found) > _PAGE
            else "",
            "first": visit.address() if after else "",
        },
    )


def _offered(counts: dict[str, int], chosen: str) -> dict[str, str]:
    """By name; the chosen one too where nobody has it."""
    names = sorted({*counts, *([chosen] if chosen else [])}, key=str.casefold)
    return {name: f"{name} ({counts.get(name, 0)})" for name in names}


def _headline(counts: dict[str, int]) -> str:
    active, pending = counts[UserStatus.ACTIVE], counts[UserStatus.PENDING]
    if not sum(counts.values()):
        return _("Nobody is registered yet")
    words = ngettext("%(num)s active user", "%(num)s active users", active)
    if pending:
        words += f", {ngettext('%(num)s waits to be let in', '%(num)s wait to be let in', pending)}"
    return words


async def _register(visit: Visit, session: AsyncSession) -> Done:
    user = await visit.services.users.register(
        session,
        new=NewUser(
            username=visit.text("username", limit=255, required=True),
            email=visit.text("email", limit=320, required=True),
            full_name=visit.text("full_name", limit=255, required=True),
            role=visit.text("role", limit=100) or NewUser.role,
            department=visit.text("department") or None,
        ),
        actor=visit.identity.actor,
    )
    waits = user.status == UserStatus.PENDING
    words = (
        _("%(name)s waits to be let in", name=user.username)
        if waits
        else _("%(name)s is registered, and has its access", name=user.username)
    )
    return Done(to=f"/users/{user.id}", words=words)


ROUTES: tuple[Route, ...] = (
    shows("/users", users, "users.read"),
    does("/users", _register, "users.write"),
)
