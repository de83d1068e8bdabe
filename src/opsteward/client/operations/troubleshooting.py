"""What each route about troubleshooting is asked, written from the OpenAPI document by
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


def start_session(**fields: Unpack[types.SessionIn]) -> Call[types.SessionView]:
    """Start a session; standing orders decide what it may do."""
    return Call("POST", "/api/v1/troubleshooting/sessions", fields)


def list_sessions(
    *, incident_id: str | None = None, before: str | None = None, limit: int | None = None
) -> Call[Page[types.SessionView]]:
    """Newest first."""
    return Call(
        "GET", "/api/v1/troubleshooting/sessions", params={"incident_id": incident_id, "before": before, "limit": limit}
    )


def get_session(session_id: str | UUID) -> Call[types.SessionView]:
    """One session: phases, issues, diagnostics, resolutions."""
    return Call("GET", f"/api/v1/troubleshooting/sessions/{path_id(session_id)}")


def replay_a_session(session_id: str | UUID) -> Call[types.SessionReplay]:
    """What today's rules and standing orders make of what a past session found; looks at nothing and does nothing."""
    return Call("GET", f"/api/v1/troubleshooting/sessions/{path_id(session_id)}/replay")


def diagnose_system(**fields: Unpack[types.DiagnosisIn]) -> Call[types.SystemDiagnosis]:
    """Look at a system now and say what is wrong, the likeliest causes first; changes nothing and opens nothing."""
    return Call("POST", "/api/v1/troubleshooting/diagnoses", fields)
