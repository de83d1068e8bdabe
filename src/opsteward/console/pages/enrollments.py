"""The enrolments: an inbox of those that wait, with what each would give, and below what was decided."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.addresses import id_of
from opsteward.console.enrollment_rows import PICK, EnrollmentRow
from opsteward.console.languages import N_, _, ngettext, said
from opsteward.console.page import Done, Page, Route, Visit, does, shows
from opsteward.core.errors import Invalid
from opsteward.directory.enrollment import service as enrollment_service
from opsteward.directory.enrollment.decision_types import BULK_LIMIT, DONE, DecidedEnrollments, ToDecide, Verdict
from opsteward.directory.enrollment.grants import in_full
from opsteward.directory.enrollment_rules.rules import SHIPPED
from opsteward.directory.enrollment_rules.service import rules_of
from opsteward.directory.types import EnrollmentStatus
from opsteward.directory.user_changes import PEOPLE

_PAGE = 50
_DECIDED_PAGE = 20
_COUNT_LIMIT = 1000
_TOLD = 3  # of those that could not be decided
_DIGEST = 64  # characters
DECIDED = {
    "approved": N_("approved"),
    "rejected": N_("rejected"),
    "expired": N_("expired, the user moved on"),
    "automatic": N_("approved by their rule"),
}


async def inbox(visit: Visit, session: AsyncSession) -> Page:
    """Those that wait, the longest first; what was decided, newest first. Both of the same type and words."""
    me = visit.identity
    decision, kind, search = visit.choice("decided", DECIDED), visit.query("type", limit=100), visit.query("ref")
    automatic = decision == "automatic"
    waiting = await enrollment_service.waiting(
        session, enrollment_type=kind or None, search=search, after=visit.cursor("after"), limit=_PAGE + 1
    )
    decided = await enrollment_service.page(
        session,
        status=EnrollmentStatus(decision) if decision and not automatic else None,
        enrollment_type=kind or None,
        automatic=automatic,
        search=search,
        decided=True,
        before=visit.cursor("before"),
        limit=_DECIDED_PAGE + 1,
    )
    shown = await in_full(session, [*waiting[:_PAGE], *decided[:_DECIDED_PAGE]])
    rows = [EnrollmentRow.of(one, me) for one in shown]
    number = min(len(waiting), _PAGE)
    count = await enrollment_service.count_waiting(session, most=_COUNT_LIMIT)
    types = {name: name for name in sorted({*(await rules_of(session)).by_name, *([kind] if kind else [])})}
    return Page(
        template="enrollments.html",
        title=_("Enrolments"),
        about=(PEOPLE,),
        values={
            "headline": _headline(count, sum(row.overdue for row in rows)),
            "waiting": rows[:number],
            "may_decide": me.may("enrollments.decide"),
            "decided": rows[number:],
            "search": search,
            "filtered": bool(search or kind),
            "filters": [("type", _("Enrolled as"), types, kind), ("decided", _("Decided as"), said(DECIDED), decision)],
            "asks_a_person": sorted(name for name, rule in SHIPPED.items() if rule.needed()),
            "next": visit.address(after=str(waiting[_PAGE - 1].id)) if len(waiting) > _PAGE else "",
            "first": visit.address() if visit.query("after") else "",
            "older": visit.address(before=str(decided[_DECIDED_PAGE - 1].id)) if len(decided) > _DECIDED_PAGE else "",
            "newest": visit.address() if visit.query("before") else "",
        },
    )


def _headline(count: int, overdue: int) -> str:
    if not count:
        return _("Nobody waits to be let in")
    words = ngettext("%(num)s enrolment waits", "%(num)s enrolments wait", count)
    if count == _COUNT_LIMIT:
        words = _("%(count)s enrolments or more wait", count=_COUNT_LIMIT)
    return _("%(words)s, %(overdue)s overdue", words=words, overdue=overdue) if overdue else words


async def _approve(visit: Visit, session: AsyncSession) -> Done:
    enrollment = await visit.services.enrollments.approve(
        session,
        enrollment_id=visit.id("enrollment_id", "enrolment"),
        by=visit.identity,
        reason=visit.reason,
        grants_digest=_digest(visit.text("grants_digest", limit=_DIGEST)),
    )
    over = enrollment.status != EnrollmentStatus.PENDING
    words = _("Approved: access is given") if over else _("Approved: it goes on to the next stage")
    return Done(to="/enrollments", words=words)


async def _reject(visit: Visit, session: AsyncSession) -> Done:
    await visit.services.enrollments.reject(
        session,
        enrollment_id=visit.id("enrollment_id", "enrolment"),
        by=visit.identity,
        reason=visit.reason,
        grants_digest=_digest(visit.text("grants_digest", limit=_DIGEST)),
    )
    return Done(to="/enrollments", words=_("Rejected"))


async def _decide(visit: Visit, session: AsyncSession) -> Done:
    """Of many, each as it was shown."""
    picked = {name.removeprefix(PICK): digest for name, digest in visit.form.items() if name.startswith(PICK)}
    verdicts: dict[str, Verdict] = {"approve": "approve", "reject": "reject"}
    verdict = verdicts.get(visit.text("verdict"))
    if verdict is None:
        raise Invalid.field("verdict", "is none", "press one of the two buttons")
    if not 0 < len(picked) <= BULK_LIMIT:
        raise Invalid.field("selection", f"holds {len(picked)} enrolments", f"select 1 to {BULK_LIMIT} of them")
    items = [ToDecide(id=id_of(one, "enrolment"), grants_digest=_digest(digest)) for one, digest in picked.items()]
    done = await visit.services.enrollments.decide(
        session, verdict=verdict, items=items, by=visit.identity, reason=visit.reason
    )
    return Done(to="/enrollments", words=_told(done), warns=bool(done.not_decided))


def _told(done: DecidedEnrollments) -> str:
    """How many, and which were not and why."""
    words = (
        _("%(number)s approved", number=done.decided)
        if done.verdict == "approve"
        else _("%(number)s rejected", number=done.decided)
    )
    failed = [one for one in done.items if one.outcome not in DONE]
    if not failed:
        return words
    some = "; ".join(f"{one.user or _('one that is gone')}: {one.detail}" for one in failed[:_TOLD])
    more = f"; {_('and %(count)s more', count=len(failed) - _TOLD)}" if len(failed) > _TOLD else ""
    return f"{words}, {_('%(count)s not.', count=len(failed))} {some}{more}"


def _digest(given: str) -> str:
    """Of what was shown: nothing else is decided unseen."""
    if len(given) != _DIGEST:
        raise Invalid.field("grants_digest", "is no digest of what would be granted", "load the page again")
    return given


ROUTES: tuple[Route, ...] = (
    shows("/enrollments", inbox, "enrollments.read"),
    does("/enrollments/decide", _decide, "enrollments.decide"),
    does("/enrollments/{enrollment_id}/approve", _approve, "enrollments.decide"),
    does("/enrollments/{enrollment_id}/reject", _reject, "enrollments.decide"),
)
