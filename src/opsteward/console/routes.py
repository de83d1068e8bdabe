"""All pages and forms, in the order in which an address is looked for."""

from __future__ import annotations

from opsteward.console import pauses
from opsteward.console.page import Route
from opsteward.console.pages import (
    agents,
    approvals,
    audit,
    crew,
    enrollments,
    imports,
    incidents,
    oncall,
    operators,
    overview,
    reviews,
    schedules,
    search,
    settings,
    silences,
    standing_orders,
    syncs,
    systems,
    tasks,
    user,
    users,
)

ROUTES: tuple[Route, ...] = (
    *overview.ROUTES,
    *incidents.ROUTES,
    *silences.ROUTES,
    *oncall.ROUTES,
    *approvals.ROUTES,
    *systems.ROUTES,
    *syncs.ROUTES,
    *tasks.ROUTES,
    *schedules.ROUTES,
    *agents.ROUTES,
    *crew.ROUTES,
    *users.ROUTES,
    *imports.ROUTES,  # before the page of one user, whose address holds any word
    *user.ROUTES,
    *enrollments.ROUTES,
    *reviews.ROUTES,
    *standing_orders.ROUTES,
    *operators.ROUTES,
    *audit.ROUTES,
    *settings.ROUTES,
    *search.ROUTES,
    *pauses.ROUTES,
)
