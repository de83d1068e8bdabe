"""Which fix a session would take: the likeliest cause's first that a standing order covers and that was not tried."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.events.standing_orders.document import FaultyOrder, StandingOrder
from opsteward.events.standing_orders.service import StandingOrders, limits_of
from opsteward.troubleshooting.assessment import subject_of
from opsteward.troubleshooting.causes import is_symptom
from opsteward.troubleshooting.types import Attempt, Cause, Choice, Issue


def treatable(issues: Sequence[Issue], causes: Sequence[Cause]) -> list[Issue]:
    """Those that are worth a fix: to mend what follows from something else mends nothing."""
    symptoms = {cause.issue for cause in causes if is_symptom(cause)}
    return [issue for issue in issues if issue.id not in symptoms and not issue.mended]


async def covered_fix(
    session: AsyncSession, orders: StandingOrders, issues: Sequence[Issue], tried: Sequence[Attempt]
) -> tuple[Choice, list[str], list[str]]:
    """The fix; those that no order allows, in words; and why a faulty order holds some of them back."""
    already = {(t["action"], t["system_id"], t.get("component", "")) for t in tried}
    proposals: list[str] = []
    held_back: list[str] = []
    for issue in issues:
        for fix in issue.fixes:
            if (fix.action, str(issue.system_id), issue.component) in already:
                continue
            # an order for another fix of this finding must not stand in the way of this one's
            order = await orders.match(session, subject_of(issue, fix))
            if isinstance(order, StandingOrder) and order.action == fix.action:
                choice: Choice = {
                    "issue": issue.model_dump(mode="json"),
                    "fix": fix.model_dump(mode="json"),
                    "order": order.name,
                    "approval": order.approval,
                    "limits": limits_of(order).as_dict(),
                }
                return choice, proposals, []
            reason = "no standing order allows it"
            if isinstance(order, FaultyOrder):
                held_back.append(f"{fix.action} on {issue.system}: {order.reason}")
                reason = order.reason
            proposals.append(f"{fix.action} on {issue.system}: {reason} ({fix.reason})")
    return {}, proposals, held_back
