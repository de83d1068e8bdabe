"""The overview: what needs somebody, what happened, how the systems are, what runs."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.actions.types import RunStatus
from opsteward.console.actions import ApprovalRow, RunRow
from opsteward.console.names import Names
from opsteward.console.navigation import WAITING_LIMIT
from opsteward.console.page import Done, Page, Route, Visit, does, shows
from opsteward.console.pauses import WRITE, what_can_be_paused
from opsteward.console.wording import counted, pause_in_words
from opsteward.core.clock import now
from opsteward.directory.enrollment import service as enrollment_service
from opsteward.events.types import IncidentStatus, IncidentView
from opsteward.systems.types import SystemInfo
from opsteward.tasks import controls
from opsteward.tasks.controls import pause_of

_OPEN = [status.value for status in IncidentStatus if status is not IncidentStatus.RESOLVED]
_SEVERITY = {"critical": 0, "high": 1, "medium": 2, "low": 3}
_HEALTH = {"down": 0, "degraded": 1, "unknown": 2, "healthy": 3}
_OPEN_SHOWN, _APPROVALS_SHOWN, _RESOLVED_SHOWN, _RUNS_SHOWN, _RUNS_READ = 20, 5, 8, 10, 60
_SYSTEMS_SHOWN = 24
_HOURS = 24
#: Actions that only write something down: on the overview they are noise.
_QUIET = frozenset({"log_only", "log_and_monitor"})
_WAITS = RunStatus.AWAITING_APPROVAL  # stands above already


async def overview(visit: Visit, session: AsyncSession) -> Page:
    """All is well, or what is not."""
    services, me = visit.services, visit.identity
    systems = await services.inventory.all(session)
    names = await Names.read(session, systems)
    approvals = await services.action_service.list_approvals(session, limit=WAITING_LIMIT, by=me)
    incidents = await services.incidents.page(session, status=_OPEN, limit=100)
    newest = await services.incidents.page(session, limit=200)
    newest_runs = await services.action_service.list_runs(session, limit=_RUNS_READ)
    runs = [run for run in newest_runs if run.action not in _QUIET and run.status != _WAITS]
    resolved = [one for one in newest if one.status == IncidentStatus.RESOLVED][:_RESOLVED_SHOWN]
    open_count = await services.incidents.count_open(session)
    headline = await _headline(session, me, len(approvals), open_count, systems)
    waiting_users = await enrollment_service.count_waiting(session, most=1000) if me.may("enrollments.read") else 0
    return Page(
        template="overview.html",
        title="Overview",
        about=("incident", "action", "system", "inventory"),
        values={
            "headline": headline,
            "healthy": sum(1 for s in systems if s.health.status == "healthy"),
            "system_count": len(systems),
            "systems": sorted(systems, key=_by_health)[:_SYSTEMS_SHOWN],
            "approvals": [ApprovalRow.of(a, names, me) for a in approvals[:_APPROVALS_SHOWN]],
            "approval_count": len(approvals),
            "waiting_users": waiting_users,
            "incidents": sorted(incidents, key=_by_severity)[:_OPEN_SHOWN],
            "open_count": open_count,
            "resolved": [(one, names.in_text(one.resolution or "")) for one in resolved],
            "per_hour": _per_hour(newest),
            "runs": [RunRow.of(run, names) for run in runs[:_RUNS_SHOWN]],
            "freezes": [
                (one, names.system(one.system_id)) for one in await services.action_service.list_freezes(session)
            ],
            "may_lift": me.may("freezes.lift"),
            "parts_down": [name for name, up in sorted(services.readiness().items()) if not up],
            "can_pause": what_can_be_paused(services, me) if me.may(WRITE) else [],
            "nobody_told": not services.oncall_is_told,
        },
    )


async def _headline(
    session: AsyncSession, me: Identity, approvals: int, open_count: int, systems: list[SystemInfo]
) -> str:
    """The one thing to know first."""
    stopped = pause_of(await controls.in_force(session)) if me.may("controls.read") else None
    found = [
        f"{pause_in_words(stopped.scope, stopped.target)} is paused" if stopped else "",
        counted(approvals, "approval waits", "approvals wait") if approvals else "",
        counted(open_count, "incident is open", "incidents are open") if open_count else "",
    ]
    if any(found):
        return ", ".join(part for part in found if part)
    unwell = sum(1 for s in systems if s.health.status in ("down", "degraded"))
    if unwell:
        return counted(unwell, "system is not well", "systems are not well")
    return "All is well" if systems else "Ready for your first system"


def _by_severity(incident: IncidentView) -> tuple[int, Any]:
    return _SEVERITY.get(incident.severity, 9), incident.opened_at


def _by_health(system: SystemInfo) -> tuple[int, str]:
    return _HEALTH.get(system.health.status, 2), system.name.casefold()


def _per_hour(incidents: list[IncidentView]) -> list[tuple[int, int, float]]:
    """Incidents opened in each of the last hours, oldest first: hours ago, how many, and height in percent."""
    start = now() - timedelta(hours=_HOURS)
    hours = Counter(int((now() - one.opened_at).total_seconds() // 3600) for one in incidents if one.opened_at > start)
    most = max(hours.values(), default=0) or 1
    return [(ago, hours[ago], 100 * hours[ago] / most) for ago in range(_HOURS - 1, -1, -1)]


async def _lift(visit: Visit, session: AsyncSession) -> Done:
    await visit.services.action_service.lift_freeze(
        session, freeze_id=visit.id("freeze_id", "freeze"), by=visit.identity
    )
    return Done(to="/", words="It may run again")


ROUTES: tuple[Route, ...] = (
    shows("/", overview, "systems.read", "incidents.read", "approvals.read", "actions.read"),
    does("/freezes/{freeze_id}/lift", _lift, "freezes.lift"),
)
