"""A past session judged again by today's rules and standing orders, from what it recorded: nothing is done."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.events.standing_orders.service import StandingOrders
from opsteward.troubleshooting.causes import Surroundings, causes_of, in_order
from opsteward.troubleshooting.fix_choice import covered_fix, treatable
from opsteward.troubleshooting.service import get_row
from opsteward.troubleshooting.types import Cause, Issue, ReplayedFix, SessionReplay

_SAME = 0.005  # of a probability


async def replay_session(session: AsyncSession, orders: StandingOrders, *, session_id: UUID) -> SessionReplay:
    """What today's rules make of what a session found in its last look, beside what was made of it then; of one
    that still runs, what it has found so far. Raises NotFound."""
    row = await get_row(session, session_id)
    # What earlier rounds have mended is not judged again: what was seen beside it then is not kept.
    issues = [issue for issue in map(Issue.model_validate, row.issues) if not issue.mended]
    last = {issue.id for issue in issues}
    then = [cause for cause in map(Cause.model_validate, row.causes) if cause.issue in last]
    causes = causes_of(issues, Surroundings.recorded(row.surroundings))
    number = max((int(str(phase["round"])) for phase in row.phases if phase["name"] == "diagnose"), default=0)
    choice, proposals, held_back = await covered_fix(
        session,
        orders,
        treatable(in_order(issues, causes), causes),
        tried=[attempt for attempt in row.tried if attempt["round"] < number],
    )
    fix = None
    if choice:
        fix = ReplayedFix(
            action=str(choice["fix"]["action"]),
            system=str(choice["issue"]["system"]),
            issue=str(choice["issue"]["id"]),
            standing_order=choice["order"],
            approval=choice["approval"],
        )
    attempt = next((each for each in row.tried if each["round"] == number), None)
    done = None
    if attempt is not None:
        done = ReplayedFix(
            action=attempt["action"],
            system=attempt["system"],
            issue=attempt["issue"],
            standing_order=attempt["order"],
        )
    return SessionReplay(
        session_id=row.id,
        recorded_causes=then,
        causes=causes,
        recorded_fix=done,
        fix=fix,
        not_allowed=[*held_back, *proposals] if fix is None else [],
        differences=[*_causes_differ(then, causes), *_fixes_differ(done, fix)],
    )


def _causes_differ(then: Sequence[Cause], today: Sequence[Cause]) -> list[str]:
    before = {cause.issue: cause for cause in then}
    found = []
    if then and today and then[0].issue != today[0].issue:
        found.append(f"the likeliest cause was {_told(then[0])}, and is {_told(today[0])}")
    for cause in today:
        old = before.get(cause.issue)
        if old is None:
            found.append(f"{_told(cause)} is weighed as a cause, and was not then")
        elif abs(old.probability - cause.probability) > _SAME:
            found.append(f"{_told(cause)} was a cause with {old.probability:.2f}, and is with {cause.probability:.2f}")
    return found


def _fixes_differ(then: ReplayedFix | None, today: ReplayedFix | None) -> list[str]:
    if then is None and today is None:
        return []
    if then is None and today is not None:
        return [f"nothing was done, and {_named(today)} would be"]
    if then is not None and today is None:
        return [f"{_named(then)} was done, and nothing would be"]
    assert then is not None and today is not None
    same = (then.action, then.system, then.issue, then.standing_order) == (
        today.action, today.system, today.issue, today.standing_order,
    )  # fmt: skip
    return [] if same else [f"{_named(then)} was done, and {_named(today)} would be"]


def _told(cause: Cause) -> str:
    return f"{cause.title} ({cause.system})"


def _named(fix: ReplayedFix) -> str:
    return f"{fix.action} on {fix.system} under {fix.standing_order}"
