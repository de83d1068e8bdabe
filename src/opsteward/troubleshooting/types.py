"""What other rooms see of troubleshooting: the documented shapes, plain and JSON-ready."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from opsteward.accounts.types import Actor
from opsteward.actions.types import LimitsData
from opsteward.core.json_types import JsonObject


class Pace(TypedDict):
    """What a workflow must know from the start. `pause` in seconds."""

    correlation: str
    tried: int
    rounds: int
    attempts: int
    looks: int
    pause: float


class Choice(TypedDict, total=False):
    """The fix that a round has chosen; without `fix` it chose none. `held_back`: why a fix that there is was not.
    `unseen`: the systems that could not be looked at, and why."""

    round: int
    held_back: list[str]
    unseen: dict[str, str]
    issue: JsonObject
    fix: JsonObject
    order: str
    approval: str
    limits: LimitsData


class Attempt(TypedDict):
    """A fix that was tried, as the session's row keeps it."""

    round: int
    action: str
    action_id: str
    system_id: str
    system: str
    issue: str
    component: str
    order: str
    status: str
    summary: str


PHASES = ("initialise", "assess", "diagnose", "prioritise", "resolve", "verify", "report")


class Shape(BaseModel):
    """Base of the shapes; they cross the engine's records as JSON."""

    model_config = ConfigDict(frozen=True)


class Fix(Shape):
    """A fix that a diagnosis proposes."""

    action: str
    params: JsonObject
    reason: str


class Issue(Shape):
    """One thing that is wrong, with its proof. `cause_rank` 0 is a root cause, higher is more of a symptom. `mended`:
    it was found in an earlier round, and a fix of this session took it away."""

    id: str
    type: str
    severity: str
    title: str
    description: str
    detected_by: str
    evidence: JsonObject
    component: str
    confidence: float
    cause_rank: int
    system_id: UUID
    system: str
    system_type: str
    fixes: list[Fix]
    mended: bool = False


class Claim(Shape):
    """What is said and how it is known: which check looked (`source`), at what (`query`), what it saw and when."""

    source: str
    query: str
    value: str
    at: str


class Hypothesis(Shape):
    """What was held possible: `supported`, `refuted` or `untested`, with its claims. `issue` and `follows_from` name
    issues."""

    text: str
    system: str
    status: str
    probability: float | None = None
    issue: str | None = None
    follows_from: str | None = None
    claims: list[Claim]


class Cause(Shape):
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


class RecentChange(Shape):
    """Something that was changed shortly before the trouble began."""

    at: str
    who: str
    what: str
    object: str


class DiagnosticReport(Shape):
    """What one diagnoser found. `health_status`: healthy, degraded, down or unknown; `duration` in seconds.

    `advice` is what should be better and is no fault; `unseen` says what could not be looked at, and why.
    """

    bot_name: str
    bot_type: str
    issues_found: list[Issue]
    health_status: str
    recommendations: list[str]
    duration: float
    checks: list[JsonObject]
    looked_at: str = ""
    advice: list[Issue] = []
    unseen: list[str] = []


class SystemDiagnosis(Shape):
    """One system as its diagnosers see it now: the likeliest causes first. `duration` in seconds."""

    system: str
    health_status: str
    health_score: int
    issues: list[Issue]
    advice: list[Issue]
    unseen: list[str]
    reports: list[DiagnosticReport]
    duration: float


class SystemFacts(Shape):
    """SystemInfo of the API: what the session looks at."""

    base_url: str
    components: list[str]
    versions: dict[str, str]
    health: dict[str, str]


class FixAction(Shape):
    """One fix that was tried, and what became of it."""

    action: str
    action_id: UUID
    system: str
    issue: str
    standing_order: str
    status: str
    summary: str


class ResolutionReport(Shape):
    """What one round of fixing did."""

    bot_name: str
    bot_type: str
    actions_attempted: list[FixAction]
    issues_resolved: list[str]
    overall_success: bool


class ReplayedFix(Shape):
    """A fix that was taken, or would be."""

    action: str
    system: str
    issue: str
    standing_order: str
    approval: str = ""


class SessionReplay(Shape):
    """The last look of a past session under today's rules and orders, beside what was made of it then (`recorded_`).
    `not_allowed`: the fixes that no order allows today, and why; `differences` in words, none where all is the same."""

    session_id: UUID
    recorded_causes: list[Cause]
    causes: list[Cause]
    recorded_fix: ReplayedFix | None
    fix: ReplayedFix | None
    not_allowed: list[str]
    differences: list[str]


class SessionView(Shape):
    """A session as it is shown. `engine` says who reasoned."""

    id: UUID
    incident_id: UUID | None
    trigger: str
    complaint: str
    requested_by: str
    #: The same by name; only over the API.
    requester: Actor | None = None
    status: str
    phase: str
    success: bool | None
    outcome: str | None
    summary: str
    health_score: int | None
    phases: list[JsonObject]
    issues: list[JsonObject]
    #: The issues as causes, the likeliest first; what was held possible; and what was changed shortly before.
    causes: list[JsonObject]
    hypotheses: list[JsonObject]
    changes: list[JsonObject]
    diagnostics: list[JsonObject]
    resolutions: list[JsonObject]
    started_at: datetime
    ended_at: datetime | None
    engine: str = "rules"
