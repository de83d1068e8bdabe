"""What the API takes and answers about actions, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from opsteward.client.types.events import Actor, Decision, SystemRef
from opsteward.core.json_types import Json

Outcome = Literal["approved", "refused", "changed", "expired", "already_decided", "denied", "not_found"]


class ActionIn(TypedDict):
    """An action to request. What may interrupt somebody needs another operator's approval."""

    action: str
    system_id: NotRequired[str | None]
    params: NotRequired[dict[str, Json]]
    reason: str


class ActionTypeInfo(TypedDict):
    """An action that can be requested, with its risk and the JSON Schema of its parameters."""

    action: str
    title: str
    risk: str
    undoable: bool
    schemes: list[str]
    params: dict[str, Json]


class AmendIn(TypedDict):
    params: dict[str, Json]


class ApprovalCard(TypedDict):
    """All that a decision needs, in short: what, on what, why, how dangerous, until when, for exactly which plan."""

    what: str
    title: str
    system: SystemRef | None
    objects: list[str]
    object_count: int
    why: str
    incident: IncidentRef | None
    requester: Actor
    standing_order: str | None
    risk: str
    risk_meaning: str
    undoable: bool
    irreversible: str | None
    expires_at: str
    plan_hash: str


class ApprovalCounts(TypedDict):
    """How many approvals there are of each status, and of each risk among those that wait."""

    by_status: dict[str, int]
    pending: int
    pending_by_risk: dict[str, int]


class ApprovalInFull(TypedDict):
    """An approval with its card, and who asked and decided by name."""

    id: str
    action_id: str
    action: str
    system_id: str | None
    incident_id: str | None
    params: dict[str, Json]
    plan: dict[str, Json] | None
    reason: str
    plan_hash: str
    status: str
    requested_by: str
    requested_at: str
    expires_at: str
    decided_by: str | None
    decided_at: str | None
    decision_reason: str | None
    making: NotRequired[dict[str, Json] | None]
    card: ApprovalCard
    requester: Actor
    decision: Decision | None


class ApproveIn(TypedDict):
    """`plan_hash` is that of the plan you have read: a plan that has changed meanwhile is not approved."""

    plan_hash: str
    reason: NotRequired[str | None]


class DecideIn(TypedDict):
    """A decision on several approvals, each named and bound to its own plan."""

    verdict: Literal["approve", "refuse"]
    items: list[DecideOneIn]
    reason: NotRequired[str | None]


class DecideOneIn(TypedDict):
    """One approval, and the hash of the plan that you have read."""

    id: str
    plan_hash: str


class DecidedOne(TypedDict):
    """What became of one. `detail` says why nothing was decided, and what helps."""

    id: str
    outcome: Outcome
    detail: str | None
    what: str | None


class DecidedSet(TypedDict):
    """What became of each, in the order sent."""

    verdict: Literal["approve", "refuse"]
    decided: int
    not_decided: int
    items: list[DecidedOne]


class FreezeView(TypedDict):
    id: str
    action: str
    system_id: str | None
    action_id: str
    reason: str
    frozen_at: str
    until: str
    lifted_at: str | None
    lifted_by: str | None
    requested_by: str
    requester: NotRequired[Actor | None]
    lifter: NotRequired[Actor | None]


class IncidentRef(TypedDict):
    id: str
    number: int
    title: str


class RefuseIn(TypedDict):
    """Why not; `plan_hash`, where given, refuses exactly the plan that you have read."""

    plan_hash: NotRequired[str | None]
    reason: NotRequired[str | None]
