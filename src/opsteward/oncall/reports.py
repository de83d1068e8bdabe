"""The daily report: what happened in the last 24 hours, by the routes that ask for it."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.errors import NotFound
from opsteward.events.incident_figures import DayFigures, day_figures
from opsteward.oncall.notices import Notices
from opsteward.oncall.routes import NotificationRoutes, wait_for_report


class Reports:
    """One per process."""

    def __init__(self, routes: NotificationRoutes, notices: Notices) -> None:
        self._routes = routes
        self._notices = notices

    async def is_due(self, session: AsyncSession, key: str) -> None:
        """Send it, and wait for the next day's."""
        try:
            route = await self._routes.row(session, UUID(key))
        except NotFound:
            return
        if route.report_at is not None:
            title, body = report_text(await day_figures(session))
            await self._notices.tell(session, route=route, kind="report", title=title, body=body)
            await wait_for_report(session, route)


def report_text(day: DayFigures) -> tuple[str, str]:
    """Title and body. Pure."""
    title = f"Daily report: {day.opened} opened, {day.resolved} resolved, {day.open_now} open"
    by_severity = ", ".join(f"{count} {name}" for name, count in day.open_by_severity.items()) or "none"
    lines = [
        f"Opened in the last 24 hours: {day.opened}",
        f"Resolved: {day.resolved}, of which by themselves or by Opsteward: {day.resolved_without_people}",
        f"Open now: {day.open_now} ({by_severity}); not acknowledged: {day.unacknowledged}; kept quiet: {day.muted}",
    ]
    if day.mean_repair_seconds is not None:
        lines.append(f"Mean time to repair: {day.mean_repair_seconds / 60:.1f} minutes")
    if day.longest_open:
        lines += ["", "Open the longest:", *(f"#{number} {name}" for number, name in day.longest_open)]
    return title, "\n".join(lines)
