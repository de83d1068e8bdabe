"""All pages and forms, in the order in which an address is looked for."""

from __future__ import annotations

from opsteward.console import pauses
from opsteward.console.page import Route
from opsteward.console.pages import (
    agents,
    applications,
    approvals,
    audit,
    components,
    enrollments,
    events,
    heartbeats,
    imports,
    incident_groups,
    incidents,
    oncall,
    operators,
    overview,
    reviews,
    schedules,
    search,
    settings,
    silences,
    sources,
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
    *incident_groups.ROUTES,
    *events.ROUTES,
    *silences.ROUTES,
    *oncall.ROUTES,
    *approvals.ROUTES,
    *sources.ROUTES,
    *applications.ROUTES,
    *systems.ROUTES,
    *heartbeats.ROUTES,
    *syncs.ROUTES,
    *tasks.ROUTES,
    *schedules.ROUTES,
    *agents.ROUTES,
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
    *components.ROUTES,
    *pauses.ROUTES,
)
