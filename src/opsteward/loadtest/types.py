"""What the load tools read of an instance's answers, and the rows of their reports."""

from __future__ import annotations

from typing import TypeAlias, TypedDict

from opsteward.core.json_types import JsonObject

#: A report as it is printed, or written as JSON.
Report: TypeAlias = dict[str, object]


class TaskState(TypedDict):
    """Of a task; instants as the API writes them."""

    id: str
    status: str
    error: str | None
    created_at: str
    started_at: str | None
    ended_at: str


class IncidentState(TypedDict):
    """Of an incident."""

    id: str
    status: str
    source: str
    event_count: int


class AuditEntry(TypedDict):
    """Of an entry of the audit log."""

    id: str
    actor: str
    verb: str
    object_type: str
    object_id: str
    detail: JsonObject


class RateRow(TypedDict):
    """One step of a stress test; `held` if all limits were kept."""

    asked_per_s: float
    answered_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    errors: int
    unsent: int
    held: bool


class Aftermath(TypedDict):
    """What became of all that a stress test handed in."""

    tasks_submitted: int
    tasks_completed: int
    tasks_lost: int
    events_accepted: int
    events_kept: int
    events_lost: int


class SoakEnd(TypedDict):
    """What is left to see when a soak test ends."""

    schedule_fired: int
    done_without_a_person: dict[str, int]


class MemoryRow(TypedDict):
    """One process's resident memory over a soak test, in MB."""

    process: str
    first_mb: float | None
    last_mb: float | None
    grown_mb: float
