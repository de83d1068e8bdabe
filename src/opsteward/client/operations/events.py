"""What each route about events is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call, Page, path_id
from opsteward.core.json_types import Json

if TYPE_CHECKING:
    from typing import Literal, Unpack
    from uuid import UUID

    from opsteward.client import types


def agent_health() -> Call[dict[str, str]]:
    """Whether this is up; needs no token"""
    return Call("GET", "/agent/health/")


def analyze_event(**fields: Unpack[types.AnalyzeEvent]) -> Call[types.AnalyzedEvent]:
    """What kind of event this is, and what is usually done about it. Where the rules are unsure and a model is
    configured, it is asked too."""
    return Call("POST", "/agent/analyze-event/", fields)


def decide_action(**fields: Unpack[types.DecideAction]) -> Call[types.DecidedAction]:
    """What to do: a standing order if one fits, else the decision table."""
    return Call("POST", "/agent/decide-action/", fields)


def validate_payload(**fields: Unpack[types.ValidatePayload]) -> Call[types.PayloadReport]:
    """Whether a payload has its required fields and fits its JSON Schema."""
    return Call("POST", "/agent/validate-payload/", fields)


def execute_action(*, idempotency_key: str | None = None, **fields: Unpack[types.ExecuteAction]) -> Call[Json]:
    """Do it, durably, through the one door, and say what was done."""
    return Call("POST", "/agent/execute-action/", fields, headers={"idempotency-key": idempotency_key})


def list_events(
    *,
    source: str | None = None,
    category: types.Category | None = None,
    severity: Literal["low", "medium", "high"] | None = None,
    search: str | None = None,
    before: str | None = None,
    limit: int | None = None,
) -> Call[Page[types.EventInList]]:
    """The newest first; `before` takes the `next` of the previous page. A filter looks at the newest 20,000 events
    from there on."""
    return Call(
        "GET",
        "/api/v1/events",
        params={
            "source": source,
            "category": category,
            "severity": severity,
            "search": search,
            "before": before,
            "limit": limit,
        },
    )


def send_events(
    body: types.EventIn | list[types.EventIn], *, detail: Literal["full", "none"] | None = None
) -> Call[types.TakenEventsInFull | types.TakenEvents]:
    """Good rows are taken and committed before the answer; each bad one is listed with its row, field and reason."""
    return Call("POST", "/api/v1/events", body, params={"detail": detail})


def list_incidents(
    *,
    status: list[types.IncidentStatus] | None = None,
    severity: str | None = None,
    source: str | None = None,
    system_id: str | None = None,
    since: str | None = None,
    until: str | None = None,
    search: str | None = None,
    ref: str | None = None,
    mine: bool | None = None,
    muted: bool | None = None,
    order: Literal["urgency", "newest", "oldest"] | None = None,
    before: int | None = None,
    limit: int | None = None,
) -> Call[Page[types.IncidentView]]:
    """The most urgent first, resolved ones at the end; `before` takes the `next` of the previous page."""
    return Call(
        "GET",
        "/api/v1/incidents",
        params={
            "status": status,
            "severity": severity,
            "source": source,
            "system_id": system_id,
            "since": since,
            "until": until,
            "search": search,
            "ref": ref,
            "mine": mine,
            "muted": muted,
            "order": order,
            "before": before,
            "limit": limit,
        },
    )


def get_incident(incident_id: str | UUID, *, include_routine: bool | None = None) -> Call[types.IncidentInFull]:
    """The incident with its timeline, its newest events, its actions and its sessions, and where its time went."""
    return Call("GET", f"/api/v1/incidents/{path_id(incident_id)}", params={"include_routine": include_routine})


def acknowledge_incident(incident_id: str | UUID, **fields: Unpack[types.Reason]) -> Call[types.IncidentView]:
    """Somebody has seen it."""
    return Call("POST", f"/api/v1/incidents/{path_id(incident_id)}/acknowledge", fields)


def resolve_incident(incident_id: str | UUID, **fields: Unpack[types.Reason]) -> Call[types.IncidentView]:
    """Close it by hand."""
    return Call("POST", f"/api/v1/incidents/{path_id(incident_id)}/resolve", fields)


def correct(incident_id: str | UUID, **fields: Unpack[types.Correction]) -> Call[types.IncidentView]:
    """Say what its events are; later ones like them are judged so."""
    return Call("POST", f"/api/v1/incidents/{path_id(incident_id)}/correct", fields)


def merge(incident_id: str | UUID, **fields: Unpack[types.Merge]) -> Call[types.IncidentView]:
    """Make it part of another incident, which gets later events like its own too."""
    return Call("POST", f"/api/v1/incidents/{path_id(incident_id)}/merge", fields)


def split(incident_id: str | UUID, **fields: Unpack[types.Split]) -> Call[types.IncidentView]:
    """Let later events of one of its fingerprints stand apart."""
    return Call("POST", f"/api/v1/incidents/{path_id(incident_id)}/split", fields)


def troubleshoot_incident(incident_id: str | UUID) -> Call[types.SessionView]:
    """Start a session for it."""
    return Call("POST", f"/api/v1/incidents/{path_id(incident_id)}/troubleshoot")


def list_patterns(
    *, days: float | None = None, search: str | None = None, limit: int | None = None
) -> Call[types.PatternReport]:
    """Those with the most incidents first. The newest 200,000 events of the span are looked at: `since` says from
    when on. What chance explains is not told as a coincidence."""
    return Call("GET", "/api/v1/patterns", params={"days": days, "search": search, "limit": limit})
