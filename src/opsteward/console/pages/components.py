"""The console's own parts, each in all of its states, for who works on its look. Shown in development only."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.permissions import SIGNED_IN
from opsteward.console import wording
from opsteward.console.charts import heights
from opsteward.console.page import Page, Route, Visit, shows
from opsteward.console.wording import Look
from opsteward.core.clock import now
from opsteward.core.errors import NotFound

_TONES = ("good", "warn", "bad", "info", "calm")
_COLOURS = ("page", "card", "sunken", "line", "ink", "soft", "main", *_TONES, *(f"{tone}-back" for tone in _TONES))
_BUTTONS = (("", "Ordinary"), ("main", "Main"), ("good", "Good"), ("bad", "Bad"), ("small", "Small"))


async def components(visit: Visit, _: AsyncSession) -> Page:
    """Colours, chips, buttons, forms, tables, lists and charts."""
    if not visit.services.development:
        raise NotFound("this page is for development", remedy="set OPSTEWARD_DEVELOPMENT=true to see it")
    tables = {
        name: [look for look in table.values() if isinstance(look, Look)]
        for name, table in vars(wording).items()
        if name.isupper() and not name.startswith("_") and isinstance(table, dict)
    }
    return Page(
        template="components.html",
        title="Components",
        values={
            "colours": _COLOURS,
            "tones": _TONES,
            "buttons": _BUTTONS,
            "tables": {name: looks for name, looks in tables.items() if looks},
            "problem": {"line": 3, "field": "orders.0.action", "problem": "is no action", "remedy": "use escalate"},
            "some_time": now() - timedelta(minutes=7),
            "hours": heights([0, 1, 0, 3, 8, 5, 2, 0, 0, 1, 4, 2, 0, 0, 6, 9, 3, 1, 0, 0, 2, 1, 0, 4]),
        },
    )


ROUTES: tuple[Route, ...] = (shows("/console/components", components, SIGNED_IN),)
