"""What each route about notifications is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call, Page, path_id

if TYPE_CHECKING:
    from typing import Unpack
    from uuid import UUID

    from opsteward.client import types


def list_notification_routes() -> Call[Page[types.RouteView]]:
    """In their order, each with what became of its last notice."""
    return Call("GET", "/api/v1/notifications/routes")


def save_notification_route(name: str | UUID, **fields: Unpack[types.RouteIn]) -> Call[types.RouteView]:
    """Make the route of this name, or change it."""
    return Call("PUT", f"/api/v1/notifications/routes/{path_id(name)}", fields)


def remove_notification_route(route_id: str | UUID) -> Call[None]:
    """Its URLs are forgotten."""
    return Call("DELETE", f"/api/v1/notifications/routes/{path_id(route_id)}")


def test_notification_route(route_id: str | UUID) -> Call[types.NoticeView]:
    """Send a test by this route alone; what became of it says its notice."""
    return Call("POST", f"/api/v1/notifications/routes/{path_id(route_id)}/test")


def list_notices(
    *, incident_id: str | None = None, after: str | None = None, limit: int | None = None
) -> Call[Page[types.NoticeView]]:
    """What was told, newest first."""
    return Call(
        "GET", "/api/v1/notifications/notices", params={"incident_id": incident_id, "after": after, "limit": limit}
    )


def get_notice(notice_id: str | UUID) -> Call[types.NoticeView]:
    """One notice, and what became of it."""
    return Call("GET", f"/api/v1/notifications/notices/{path_id(notice_id)}")


def link_slack_person(**fields: Unpack[types.PersonIn]) -> Call[types.LinkedPerson]:
    """Let what a user presses in Slack be done by an operator: by a token that may do nothing but what buttons do."""
    return Call("POST", "/api/v1/slack/people", fields)
