"""What each route about incidents is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call, path_id

if TYPE_CHECKING:
    from typing import Unpack
    from uuid import UUID

    from opsteward.client import types


def change_incidents(**fields: Unpack[types.BulkIn]) -> Call[types.BulkDone]:
    """Acknowledge, resolve, reopen or assign up to 500. Each is done, or left as it was with the reason."""
    return Call("POST", "/api/v1/incidents/bulk", fields)


def assign_incident(incident_id: str | UUID, **fields: Unpack[types.AssignIn]) -> Call[types.IncidentView]:
    """Say who is to work on it."""
    return Call("POST", f"/api/v1/incidents/{path_id(incident_id)}/assign", fields)


def comment_incident(incident_id: str | UUID, **fields: Unpack[types.CommentIn]) -> Call[types.IncidentView]:
    """Write something into its timeline."""
    return Call("POST", f"/api/v1/incidents/{path_id(incident_id)}/comments", fields)


def reopen_incident(incident_id: str | UUID, **fields: Unpack[types.ReopenIn]) -> Call[types.IncidentView]:
    """It is not over after all: the same incident goes on, and takes its events again."""
    return Call("POST", f"/api/v1/incidents/{path_id(incident_id)}/reopen", fields)


def list_related_incidents(incident_id: str | UUID, *, limit: int | None = None) -> Call[list[types.RelatedIncident]]:
    """Past incidents of the same events, then of the same system and category; and what helped then."""
    return Call("GET", f"/api/v1/incidents/{path_id(incident_id)}/related", params={"limit": limit})
