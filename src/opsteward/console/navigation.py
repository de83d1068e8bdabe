"""Where one can go, and the permission without which a page would show nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.console.languages import N_, _
from opsteward.console.services import ConsoleServices
from opsteward.directory.enrollment import service as enrollment_service
from opsteward.provisioning.sync import summaries as sync_summaries

WAITING_LIMIT = 100  # what is more is "99+"
_ROOMS = (
    (N_("Overview"), "/", "dashboard", "systems.read"),
    (N_("Incidents"), "/incidents", "error", "incidents.read"),
    (N_("Approvals"), "/approvals", "pan_tool", "approvals.read"),
    (N_("On call"), "/oncall", "campaign", "oncall.read"),
    (N_("Silences"), "/silences", "volume_off", "incidents.read"),
    (N_("Events"), "/events", "receipt_long", "incidents.read"),
    (N_("Patterns"), "/patterns", "timeline", "incidents.read"),
    (N_("Sources"), "/sources", "sensors", "events.read"),
    (N_("Systems"), "/systems", "dns", "systems.read"),
    (N_("Heartbeats"), "/heartbeats", "monitor_heart", "systems.read"),
    (N_("Syncs"), "/syncs", "sync", "systems.read"),
    (N_("Sagas"), "/sagas", "swap_horiz", "systems.read"),
    (N_("Tasks"), "/tasks", "task_alt", "tasks.read"),
    (N_("Schedules"), "/schedules", "schedule", "tasks.read"),
    (N_("Agents"), "/agents", "smart_toy", "agents.read"),
    (N_("Crew"), "/crew", "smart_toy", "crew.read"),
    (N_("Users"), "/users", "group", "users.read"),
    (N_("Enrolments"), "/enrollments", "how_to_reg", "enrollments.read"),
    (N_("Imports"), "/users/import", "upload", "users.read"),
    (N_("Reviews"), "/access-reviews", "fact_check", "access_reviews.read"),
    (N_("Standing orders"), "/standing-orders", "gavel", "standing_orders.read"),
    (N_("Applications"), "/applications", "bug_report", "operators.read"),
    (N_("Help"), "/help", "help", "help.read"),
    (N_("Operators"), "/operators", "admin_panel_settings", "operators.read"),
    (N_("Audit"), "/audit", "history", "audit.read"),
    (N_("Settings"), "/settings", "settings", "controls.everything"),
)
#: Where what belongs together begins: what is seen, what is done, people, what is set.
_BEGINNINGS = ("/events", "/syncs", "/users", "/standing-orders")


@dataclass(frozen=True)
class Room:
    """A place in the navigation; `waiting` is how much waits there for a person, `begins` whether it is the first of
    what belongs together."""

    name: str
    address: str
    icon: str
    current: bool
    waiting: int
    begins: bool


def rooms_of(me: Identity, path: str, waiting: Mapping[str, int]) -> list[Room]:
    """The places that this operator may go to; the most exact one is the present one."""
    found = [room for room in _ROOMS if me.may(room[3])]
    here = max((a for _, a, _, _ in found if path == a or (a != "/" and path.startswith(f"{a}/"))), key=len, default="")
    rooms, group = [], _group_of("/")
    for name, address, icon, _needs in found:
        before, group = group, _group_of(address)
        rooms.append(Room(_(name), address, icon, address == here, waiting.get(address, 0), group != before))
    return rooms


@cache
def _group_of(address: str) -> int:
    """The how manieth group of places this one is in."""
    addresses = [room[1] for room in _ROOMS]
    return sum(addresses.index(first) <= addresses.index(address) for first in _BEGINNINGS)


async def read_waiting(services: ConsoleServices, session: AsyncSession, me: Identity) -> dict[str, int]:
    """How much waits for a person's decision, by address; nothing of what this operator may not see."""
    waiting = {}
    if me.may("approvals.read"):
        found = await services.action_service.list_approvals(session, limit=WAITING_LIMIT)
        waiting["/approvals"] = len(found)
    if me.may("enrollments.read"):
        waiting["/enrollments"] = await enrollment_service.count_waiting(session, most=WAITING_LIMIT)
    if me.may("systems.read"):
        waiting["/syncs"] = await sync_summaries.count_conflicts(session, limit=WAITING_LIMIT)
    return waiting
