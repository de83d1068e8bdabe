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
    *, incident_id: str | None = None, before: str | None = None, limit: int | None = None
) -> Call[Page[types.ActionView]]:
    """Newest first."""
    return Call("GET", "/api/v1/actions", params={"incident_id": incident_id, "before": before, "limit": limit})


def get_action(action_id: str | UUID) -> Call[types.ActionView]:
    """One action with its plan, result and proof."""
    return Call("GET", f"/api/v1/actions/{path_id(action_id)}")


def amend_action(action_id: str | UUID, **fields: Unpack[types.AmendIn]) -> Call[types.ActionView]:
    """Change an action that waits for approval: it is planned anew, and what was shown before can't be approved."""
    return Call("PUT", f"/api/v1/actions/{path_id(action_id)}/params", fields)


def list_approvals(
    *,
    status: Literal["pending", "approved", "refused", "expired", "withdrawn", "all"] | None = None,
    action: str | None = None,
    ref: str | None = None,
    after: str | None = None,
    limit: int | None = None,
) -> Call[Page[types.ApprovalView]]:
    """Oldest first, each with the plan that it is for."""
    return Call(
        "GET",
        "/api/v1/approvals",
        params={"status": status, "action": action, "ref": ref, "after": after, "limit": limit},
    )


def get_approval(approval_id: str | UUID) -> Call[types.ApprovalView]:
    """One approval."""
    return Call("GET", f"/api/v1/approvals/{path_id(approval_id)}")


def approve_action(approval_id: str | UUID, **fields: Unpack[types.ApproveIn]) -> Call[types.ApprovalView]:
    """Say yes to exactly the plan with this hash. Who requested it can't."""
    return Call("POST", f"/api/v1/approvals/{path_id(approval_id)}/approve", fields)


def refuse_action(approval_id: str | UUID, **fields: Unpack[types.RefuseIn]) -> Call[types.ApprovalView]:
    """Say no."""
    return Call("POST", f"/api/v1/approvals/{path_id(approval_id)}/refuse", fields)


def list_freezes(
    *, ref: str | None = None, after: str | None = None, limit: int | None = None
) -> Call[Page[types.FreezeView]]:
    """What is not tried at present, because it did not help; the oldest first."""
    return Call("GET", "/api/v1/freezes", params={"ref": ref, "after": after, "limit": limit})


def lift_freeze(freeze_id: str | UUID) -> Call[None]:
    """Allow the action on that target again."""
    return Call("POST", f"/api/v1/freezes/{path_id(freeze_id)}/lift")
