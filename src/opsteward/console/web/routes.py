"""All pages and forms, in the order in which an address is looked for."""

from __future__ import annotations

from opsteward.console.web import pauses
from opsteward.console.web.page import Route
from opsteward.console.web.pages import (
    approvals,
    audit,
    incidents,
    operators,
    overview,
    schedules,
    settings,
    standing_orders,
    systems,
)

ROUTES: tuple[Route, ...] = (
    *overview.ROUTES,
    *incidents.ROUTES,
    *approvals.ROUTES,
    *systems.ROUTES,
    *schedules.ROUTES,
    *standing_orders.ROUTES,
    *operators.ROUTES,
    *audit.ROUTES,
    *settings.ROUTES,
    *pauses.ROUTES,
)
