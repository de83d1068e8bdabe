"""An enrolment as it is shown: who waits for what, its stages, and the decision about it."""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.console.elements import ago, button, chip, icon, link, tag, text
from opsteward.console.live import LivePage
from opsteward.console.sheet import Sheet, storable
from opsteward.console.web.enrollment_rows import Duties, EnrollmentRow, StageRow, is_overdue, waits_since
from opsteward.console.wording import ENROLLMENT, STAGE, Look, duration_in_words, look_of
from opsteward.directory.types import EnrollmentStatus

_OVERDUE = Look("alarm", "overdue", "bad")


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
        after = float(one.stages[one.stage]["escalate_after"])
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


__all__ = ["Duties", "EnrollmentRow", "StageRow", "draw_enrollment", "is_overdue", "waits_since"]
