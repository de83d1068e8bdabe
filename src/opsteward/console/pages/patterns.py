"""Groups of events that recur: their trend, what they coincide with, and what to do about them."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.charts import heights
from opsteward.console.languages import N_, _, said
from opsteward.console.page import Page, Route, Visit, shows
from opsteward.console.sorting import sorting
from opsteward.events.patterns.service import find_patterns

_DAYS = {"1": N_("a day"), "7": N_("7 days"), "30": N_("30 days")}
_DEFAULT = "7"
_SHOWN = 100


async def patterns(visit: Visit, session: AsyncSession) -> Page:
    """Those with the most incidents first."""
    days = visit.choice("days", _DAYS) or _DEFAULT
    search = visit.query("ref", limit=100)
    report = await find_patterns(session, days=float(days), search=search or None, limit=_SHOWN)
    order = sorting(visit, {"incidents": True, "events": True, "begun": True, "last": True, "name": False})
    found = order.rows(
        report.items,
        {
            "incidents": lambda one: one.incidents,
            "events": lambda one: one.events,
            "begun": lambda one: one.begun,
            "last": lambda one: one.last_seen,
            "name": lambda one: one.title.casefold(),
        },
    )
    return Page(
        template="patterns.html",
        title=_("Patterns"),
        about=("incident",),
        values={
            "report": report,
            "patterns": [(one, heights(one.counts)) for one in found],
            "stretch_hours": report.stretch_seconds / 3600,
            "filters": [("days", _("Of the last"), said(_DAYS), days)],
            "called": search,
            "by": order.heads,
            "sorting": order,
        },
    )


ROUTES: tuple[Route, ...] = (shows("/patterns", patterns, "incidents.read"),)
