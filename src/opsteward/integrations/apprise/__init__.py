"""The six decision actions (a log line, an answer to the caller, a message to people), and messages to single users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opsteward.contracts.integration import Integration
from opsteward.integrations.apprise.actions import (
    AlertSecurityTeam,
    Escalate,
    LogAndMonitor,
    LogOnly,
    MessageUser,
    NotifyAdmin,
    ReturnValidationError,
)
from opsteward.integrations.apprise.client import ConsoleNotifier, RouteNotifier, UserMessenger
from opsteward.integrations.apprise.config import check_user_urls, parse_routes
from opsteward.integrations.apprise.notices import SendNotice
from opsteward.integrations.apprise.outbox import NoticeOutbox, NullOutbox


def build(
    routes: Mapping[str, Sequence[str]] | None = None,
    console: ConsoleNotifier | None = None,
    *,
    to_users: Sequence[str] = (),
    outbox: NoticeOutbox | None = None,
    push_hosts: Sequence[str] = (),
) -> Integration:
    """The integration with the Apprise URLs of each route: `security`, `oncall`, `admin`; and those by which single
    users are reached, with `{email}` in them; notices of routes made later lie in the `outbox`. `push_hosts`: push
    services of browsers that may be on private addresses.

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
            MessageUser(UserMessenger(check_user_urls(to_users))),
            SendNotice(outbox or NullOutbox(), push_hosts),
        ),
    )


INTEGRATION = build()
