"""All pages and forms, in the order in which an address is looked for."""

from __future__ import annotations

from opsteward.console.web import pauses
from opsteward.console.web.page import Route
from opsteward.console.web.pages import approvals, incidents, systems

ROUTES: tuple[Route, ...] = (
    *incidents.ROUTES,
    *approvals.ROUTES,
    *systems.ROUTES,
    *pauses.ROUTES,
)
