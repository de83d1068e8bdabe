"""What other rooms see of systems."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from opsteward.contracts.check import CheckResult
from opsteward.contracts.connector import SystemRef
from opsteward.core.json_types import JsonObject

TYPES = ("database", "api", "ldap", "scim", "file_system", "webhook", "service")
CRITICALITIES = ("critical", "standard", "backup")


@dataclass(frozen=True, kw_only=True)
class Circuit:
    """`closed`: in use. `open`: not asked until `open_until`, after failures. `half_open`: the next one tries it."""

    state: Literal["closed", "open", "half_open"]
    failures: int
    open_until: datetime | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class SystemInfo:
    """A registered system; credentials are never part of it."""

    id: UUID
    name: str
    type: str
    endpoint: str
    health_check_url: str | None
    sync_frequency: int | None
    criticality: str
    settings: JsonObject
    depends_on: list[UUID]
    enabled: bool
    owner: str | None
    tags: list[str]
    runbook_url: str | None
    has_credentials: bool
    circuit: Circuit
    created_at: datetime
    updated_at: datetime
    health: SystemHealth


@dataclass(frozen=True, kw_only=True)
class SystemHealth:
    """The present health: unknown, healthy, degraded or down; `response_time` in seconds, `error_rate` from 0 to 1.
    `silenced_by`: why its trouble raises no alert, null where it does."""

    healthy: bool
    status: str
    response_time: float | None
    error_rate: float
    checked_at: datetime | None
    since: datetime
    evidence: list[JsonObject]
    silenced_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class KnownSystem:
    """Just enough of a system to recognise it by."""

    id: UUID
    name: str
    type: str


@dataclass(frozen=True, kw_only=True)
class CheckOutcome:
    """One check of one system, done."""

    system: SystemRef
    check: str
    title: str
    result: CheckResult


@dataclass(frozen=True, kw_only=True)
class HealthChanged:
    """Published in the transaction that stores the change. `outcomes` are those that led to it, looked at from
    `seen_at` on: what was seen before a repair was finished is its echo, not news.
    `silenced_by`: why nobody is to be told of the trouble; once that has ended the trouble is published again."""

    system: SystemRef
    criticality: str
    was: str
    now: str
    seen_at: datetime
    outcomes: list[CheckOutcome] = field(default_factory=list)
    silenced_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class BudgetBurning:
    """Published when a system begins to use its error budget `rate` times too fast over the last `hours` (`urgency` is
    `fast` or `slow`), and when it does so no more (None)."""

    system: SystemRef
    urgency: str | None
    rate: float
    hours: float
    objective_percent: float


@dataclass(frozen=True, kw_only=True)
class SystemsChanged:
    """A system was registered, changed or removed: schedules are to be read again."""

    system_id: UUID
    what: Literal["registered", "changed", "removed"]
