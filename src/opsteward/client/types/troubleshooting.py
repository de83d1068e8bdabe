"""What the API takes and answers about troubleshooting, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.core.json_types import Json


class DiagnosisIn(TypedDict):
    """Which system, by its name, and which diagnosers; all of them when none is named."""

    system: str
    domains: NotRequired[list[Literal["web", "database", "network"]]]


class DiagnosticReport(TypedDict):
    """What one diagnoser found. `health_status`: healthy, degraded, down or unknown; `duration` in seconds."""

    bot_name: str
    bot_type: str
    issues_found: list[Issue]
    health_status: str
    recommendations: list[str]
    duration: float
    checks: list[dict[str, Json]]
    advice: NotRequired[list[Issue]]
    unseen: NotRequired[list[str]]


class Fix(TypedDict):
    """A fix that a diagnosis proposes."""

    action: str
    params: dict[str, Json]
    reason: str


class Issue(TypedDict):
    """One thing that is wrong, with its proof. `cause_rank` 0 is a root cause, higher is more of a symptom."""

    id: str
    type: str
    severity: str
    title: str
    description: str
    detected_by: str
    evidence: dict[str, Json]
    component: str
    confidence: float
    cause_rank: int
    system_id: str
    system: str
    system_type: str
    fixes: list[Fix]


class SessionIn(TypedDict):
    """What seems to be wrong ("pages are slow"), and with which system; all are looked at when none is named."""

    complaint: NotRequired[str]
    system: NotRequired[str | None]


class SystemDiagnosis(TypedDict):
    """One system as its diagnosers see it now: the likeliest causes first. `duration` in seconds."""

    system: str
    health_status: str
    health_score: int
    issues: list[Issue]
    advice: list[Issue]
    unseen: list[str]
    reports: list[DiagnosticReport]
    duration: float
