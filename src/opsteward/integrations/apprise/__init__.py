"""The six decision actions: a log line, an answer to the caller, or a message to people through Apprise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opsteward.contracts.integration import Integration
from opsteward.integrations.apprise.actions import (
    AlertSecurityTeam,
    Escalate,
    LogAndMonitor,
    LogOnly,
    NotifyAdmin,
    ReturnValidationError,
)
from opsteward.integrations.apprise.client import ConsoleNotifier, RouteNotifier
from opsteward.integrations.apprise.config import parse_routes


def build(routes: Mapping[str, Sequence[str]] | None = None, console: ConsoleNotifier | None = None) -> Integration:
    """The integration with the Apprise URLs of each route: `security`, `oncall`, `admin`.

    A route without URLs goes to the console and the log. Raises `Invalid` naming an unknown route.
    """
    notifier = RouteNotifier(parse_routes(routes or {}), console or ConsoleNotifier())
    return Integration(
        slug="apprise",
        title="Notices and notifications",
        actions=(
            LogOnly(),
            LogAndMonitor(),
            ReturnValidationError(),
            AlertSecurityTeam(notifier),
            Escalate(notifier),
            NotifyAdmin(notifier),
        ),
    )


INTEGRATION = build()
