"""The enrolments: an inbox of those that wait, with what each would give, and below what was decided."""

from __future__ import annotations

from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.enrollment_rows import Duties, EnrollmentRow
from opsteward.console.names import Names
from opsteward.console.page import Done, Page, Route, Visit, does, shows
from opsteward.console.wording import counted
from opsteward.core.errors import Invalid
from opsteward.directory.enrollment import service as enrollment_service
from opsteward.directory.enrollment_rules.rules import SHIPPED
from opsteward.directory.enrollment_rules.service import rules_of
from opsteward.directory.types import EnrollmentStatus
from opsteward.directory.user_changes import PEOPLE

_PAGE = 30
_COUNT_LIMIT = 1000
DECIDED = {
    "approved": "approved",
    "rejected": "rejected",
    "expired": "expired, the user moved on",
    "automatic": "approved by their rule",
}


async def inbox(visit: Visit, session: AsyncSession) -> Page:
    """Those that wait, the longest first; what was decided, newest first."""
    decision, kind = visit.choice("decided", DECIDED), visit.query("type", limit=100)
    automatic = decision == "automatic"
    waiting = await enrollment_service.waiting(session, after=visit.cursor("after"), limit=_PAGE + 1)
    decided = await enrollment_service.page(
        session,
        status=EnrollmentStatus(decision) if decision and not automatic else None,
        enrollment_type=kind or None,
        automatic=automatic,
        decided=True,
        before=visit.cursor("before"),
        limit=_PAGE + 1,
    )
    names, rules = await Names.read(session), await rules_of(session)
    duties = await Duties.read(session, waiting)
    row_of = partial(EnrollmentRow.of, names=names, rules=rules, me=visit.identity, duties=duties)
    rows = [row_of(one) for one in waiting[:_PAGE]]
    count = await enrollment_service.count_waiting(session, most=_COUNT_LIMIT)
    types = {name: name for name in sorted({*rules.by_name, *([kind] if kind else [])})}
    return Page(
        template="enrollments.html",
        title="Enrolments",
        about=(PEOPLE,),
        values={
            "headline": _headline(count, sum(row.overdue for row in rows)),
            "waiting": rows,
            "may_decide": visit.identity.may("enrollments.decide"),
            "decided": [row_of(one) for one in decided[:_PAGE]],
            "filters": [("decided", "Decision", DECIDED, decision), ("type", "Enrolled as", types, kind)],
            "asks_a_person": sorted(name for name, rule in SHIPPED.items() if rule.needed()),
            "next": visit.address(after=str(waiting[_PAGE - 1].id)) if len(waiting) > _PAGE else "",
            "first": visit.address() if visit.query("after") else "",
            "older": visit.address(before=str(decided[_PAGE - 1].id)) if len(decided) > _PAGE else "",
            "newest": visit.address() if visit.query("before") else "",
        },
    )


def _headline(count: int, overdue: int) -> str:
    if not count:
        return "Nobody waits to be let in"
    words = counted(count, "enrolment waits", "enrolments wait")
    if count == _COUNT_LIMIT:
        words = f"{_COUNT_LIMIT} enrolments or more wait"
    return f"{words}, {overdue} overdue" if overdue else words


async def _approve(visit: Visit, session: AsyncSession) -> Done:
    enrollment = await visit.services.enrollments.approve(
        session,
        enrollment_id=visit.id("enrollment_id", "enrolment"),
        by=visit.identity,
        reason=visit.reason,
        stage=_stage(visit),
    )
    over = enrollment.status != EnrollmentStatus.PENDING
    words = "access is given" if over else "it goes on to the next stage"
    return Done(to="/enrollments", words=f"Approved: {words}")


async def _reject(visit: Visit, session: AsyncSession) -> Done:
    await visit.services.enrollments.reject(
        session,
        enrollment_id=visit.id("enrollment_id", "enrolment"),
        by=visit.identity,
        reason=visit.reason,
        stage=_stage(visit),
    )
    return Done(to="/enrollments", words="Rejected")


def _stage(visit: Visit) -> int:
    """The stage that was shown: another one is not decided unseen."""
    given = visit.text("stage", limit=3)
    if not (given.isascii() and given.isdecimal()):
        raise Invalid.field("stage", "is no number of a stage", "load the page again")
    return int(given)


ROUTES: tuple[Route, ...] = (
    shows("/enrollments", inbox, "enrollments.read"),
    does("/enrollments/{enrollment_id}/approve", _approve, "enrollments.decide"),
    does("/enrollments/{enrollment_id}/reject", _reject, "enrollments.decide"),
)
