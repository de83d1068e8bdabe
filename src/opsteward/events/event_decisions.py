"""What is decided about an event: by a standing order where one holds, else by the decision table. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from opsteward.events.decision_table import Decision, EventAction, usual_priority
from opsteward.events.standing_orders.types import FaultyOrder, Limits, Rule, StandingOrder

#: What is only noted or answered opens no incident.
QUIET_ACTIONS = frozenset({EventAction.LOG_ONLY.value, EventAction.RETURN_VALIDATION_ERROR.value})
#: How often people are called because of one faulty order.
_CALLS = Limits(per_target=1, per_hour=30)


@dataclass(frozen=True, kw_only=True)
class Decided:
    """`priority` 1-5, 1 the most urgent; `order` has the approval and the limits that hold."""

    action: str
    priority: int
    reason: str
    order: StandingOrder | None = None


def decided(table: Decision, rule: Rule | None) -> Decided:
    """What the decision table says, or the first order that holds (`rule`) instead.

    A faulty one escalates to a person. Where nothing at all is left of its conditions it may have meant anything: then
    what the table only notes stays noted, so that one broken line does not make an incident of everything.
    """
    if isinstance(rule, FaultyOrder):
        if rule.match or table.action not in QUIET_ACTIONS:
            action = EventAction.ESCALATE.value
            return Decided(action=action, priority=usual_priority(action), reason=rule.reason, order=_escalation(rule))
        rule = None
    if rule is None:
        reason = f"rule {table.rule_id}: {table.reason}"
        return Decided(action=str(table.action), priority=table.priority, reason=reason)
    priority = usual_priority(rule.action) if rule.action in set(EventAction) else table.priority
    return Decided(action=rule.action, priority=priority, reason=f"standing order {rule.name}", order=rule)


def _escalation(rule: FaultyOrder) -> StandingOrder:
    """What stands for a faulty order: a call for a person, which touches nothing."""
    return StandingOrder(
        name=rule.name,
        kind="event",
        match=rule.match,
        action=EventAction.ESCALATE.value,
        approval="auto",
        cooldown=timedelta(0),
        limits=_CALLS,
        line=rule.line,
    )
