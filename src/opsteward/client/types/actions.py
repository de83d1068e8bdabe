"""What the API takes and answers about actions, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

from opsteward.core.json_types import Json


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


class ApprovalView(TypedDict):
    """An approval with the plan that it is for."""

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


class ApproveIn(TypedDict):
    """`plan_hash` is that of the plan you have read: a plan that has changed meanwhile is not approved."""

    plan_hash: str
    reason: NotRequired[str | None]


class FreezeView(TypedDict):
    id: str
    action: str
    system_id: str | None
    action_id: str
    reason: str
    frozen_at: str
    until: str
    lifted_at: str | None


class RefuseIn(TypedDict):
    reason: NotRequired[str | None]
