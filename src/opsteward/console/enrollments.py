"""An enrolment as it is shown: who waits for what, its stages, and the decision about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.console.elements import ago, button, chip, icon, link, tag, text
from opsteward.console.live import LivePage
from opsteward.console.names import Names
from opsteward.console.sheet import Sheet, storable
from opsteward.console.wording import ENROLLMENT, STAGE, Look, duration_in_words, look_of
from opsteward.core.clock import now
from opsteward.directory.enrollment_rules.rules import Rule, Rules, meeting
from opsteward.directory.enrollment_rules.service import duty_pairs
from opsteward.directory.entitlements import service as entitlements
from opsteward.directory.types import EnrollmentInfo, EnrollmentStatus

_OVERDUE = Look("alarm", "overdue", "bad")


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


def draw_enrollment(page: LivePage[Any], sheet: Sheet, row: EnrollmentRow) -> None:
    """Who asks for what, since when, its stages, and the two buttons for who may press them."""
    with tag("div", "with-buttons"):
        with tag("div"):
            _draw_words(row)
        if row.may_decide:
            _draw_buttons(page, sheet, row)


def _draw_words(row: EnrollmentRow) -> None:
    one = row.enrollment
    with tag("div", "row-head"):
        if row.with_user:
            link(one.full_name or one.username, f"/users/{one.user_id}", "title")
        else:
            text(one.enrollment_type, "title")
        if row.overdue or one.status != EnrollmentStatus.PENDING:
            chip(_OVERDUE if row.overdue else look_of(ENROLLMENT, one.status))
    with tag("p", "why"):
        if row.with_user:
            text(one.enrollment_type, "kind")
            text(one.username)
            if one.email:
                text(one.email)
    with tag("p", "why"):
        if one.automatic:
            text("approved by its rule")
        else:
            text(f"asked for by {row.requested_by}")
        ago(one.requested_at)
        if one.status != EnrollmentStatus.PENDING and one.decided_at is not None and not one.automatic:
            ago(one.decided_at, "decided" if one.approver is None else f"decided by {one.approver}")
        elif row.waits_since != one.requested_at and one.status == EnrollmentStatus.PENDING:
            ago(row.waits_since, "this stage since")
    if row.overdue:
        after = float(str(one.stages[one.stage]["escalate_after"]))
        text(f"It waits longer than {duration_in_words(after)} for this stage.", "bad-words", name="p")
    _draw_stages(row.stages)
    _draw_conflict(row.conflict)
    if one.reason:
        text(f"“{one.reason}”", "quiet", name="p")
    if row.why_not and row.may_decide:
        text(row.why_not, "quiet", name="p")


def _draw_conflict(conflict: tuple[str, str] | None) -> None:
    if conflict is None:
        return
    with tag("p", "proof tone-bad"):
        icon("gpp_bad")
        text(
            f"{conflict[0]} and {conflict[1]} would meet in this user, which they must not (segregation of duties): "
            "the last approval will be refused. Reject it, or change what the user has."
        )


def _draw_stages(stages: tuple[StageRow, ...]) -> None:
    if not stages:
        return
    with tag("ol", "stages"):
        for stage in stages:
            look = look_of(STAGE, stage.state)
            with tag("li", f"stage tone-{look.tone}") as drawn:
                icon(look.icon)
                text(stage.name, "kind")
                text(f"{look.word} by {stage.by}" if stage.by else look.word)
            if stage.reason:
                drawn.props["title"] = stage.reason[:500]


def _draw_buttons(page: LivePage[Any], sheet: Sheet, row: EnrollmentRow) -> None:
    with tag("div", "buttons"):
        button(
            "Approve",
            partial(_decide, page, sheet, row, yes=True),
            picture="thumb_up",
            kind="good",
            why_not=row.why_not,
        )
        button("Reject", partial(_decide, page, sheet, row, yes=False), picture="thumb_down", kind="bad")


async def _decide(page: LivePage[Any], sheet: Sheet, row: EnrollmentRow, *, yes: bool) -> None:
    """Ask once more, then decide on exactly the stage that was shown."""
    one = row.enrollment
    last = one.stage + 1 == len(one.stages)
    stage = row.stages[one.stage].name if row.stages else ""

    def fill() -> None:
        text(f"{one.username}, as {one.enrollment_type}: stage “{stage}”.", name="p")
        if not yes:
            text("It ends here, without access. Who waited for nothing else becomes inactive.", "quiet", name="p")
        elif not last:
            text("Another operator must approve the stage after it.", "quiet", name="p")
        elif row.gives:
            text("It gives:", "label", name="p")
            with tag("p", "words-list"):
                for word in row.gives:
                    text(word, "word")
        else:
            text("Its rule gives nothing by itself.", "quiet", name="p")

    words = "Approve" if yes else "Reject"
    reason = await sheet.ask(
        f"{words}: {one.full_name or one.username}",
        fill=fill,
        yes=words,
        picture="thumb_up" if yes else "thumb_down",
        kind="good" if yes else "bad",
    )
    if reason is None:
        return
    desk = page.services.enrollments

    async def work(session: AsyncSession, by: Identity) -> object:
        act = desk.approve if yes else desk.reject
        return await act(session, enrollment_id=one.id, by=by, reason=storable(reason), stage=one.stage)

    done = "Rejected" if not yes else "Approved: access is given" if last else "Approved: it goes on to the next stage"
    await page.act("enrollments.decide", work, done=done)
