"""An enrolment as it is shown: who waits for what, its stages, and whether one may decide about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.console.names import Names
from opsteward.core.clock import now
from opsteward.directory.enrollment_rules.rules import Rule, Rules, meeting
from opsteward.directory.enrollment_rules.service import duty_pairs
from opsteward.directory.entitlements import service as entitlements
from opsteward.directory.types import EnrollmentInfo, EnrollmentStatus


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """One approval: its name, how it stands (of `wording.STAGE`), and who decided why."""

    name: str
    state: str
    by: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Duties:
    """Permissions that must not meet in one user, and what some users have by single grants."""

    pairs: tuple[tuple[str, str], ...]
    granted: Mapping[UUID, frozenset[str]]

    @classmethod
    async def read(cls, session: AsyncSession, enrollments: Iterable[EnrollmentInfo]) -> Duties:
        """For those of these enrolments that wait."""
        pairs = await duty_pairs(session)
        users = {one.user_id for one in enrollments if one.status == EnrollmentStatus.PENDING}
        granted = await entitlements.permissions_granted(session, user_ids=users) if pairs and users else {}
        return cls(pairs=tuple(pairs), granted=granted)

    def meeting_in(self, user_id: UUID, rule: Rule) -> tuple[str, str] | None:
        """The two that would meet in the user if the rule's permissions were given."""
        return meeting([*rule.permissions, *self.granted.get(user_id, ())], self.pairs)


@dataclass(frozen=True, kw_only=True)
class EnrollmentRow:
    """An enrolment with what its drawing needs: names, what it would give, whether this operator may decide now."""

    enrollment: EnrollmentInfo
    stages: tuple[StageRow, ...]
    requested_by: str
    waits_since: datetime
    overdue: bool
    gives: tuple[str, ...]
    may_decide: bool
    why_not: str
    conflict: tuple[str, str] | None
    with_user: bool

    @classmethod
    def of(
        cls,
        enrollment: EnrollmentInfo,
        names: Names,
        rules: Rules,
        me: Identity,
        *,
        duties: Duties,
        with_user: bool = True,
    ) -> EnrollmentRow:
        """From an enrolment, with the names of who asked and decided."""
        pending = enrollment.status == EnrollmentStatus.PENDING
        since, overdue = waits_since(enrollment), pending and is_overdue(enrollment)
        decided = {stage.get("decided_by") for stage in enrollment.stages[: enrollment.stage]}
        return cls(
            enrollment=enrollment,
            stages=tuple(
                StageRow(
                    name=str(stage["name"]).replace("_", " "),
                    state=_state(enrollment, number, overdue),
                    by=names.actor(str(stage["decided_by"])) if stage.get("decided_by") else "",
                    reason=str(stage.get("reason") or ""),
                )
                for number, stage in enumerate(enrollment.stages)
            ),
            requested_by=names.actor(enrollment.requested_by),
            waits_since=since,
            overdue=overdue,
            gives=_gives(rules.of(enrollment.enrollment_type)) if pending else (),
            may_decide=pending and me.may("enrollments.decide"),
            why_not="You approved another stage: somebody else must decide on this one." if me.actor in decided else "",
            conflict=duties.meeting_in(enrollment.user_id, rules.of(enrollment.enrollment_type)) if pending else None,
            with_user=with_user,
        )


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


def _gives(rule: Rule) -> tuple[str, ...]:
    return (*sorted(rule.permissions), *sorted(rule.system_access))
