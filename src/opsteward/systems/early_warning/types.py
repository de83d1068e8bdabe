"""What other rooms see of early warnings."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from opsteward.contracts.connector import SystemRef

Urgency = Literal["soon", "very_soon"]


@dataclass(frozen=True, kw_only=True)
class EarlyWarning:
    """What will have run out at `runs_out_at`, nine times of ten between `soonest_at` and `latest_at`.

    It is read from `points` figures over `span` seconds: without noise (`noise`, a standard deviation) the present one
    is `level`, and it moves by `per_day` towards `limit`. `urgency`: `very_soon` is within a day.
    """

    id: UUID
    system_id: UUID
    name: str
    urgency: Urgency
    since: datetime
    judged_at: datetime
    runs_out_at: datetime
    soonest_at: datetime
    latest_at: datetime
    level: float
    limit: float
    per_day: float
    noise: float
    points: int
    span: float


@dataclass(frozen=True, kw_only=True)
class RunningOut:
    """Published when a warning is new or has become urgent, and (`is_over`) when its figures do not say so any more."""

    system: SystemRef
    warning: EarlyWarning
    is_over: bool = False
