"""What each route about actions is asked, written from the OpenAPI document by
`python docs/generate.py`.

No sending here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opsteward.client.connection import Call, Page, path_id

if TYPE_CHECKING:
    from typing import Literal, Unpack
    from uuid import UUID

    from opsteward.client import types


def action_catalogue() -> Call[Page[types.ActionTypeInfo]]:
    """Every action there is, with its risk and the JSON Schema of its parameters."""
    return Call("GET", "/api/v1/actions/catalogue")


def request_action(*, idempotency_key: str | None = None, **fields: Unpack[types.ActionIn]) -> Call[types.ActionView]:
    """Ask for an action; it is planned, approved where needed, executed, verified."""
    return Call("POST", "/api/v1/actions", fields, headers={"idempotency-key": idempotency_key})


def list_actions(
    *,
    incident_id: str | None = None,
    include_routine: bool | None = None,
    before: str | None = None,
    limit: int | None = None,
) -> Call[Page[types.ActionInFull]]:
    """Newest first."""
    return Call(
        "GET",
        "/api/v1/actions",
        params={"incident_id": incident_id, "include_routine": include_routine, "before": before, "limit": limit},
    )


def get_action(action_id: str | UUID) -> Call[types.ActionInFull]:
    """One action with its plan, result and proof."""
    return Call("GET", f"/api/v1/actions/{path_id(action_id)}")


def amend_action(action_id: str | UUID, **fields: Unpack[types.AmendIn]) -> Call[types.ActionView]:
    """Change an action that waits for approval: it is planned anew, and what was shown before can't be approved."""
    return Call("PUT", f"/api/v1/actions/{path_id(action_id)}/params", fields)


def list_freezes(
    *, ref: str | None = None, over: bool | None = None, after: str | None = None, limit: int | None = None
) -> Call[Page[types.FreezeView]]:
    """What is not tried at present, because it did not help; the oldest first. With who asked for it, and who lifted
    it."""
    return Call("GET", "/api/v1/freezes", params={"ref": ref, "over": over, "after": after, "limit": limit})


def lift_freeze(freeze_id: str | UUID) -> Call[None]:
    """Allow the action on that target again."""
    return Call("POST", f"/api/v1/freezes/{path_id(freeze_id)}/lift")


def list_approvals(
    *,
    status: list[Literal["pending", "approved", "refused", "expired", "withdrawn", "all"]] | None = None,
    action: str | None = None,
    risk: Literal["low", "medium", "high"] | None = None,
    system_id: str | None = None,
    incident_id: str | None = None,
    requester: str | None = None,
    search: str | None = None,
    since: str | None = None,
    until: str | None = None,
    ref: str | None = None,
    order: Literal["oldest", "newest"] | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> Call[Page[types.ApprovalInFull]]:
    """By the time of their requests, each with its card and its plan; `after` takes the `next` of the page before."""
    return Call(
        "GET",
        "/api/v1/approvals",
        params={
            "status": status,
            "action": action,
            "risk": risk,
            "system_id": system_id,
            "incident_id": incident_id,
            "requester": requester,
            "search": search,
            "since": since,
            "until": until,
            "ref": ref,
            "order": order,
            "after": after,
            "limit": limit,
        },
    )


def count_approvals() -> Call[types.ApprovalCounts]:
    """How many there are of each status, and how many wait, by risk."""
    return Call("GET", "/api/v1/approvals/counts")


def decide_approvals(**fields: Unpack[types.DecideIn]) -> Call[types.DecidedSet]:
    """Say yes or no to each of these plans, up to 100. Each has its own answer; what can't be decided holds up no
    other. Nothing is decided that is not named here with the hash of its plan."""
    return Call("POST", "/api/v1/approvals/decide", fields)


def get_approval(approval_id: str | UUID) -> Call[types.ApprovalInFull]:
    """One approval with its card and its plan."""
    return Call("GET", f"/api/v1/approvals/{path_id(approval_id)}")


def approve_action(approval_id: str | UUID, **fields: Unpack[types.ApproveIn]) -> Call[types.ApprovalInFull]:
    """Say yes to exactly the plan with this hash. Who requested it can't."""
    return Call("POST", f"/api/v1/approvals/{path_id(approval_id)}/approve", fields)


def refuse_action(approval_id: str | UUID, **fields: Unpack[types.RefuseIn]) -> Call[types.ApprovalInFull]:
    """Say no."""
    return Call("POST", f"/api/v1/approvals/{path_id(approval_id)}/refuse", fields)
