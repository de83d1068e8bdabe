"""What the API takes and answers about troubleshooting, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.core.json_types import Json


class Cause(TypedDict):
    """An issue as a cause, with its probability. `follows_from`: the issue that explains it best; `explains`: those
    that it explains."""

    issue: str
    type: str
    system: str
    component: str
    title: str
    probability: float
    follows_from: str | None
    explains: list[str]


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
    looked_at: NotRequired[str]
    advice: NotRequired[list[Issue]]
    unseen: NotRequired[list[str]]


class Fix(TypedDict):
    """A fix that a diagnosis proposes."""

    action: str
    params: dict[str, Json]
    reason: str


class Issue(TypedDict):
    """One thing that is wrong, with its proof. `cause_rank` 0 is a root cause, higher is more of a symptom. `mended`:
    it was found in an earlier round, and a fix of this session took it away."""

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
    mended: NotRequired[bool]


class ReplayedFix(TypedDict):
    """A fix that was taken, or would be."""

    action: str
    system: str
    issue: str
    standing_order: str
    approval: NotRequired[str]


class SessionIn(TypedDict):
    """What seems to be wrong ("pages are slow"), and with which system; all are looked at when none is named."""

    complaint: NotRequired[str]
    system: NotRequired[str | None]


class SessionReplay(TypedDict):
    """The last look of a past session under today's rules and orders, beside what was made of it then (`recorded_`).
    `not_allowed`: the fixes that no order allows today, and why; `differences` in words, none where all is the
    same."""

    session_id: str
    recorded_causes: list[Cause]
    causes: list[Cause]
    recorded_fix: ReplayedFix | None
    fix: ReplayedFix | None
    not_allowed: list[str]
    differences: list[str]


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
