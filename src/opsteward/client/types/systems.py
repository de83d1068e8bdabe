"""What the API takes and answers about systems, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

from opsteward.core.json_types import Json


class HealthHistory(TypedDict):
    """A period of a system's health, and all of it in one figure. A point without any check is left out."""

    system_id: str
    since: str
    until: str
    seconds_per_point: int
    checks: int
    failed: int
    availability_percent: float | None
    response_time: float | None
    response_time_max: float | None
    points: list[HealthPoint]


class HealthPoint(TypedDict):
    """From `at` on, for the seconds of a point. Response times in seconds, null where nothing answered; availability
    is the share of checks that did not fail, 0-100."""

    at: str
    checks: int
    failed: int
    availability_percent: float
    response_time: float | None
    response_time_max: float | None


class SystemHealth(TypedDict):
    """The present health: unknown, healthy, degraded or down; `response_time` in seconds, `error_rate` from 0 to
    1."""

    healthy: bool
    status: str
    response_time: float | None
    error_rate: float
    checked_at: str | None
    since: str
    evidence: list[dict[str, Json]]


class SystemIn(TypedDict):
    """A system to register. `credentials` can be written, never read."""

    name: str
    type: str
    endpoint: str
    health_check_url: NotRequired[str | None]
    sync_frequency: NotRequired[int | None]
    criticality: NotRequired[str]
    credentials: NotRequired[dict[str, str]]
    settings: NotRequired[dict[str, Json]]
    depends_on: NotRequired[list[str]]


class SystemInfo(TypedDict):
    """A registered system; credentials are never part of it."""

    id: str
    name: str
    type: str
    endpoint: str
    health_check_url: str | None
    sync_frequency: int | None
    criticality: str
    settings: dict[str, Json]
    depends_on: list[str]
    has_credentials: bool
    created_at: str
    updated_at: str
    health: SystemHealth
