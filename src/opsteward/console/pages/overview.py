"""The overview: what needs somebody, what happened, how the systems are, what runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.actions.types import RunStatus
from opsteward.console.actions import ApprovalRow, RunRow
from opsteward.console.charts import heights
from opsteward.console.languages import _, ngettext
from opsteward.console.names import Names
from opsteward.console.navigation import WAITING_LIMIT
from opsteward.console.page import Done, Page, Route, Visit, does, shows
from opsteward.console.pages.oncall import unproven
from opsteward.console.pauses import WRITE, what_can_be_paused
from opsteward.console.services import ConsoleServices
from opsteward.console.wording import pause_in_words
from opsteward.directory.enrollment import service as enrollment_service
from opsteward.events.recent_incidents import last_resolved, opened_per_hour
from opsteward.events.types import IncidentStatus, IncidentView
from opsteward.systems.summaries import health_counts
from opsteward.systems.types import SystemInfo
from opsteward.tasks import controls
from opsteward.tasks.controls import pause_of

_OPEN = [status.value for status in IncidentStatus if status is not IncidentStatus.RESOLVED]
_SEVERITY = {"critical": 0, "high": 1, "medium": 2, "low": 3}
_HEALTH = ("down", "degraded", "unknown", "healthy")
_OPEN_SHOWN, _APPROVALS_SHOWN, _RESOLVED_SHOWN, _RUNS_SHOWN, _RUNS_READ = 20, 5, 8, 10, 60
_SYSTEMS_SHOWN = 24
_HOURS = 24
_DAYS = 30  # after which what was resolved is no news
#: Actions that only write something down: on the overview they are noise.
_QUIET = frozenset({"log_only", "log_and_monitor"})
_WAITS = RunStatus.AWAITING_APPROVAL  # stands above already


async def overview(visit: Visit, session: AsyncSession) -> Page:
    """All is well, or what is not."""
    services, me = visit.services, visit.identity
    health = await health_counts(session)
    approvals = await services.action_service.list_approvals(session, limit=WAITING_LIMIT, by=me)
    incidents = await services.incidents.page(session, status=_OPEN, limit=100)
    resolved = await last_resolved(session, days=_DAYS, limit=_RESOLVED_SHOWN)
    newest_runs = await services.action_service.list_runs(session, limit=_RUNS_READ)
    runs = [run for run in newest_runs if run.action not in _QUIET and run.status != _WAITS][:_RUNS_SHOWN]
    freezes = await services.action_service.list_freezes(session)
    shown = [one.system_id for one in approvals[:_APPROVALS_SHOWN]] + [one.system_id for one in runs]
    shown += [one.system_id for one in freezes]
    names = await Names.read(session, services.inventory, shown)
    open_count = await services.incidents.count_open(session)
    headline = await _headline(session, me, len(approvals), open_count, health)
    waiting_users = await enrollment_service.count_waiting(session, most=1000) if me.may("enrollments.read") else 0
    routes = await services.oncall.routes.read_all(session) if me.may("oncall.read") else []
    return Page(
        template="overview.html",
        title=_("Overview"),
        about=("incident", "action", "system", "inventory"),
        values={
            "headline": headline,
            "healthy": health.get("healthy", 0),
            "system_count": sum(health.values()),
            "systems": await _systems(services, session),
            "approvals": [ApprovalRow.of(a, names, me) for a in approvals[:_APPROVALS_SHOWN]],
            "approval_count": len(approvals),
            "waiting_users": waiting_users,
            "incidents": sorted(incidents, key=_by_severity)[:_OPEN_SHOWN],
            "open_count": open_count,
            "resolved": [(one, names.in_text(one.resolution or "")) for one in resolved],
            "per_hour": heights(await opened_per_hour(session, hours=_HOURS)),
            "runs": [RunRow.of(run, names) for run in runs],
            "freezes": [(one, names.system(one.system_id)) for one in freezes],
            "may_lift": me.may("freezes.lift"),
            "parts_down": [name for name, up in sorted(services.readiness().items()) if not up],
            "can_pause": what_can_be_paused(services, me) if me.may(WRITE) else [],
            "nobody_told": not services.oncall_is_told and not routes,
            "unproven": unproven(routes) if not services.oncall_is_told else None,
            "may_notify": me.may("notifications.write"),
            "faulty_orders": await _faulty_orders(services, session) if me.may("standing_orders.read") else [],
        },
    )


async def _headline(
    session: AsyncSession, me: Identity, approvals: int, open_count: int, health: Mapping[str, int]
) -> str:
    """The one thing to know first."""
    stopped = pause_of(await controls.in_force(session)) if me.may("controls.read") else None
    found = [
        _("%(what)s is paused", what=pause_in_words(stopped.scope, stopped.target)) if stopped else "",
        ngettext("%(num)s approval waits", "%(num)s approvals wait", approvals) if approvals else "",
        ngettext("%(num)s incident is open", "%(num)s incidents are open", open_count) if open_count else "",
    ]
    if any(found):
        return ", ".join(part for part in found if part)
    unwell = health.get("down", 0) + health.get("degraded", 0)
    if unwell:
        return ngettext("%(num)s system is not well", "%(num)s systems are not well", unwell)
    return _("All is well") if health else _("Ready for your first system")


async def _faulty_orders(services: ConsoleServices, session: AsyncSession) -> list[str]:
    """The names of the standing orders that hold up no longer, each once."""
    return list(dict.fromkeys(one.name for one in (await services.orders.in_force(session)).faulty))


def _by_severity(incident: IncidentView) -> tuple[int, Any]:
    return _SEVERITY.get(incident.severity, 9), incident.opened_at


async def _systems(services: ConsoleServices, session: AsyncSession) -> list[SystemInfo]:
    """The first of them, those that are not well before the others."""
    found: list[SystemInfo] = []
    for status in _HEALTH:
        if len(found) < _SYSTEMS_SHOWN:
            left = _SYSTEMS_SHOWN - len(found)
            found += await services.inventory.page(session, status=status, limit=left)
    return found


async def _lift(visit: Visit, session: AsyncSession) -> Done:
    await visit.services.action_service.lift_freeze(
        session, freeze_id=visit.id("freeze_id", "freeze"), by=visit.identity
    )
    return Done(to="/", words=_("It may run again"))


ROUTES: tuple[Route, ...] = (
    shows("/", overview, "systems.read", "incidents.read", "approvals.read", "actions.read"),
    does("/freezes/{freeze_id}/lift", _lift, "freezes.lift"),
)
