"""What other rooms see of actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TypedDict
from uuid import UUID

from opsteward.accounts.types import Actor
from opsteward.core.ids import derived_id
from opsteward.core.json_types import JsonObject


class RunStatus(StrEnum):
    """Where a run stands. The last eight are ends."""

    REQUESTED = "requested"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    EXECUTING = "executing"
    SUCCEEDED = "succeeded"
    NOT_NEEDED = "not_needed"
    FAILED = "failed"
    UNDONE = "undone"
    DENIED = "denied"
    REFUSED = "refused"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"


ENDS = frozenset(RunStatus) - {
    RunStatus.REQUESTED,
    RunStatus.AWAITING_APPROVAL,
    RunStatus.APPROVED,
    RunStatus.EXECUTING,
}
#: Actions that only write something down: lists leave them out unless they are asked for.
ROUTINE_ACTIONS = frozenset({"log_only", "log_and_monitor", "return_validation_error", "send_notice"})
#: Actions that do nothing but tell people.
NOTIFYING_ACTIONS = frozenset({"escalate", "alert_security_team", "notify_admin"})
HELPED = frozenset({RunStatus.SUCCEEDED, RunStatus.NOT_NEEDED})


class LimitsData(TypedDict):
    """Limits as they are stored."""

    cooldown: float
    per_target: int | None
    per_hour: int | None


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a standing order allows: seconds between two runs on a target, runs per target and day, runs per hour."""

    cooldown: float = 0.0
    per_target: int | None = None
    per_hour: int | None = None

    def as_dict(self) -> LimitsData:
        return {"cooldown": self.cooldown, "per_target": self.per_target, "per_hour": self.per_hour}


@dataclass(frozen=True, kw_only=True)
class NewAction:
    """A request for an action. `reply_to` is the troubleshooting session that goes on when the run has ended."""

    action: str
    params: Mapping[str, object]
    reason: str
    requested_by: str
    idempotency_key: str
    system_id: UUID | None = None
    incident_id: UUID | None = None
    standing_order: str | None = None
    approval: str = "by_risk"
    limits: Limits = field(default_factory=Limits)
    reply_to: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class ActionView:
    """A run as it is shown."""

    id: UUID
    action: str
    system_id: UUID | None
    params: JsonObject
    reason: str
    requested_by: str
    incident_id: UUID | None
    standing_order: str | None
    approval: str
    status: str
    plan: JsonObject | None
    plan_hash: str | None
    result: JsonObject | None
    proof: JsonObject | None
    error: str | None
    created_at: datetime
    executed_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ApprovalView:
    """An approval with the plan that it is for."""

    id: UUID
    action_id: UUID
    action: str
    system_id: UUID | None
    incident_id: UUID | None
    params: JsonObject
    plan: JsonObject | None
    reason: str
    plan_hash: str
    status: str
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    decision_reason: str | None
    #: That who decided (of one that waits: who asks) is of the requester's making: `told` in words, the `chain`, and
    #: whether they are `refused` for it. None: they are not.
    making: JsonObject | None = None


def approval_id_of(run_id: UUID) -> UUID:
    """The id of a run's approval: the same each time that it is asked for anew."""
    return derived_id(run_id, "approval")


@dataclass(frozen=True, kw_only=True)
class AskedFor:
    """So many runs that incidents asked for, from an instant on: under an order (empty: by the decision table)."""

    order: str
    action: str
    status: str
    at: datetime
    count: int


@dataclass(frozen=True, kw_only=True)
class FreezeView:
    id: UUID
    action: str
    system_id: UUID | None
    action_id: UUID
    reason: str
    frozen_at: datetime
    until: datetime
    lifted_at: datetime | None
    lifted_by: str | None
    #: Who asked for the action that did not help, as a reference; and both by name in the list.
    requested_by: str
    requester: Actor | None = None
    lifter: Actor | None = None


@dataclass(frozen=True, kw_only=True)
class ActionChanged:
    """Published in the transaction of each step of a run. `key` is the same when the step is repeated; `actor` took the
    step, for the `reason` that a person gave."""

    run: ActionView
    key: str
    reply_to: UUID | None
    actor: str
    reason: str | None = None
