"""The card of an approval: what a person must know before they say yes. Pure."""

from __future__ import annotations

from opsteward.accounts.types import Actor
from opsteward.actions.approval_types import ApprovalCard, ApprovalInFull, Decision, IncidentRef, SystemRef
from opsteward.actions.types import ApprovalView
from opsteward.contracts.registry import OfferedAction

OBJECTS_LIMIT = 5
_RISKS = {
    "low": "informs people, interrupts nothing",
    "medium": "interrupts one thing",
    "high": "interrupts many things, or loses data",
}


def card_of(
    view: ApprovalView,
    standing_order: str | None,
    offered: OfferedAction | None,
    system: SystemRef | None,
    incident: IncidentRef | None,
    requester: Actor,
) -> ApprovalCard:
    """`offered` is None for an action that this release does not know any more."""
    plan = view.plan or {}
    planned = plan.get("objects")
    objects = [str(one) for one in planned] if isinstance(planned, list) else []
    title = offered.action.title if offered is not None else view.action
    undoable = plan.get("undo") == "can be undone" if "undo" in plan else bool(offered and offered.action.undoable)
    risk = str(plan.get("risk") or (offered.action.risk.value if offered is not None else "unknown"))
    return ApprovalCard(
        what=str(plan.get("summary") or title),
        title=title,
        system=system,
        objects=objects[:OBJECTS_LIMIT],
        object_count=len(objects),
        why=view.reason,
        incident=incident,
        requester=requester,
        standing_order=standing_order,
        risk=risk,
        risk_meaning=_RISKS.get(risk, "its risk is not known"),
        undoable=undoable,
        irreversible=None if undoable else _irreversible(title, objects),
        expires_at=view.expires_at,
        plan_hash=view.plan_hash,
    )


def in_full(view: ApprovalView, *, card: ApprovalCard, requester: Actor, decision: Decision | None) -> ApprovalInFull:
    """The approval with all that belongs to it."""
    return ApprovalInFull(**vars(view), card=card, requester=requester, decision=decision)


def _irreversible(title: str, objects: list[str]) -> str:
    if not objects:
        return f"{title}: this can't be undone"
    more = f" and {len(objects) - 1} more" if len(objects) > 1 else ""
    return f"what is done to {objects[0]}{more} can't be undone"
