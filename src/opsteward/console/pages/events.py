"""The stream of events as they came in, and the incident that each belongs to."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.languages import _
from opsteward.console.page import Page, Route, Visit, shows
from opsteward.console.pages.incident_groups import CATEGORIES
from opsteward.console.pages.incidents import SEVERITIES, severities
from opsteward.console.sorting import sorting
from opsteward.console.vocabulary import spoken
from opsteward.events.event_list import SEARCHED_LIMIT, list_events

_PAGE = 50


async def events(visit: Visit, session: AsyncSession) -> Page:
    """The newest first, or as the address asks."""
    category, severity = visit.choice("category", dict.fromkeys(CATEGORIES)), visit.choice("severity", SEVERITIES)
    source, search = visit.query("source", limit=200), visit.query("ref", limit=100)
    order = sorting(visit, {"received": True, "severity": True, "source": False})
    found = await list_events(
        session,
        source=source or None,
        category=category or None,
        severity=severity or None,
        search=search or None,
        before=visit.cursor("before"),
        limit=_PAGE + 1,
        by=order.column,
        descending=order.descending,
    )
    return Page(
        template="events.html",
        title=_("Events"),
        about=("incident",),
        values={
            "events": [(one, visit.address(source=one.source)) for one in found[:_PAGE]],
            "filters": [
                ("category", _("Category"), {name: spoken(name) for name in CATEGORIES}, category),
                ("severity", _("Severity"), severities(), severity),
            ],
            "by": order.heads,
            "sorting": order,
            "kept": {"source": source},
            "called": search,
            "source": source,
            "every_source": visit.address(source=""),
            "filtered": bool(category or severity or source or search),
            "searched": SEARCHED_LIMIT,
            "next": visit.address(before=str(found[_PAGE - 1].id)) if len(found) > _PAGE else "",
            "first": visit.address() if visit.query("before") else "",
        },
    )


ROUTES: tuple[Route, ...] = (shows("/events", events, "events.read", "incidents.read"),)
