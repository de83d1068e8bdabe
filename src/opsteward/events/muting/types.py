"""What other rooms see of silences and inhibitions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from opsteward.accounts.types import Actor

SilenceStatus = Literal["pending", "active", "expired"]


@dataclass(frozen=True, kw_only=True)
class SilenceView:
    """A silence, with how many open incidents it keeps quiet now."""

    id: UUID
    matchers: list[str]
    reason: str
    starts_at: datetime
    ends_at: datetime
    status: SilenceStatus
    created_by: Actor
    created_at: datetime
    ended_at: datetime | None
    ended_by: Actor | None
    muted_incidents: int


@dataclass(frozen=True, kw_only=True)
class MatchedIncident:
    """An open incident that a silence would keep quiet."""

    id: UUID
    number: int
    title: str
    severity: str
    source: str


@dataclass(frozen=True, kw_only=True)
class SilencePreview:
    """How many open incidents match, and the newest of them. `examined`: of how many."""

    matching: int
    examined: int
    incidents: list[MatchedIncident]


@dataclass(frozen=True, kw_only=True)
class InhibitionView:
    """While an incident that matches `source` is open, those that match `target` are kept quiet: with `dependents`
    only those of systems that need its system, with `equal` only those with the same values of these labels."""

    id: UUID
    name: str
    source: list[str]
    target: list[str]
    equal: list[str]
    dependents: bool
    reason: str
    created_by: Actor
    created_at: datetime
    removed_at: datetime | None
    removed_by: Actor | None
