"""Search: pages, incidents, systems, users, tasks and standing orders by name, number, id or a part of them.

The palette of every page (Ctrl-K) shows the same findings. What a person may not read is not looked for.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.languages import _
from opsteward.console.navigation import rooms_of
from opsteward.console.page import Page, Route, Visit, shows
from opsteward.console.wording import HEALTH, INCIDENT, TASK, look_of
from opsteward.directory.users import queries as user_queries
from opsteward.tasks import queries as task_queries

_EACH = 6  # findings of a kind
_PREFIX_LIMIT = 3  # below so many letters a part of a name fits nearly everything


@dataclass(frozen=True, kw_only=True)
class Found:
    """One finding: where it leads, what it is called, and what tells it from others."""

    to: str
    icon: str
    name: str
    more: str = ""


async def search(visit: Visit, session: AsyncSession) -> Page:
    """What the words fit, by kind; without words the pages."""
    words = visit.query("q", limit=100)
    groups = {_("Pages"): _pages(visit, words)}
    if words:
        groups[_("Incidents")] = await _incidents(visit, session, words)
        groups[_("Systems")] = await _systems(visit, session, words)
        groups[_("Users")] = await _users(visit, session, words)
        groups[_("Tasks")] = await _tasks(visit, session, words)
        groups[_("Standing orders")] = await _orders(visit, session, words)
    return Page(
        template="search.html",
        title=_("Search"),
        values={"words": words, "groups": {name: found for name, found in groups.items() if found}},
    )


def _pages(visit: Visit, words: str) -> list[Found]:
    rooms = rooms_of(visit.identity, "", {})
    return [
        Found(to=room.address, icon=room.icon, name=room.name)
        for room in rooms
        if words.casefold() in room.name.casefold()
    ]


async def _incidents(visit: Visit, session: AsyncSession, words: str) -> list[Found]:
    if not visit.identity.may("incidents.read"):
        return []
    number = words.removeprefix("#")
    is_number = number.isascii() and number.isdecimal() and len(number) < 18
    found = await visit.services.incidents.page(
        session, ref=number if is_number else None, search=None if is_number else words, limit=_EACH
    )
    return [
        Found(
            to=f"/incidents/{one.id}",
            icon="error",
            name=f"#{one.number} {one.title}",
            more=look_of(INCIDENT, one.status).word,
        )
        for one in found
    ]


async def _systems(visit: Visit, session: AsyncSession, words: str) -> list[Found]:
    if not visit.identity.may("systems.read"):
        return []
    found = await visit.services.inventory.page(session, search=words, limit=_EACH)
    return [
        Found(to=f"/systems/{one.id}", icon="dns", name=one.name, more=look_of(HEALTH, one.health.status).word)
        for one in found
    ]


async def _users(visit: Visit, session: AsyncSession, words: str) -> list[Found]:
    if not visit.identity.may("users.read") or len(words) < _PREFIX_LIMIT:
        return []
    found = await user_queries.page(session, search=words, limit=_EACH)
    return [
        Found(to=f"/users/{one.id}", icon="person", name=one.full_name or one.username, more=one.username)
        for one in found
    ]


async def _tasks(visit: Visit, session: AsyncSession, words: str) -> list[Found]:
    if not visit.identity.may("tasks.read"):
        return []
    found = await task_queries.page(session, ref=words, limit=_EACH)
    return [
        Found(to=f"/tasks/{one.id}", icon="task_alt", name=one.name, more=look_of(TASK, one.status).word)
        for one in found
    ]


async def _orders(visit: Visit, session: AsyncSession, words: str) -> list[Found]:
    if not visit.identity.may("standing_orders.read"):
        return []
    in_force = await visit.services.orders.in_force(session)
    return [
        Found(to="/standing-orders", icon="gavel", name=one.name, more=one.action)
        for one in in_force.orders
        if words.casefold() in one.name.casefold()
    ][:_EACH]


ROUTES: tuple[Route, ...] = (shows("/console/search", search),)
