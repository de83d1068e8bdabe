"""An enrolment as it is shown: who waits for what, its stages, and whether one may decide about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from opsteward.accounts.types import Actor, Identity
from opsteward.console.languages import _
from opsteward.console.wording import who
from opsteward.core.clock import now
from opsteward.directory.enrollment.grants import EnrollmentInFull
from opsteward.directory.types import EnrollmentInfo, EnrollmentStatus

#: What the name of a field begins with that chooses an enrolment; its id follows, and the value is the digest shown.
PICK = "pick-"


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """One approval: its name, how it stands (of `wording.STAGE`), and who decided why."""

    name: str
    state: str
    by: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class EnrollmentRow:
    """An enrolment with what its drawing needs: its stages, whether this operator may decide now, and why not."""

    enrollment: EnrollmentInFull
    stages: tuple[StageRow, ...]
    requested_by: str
    decided_by: str
    waits_since: datetime
    overdue: bool
    may_decide: bool
    why_not: str
    pick: str
    with_user: bool

    @classmethod
    def of(cls, enrollment: EnrollmentInFull, me: Identity, *, with_user: bool = True) -> EnrollmentRow:
        """From an enrolment, as this operator sees it."""
        pending = enrollment.status == EnrollmentStatus.PENDING
        overdue = pending and is_overdue(enrollment)
        decided = {stage.get("decided_by") for stage in enrollment.stages[: enrollment.stage]}
        return cls(
            enrollment=enrollment,
            stages=tuple(
                StageRow(
                    name=str(stage["name"]).replace("_", " "),
                    state=_state(enrollment, number, overdue),
                    by=who(Actor(**cast(Any, decider))) if isinstance(decider := stage.get("decider"), dict) else "",
                    reason=str(stage.get("reason") or ""),
                )
                for number, stage in enumerate(enrollment.stages)
            ),
            requested_by=who(enrollment.requester),
            decided_by=who(enrollment.decider) if enrollment.decider else "",
            waits_since=waits_since(enrollment),
            overdue=overdue,
            may_decide=pending and me.may("enrollments.decide"),
            why_not=_("You approved another stage: somebody else must decide on this one.")
            if me.actor in decided
            else "",
            pick=f"{PICK}{enrollment.id}",
            with_user=with_user,
        )

    @property
    def systems(self) -> list[str]:
        """The systems that it would give, by name."""
        grant = self.enrollment.will_grant
        if grant is None:
            return []
        return [_("every system there is and will be")] if grant.all_systems else grant.systems


def waits_since(enrollment: EnrollmentInfo) -> datetime:
    """Since when its present stage waits."""
    before = enrollment.stages[enrollment.stage - 1] if 0 < enrollment.stage <= len(enrollment.stages) else {}
    return datetime.fromisoformat(str(before["at"])) if before.get("at") else enrollment.requested_at


def is_overdue(enrollment: EnrollmentInfo) -> bool:
    """Whether its present stage waits longer than its rule allows. (`due_at` moves on each time people are told.)"""
    stage = enrollment.stages[enrollment.stage] if enrollment.stage < len(enrollment.stages) else {}
    after = float(str(stage.get("escalate_after") or 0))  # seconds
    return after > 0 and waits_since(enrollment) + timedelta(seconds=after) <= now()


def _state(enrollment: EnrollmentInfo, number: int, overdue: bool) -> str:
    status = str(enrollment.stages[number].get("status", "waiting"))
    if status == "waiting" and number == enrollment.stage and enrollment.status == EnrollmentStatus.PENDING:
        return "overdue" if overdue else "current"
    return status
