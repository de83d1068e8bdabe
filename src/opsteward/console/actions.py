"""Actions and approvals with the names that showing them needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opsteward.accounts.types import Identity
from opsteward.actions.types import ActionView, ApprovalView
from opsteward.console.languages import N_, _
from opsteward.console.names import Names

HASH_SHOWN = 12  # characters of a plan's hash
_OWN = N_("You asked for this: another operator must approve it.")
_MAY_NOT = N_("You may look at this, not decide it: that needs the role approver, admin or owner.")


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """An action with the names of its system and of who asked for it."""

    run: ActionView
    system: str
    requested_by: str
    reason: str

    @classmethod
    def of(cls, run: ActionView, names: Names) -> RunRow:
        """From a run."""
        return cls(
            run=run,
            system=names.system(run.system_id),
            requested_by=names.actor(run.requested_by),
            reason=names.in_text(run.reason),
        )


@dataclass(frozen=True, kw_only=True)
class ApprovalRow:
    """An approval with names, and what keeps this operator from deciding (`why_not`: from approving)."""

    approval: ApprovalView
    system: str
    requested_by: str
    decided_by: str
    may_decide: bool
    why_not: str

    @classmethod
    def of(cls, approval: ApprovalView, names: Names, me: Identity) -> ApprovalRow:
        """From an approval, as this operator sees it."""
        may_decide = me.may("approvals.decide") and approval.status == "pending"
        why_not = "" if me.may("approvals.decide") else _(_MAY_NOT)
        if may_decide and approval.requested_by == me.actor:
            why_not = _(_OWN)
        elif may_decide and approval.making and approval.making.get("refused"):
            why_not = _("%(told)s: another operator must approve it.", told=approval.making.get("told", ""))
        return cls(
            approval=approval,
            system=names.system(approval.system_id),
            requested_by=names.actor(approval.requested_by),
            decided_by=names.actor(approval.decided_by) if approval.decided_by else "",
            may_decide=may_decide,
            why_not=why_not,
        )

    @property
    def says_why(self) -> bool:
        """Whether its reason says more than who asked for it, as an order's does that is named there already."""
        kind, _colon, name = self.approval.requested_by.partition(":")
        return self.approval.reason not in (self.requested_by, f"{kind.replace('-', ' ')} {name}")

    @property
    def plan(self) -> dict[str, Any]:
        """The plan as it was made; empty when there is none."""
        return self.approval.plan or {}

    @property
    def hash_shown(self) -> str:
        """The beginning of the hash that an approval is bound to."""
        return (self.approval.plan_hash or "")[:HASH_SHOWN]
