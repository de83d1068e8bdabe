"""Incidents and events as they are shown."""

from __future__ import annotations

from opsteward.accounts.actors import Actors
from opsteward.core.json_types import JsonObject
from opsteward.events.models import Event, Incident
from opsteward.events.types import EventView, IncidentView, Muted


def people_of(row: Incident) -> tuple[str | None, ...]:
    """Who is named in an incident, as references."""
    return (row.acknowledged_by, row.resolved_by, row.assigned_to)


def view_of(row: Incident, actors: Actors | None = None) -> IncidentView:
    """An incident as it is shown; with `actors`, who has seen and who ended it."""
    return IncidentView(
        id=row.id,
        number=row.number,
        title=row.title,
        status=row.status,
        category=row.category,
        severity=row.severity,
        source=row.source,
        system_id=row.system_id,
        event_count=row.event_count,
        opened_at=row.opened_at,
        last_event_at=row.last_event_at,
        acknowledged_at=row.acknowledged_at,
        resolved_at=row.resolved_at,
        resolution=row.resolution,
        acknowledged_by=actors.maybe(row.acknowledged_by) if actors else None,
        resolved_by=actors.maybe(row.resolved_by) if actors else None,
        assigned_to=actors.maybe(row.assigned_to) if actors else None,
        muted=_muted(row.muted) if row.muted else None,
        reopened=row.reopened,
        flapping=row.flapping,
        labels={str(name): str(value) for name, value in row.labels.items()},
    )


def _muted(kept: JsonObject) -> Muted:
    until, incident = kept.get("until"), kept.get("incident")
    return Muted(
        by=str(kept["by"]),
        id=str(kept["id"]),
        reason=str(kept["reason"]),
        until=str(until) if until is not None else None,
        incident=incident if isinstance(incident, int) else None,
    )


def view_of_event(row: Event) -> EventView:
    """An event as it is shown."""
    return EventView(
        id=row.id,
        received_at=row.received_at,
        occurred_at=row.occurred_at,
        source=row.source,
        error_type=row.error_type,
        message=row.message,
        stack_trace=row.stack_trace,
        context=row.context,
        resolved=row.resolved,
        category=row.category,
        severity=row.severity,
        action=row.action,
        priority=row.priority,
        confidence=row.confidence,
        fingerprint=row.fingerprint,
        incident_id=row.incident_id,
    )
