"""Approvals: the inbox of what waits, one of them, and the decision."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.approval_types import BULK_LIMIT, ToDecide
from opsteward.actions.approvals import Verdict
from opsteward.console.actions import ApprovalRow
from opsteward.console.addresses import id_of
from opsteward.console.languages import N_, _, said
from opsteward.console.names import Names
from opsteward.console.page import Done, Page, Route, Visit, does, shows
from opsteward.core.errors import Invalid

_PAGE = 30
_HASH = 64  # digits
_TOLD = 3  # of those that could not be decided
_VERDICTS: dict[str, Verdict] = {"approve": "approve", "refuse": "refuse"}
#: What the name of a field begins with that chooses an approval; its id follows, and the value is its plan's hash.
PICK = "pick-"
STATUSES = {
    "pending": N_("waiting"),
    "approved": N_("approved"),
    "refused": N_("refused"),
    "expired": N_("expired"),
    "withdrawn": N_("withdrawn"),
    "all": N_("all"),
}


async def inbox(visit: Visit, session: AsyncSession) -> Page:
    """What waits, the oldest first; what was decided, by filter."""
    status = visit.choice("status", STATUSES) or "pending"
    found = await visit.services.action_service.list_approvals(
        session,
        status=None if status == "all" else status,
        after=visit.cursor("after"),
        limit=_PAGE + 1,
        by=visit.identity,
    )
    names = await Names.read(session, visit.services.inventory, (one.system_id for one in found))
    more = len(found) > _PAGE
    return Page(
        template="approvals.html",
        title=_("Approvals"),
        about=("action",),
        values={
            "may_pick": status == "pending" and len(found) > 1 and visit.identity.may("approvals.decide"),
            "rows": [ApprovalRow.of(one, names, visit.identity) for one in found[:_PAGE]],
            "status": status,
            "choices": [(name, words, visit.address(status=name)) for name, words in said(STATUSES).items()],
            "next": visit.address(after=str(found[_PAGE - 1].id)) if more else "",
            "first": visit.address() if visit.query("after") else "",
        },
    )


async def one(visit: Visit, session: AsyncSession) -> Page:
    """One approval with the whole plan."""
    approval = await visit.services.action_service.get_approval(
        session, approval_id=visit.id("approval_id", "approval"), by=visit.identity
    )
    names = await Names.read(session, visit.services.inventory, [approval.system_id])
    row = ApprovalRow.of(approval, names, visit.identity)
    return Page(
        template="approval.html",
        title=_("Approve %(action)s", action=approval.action),
        values={"row": row},
        about=("action",),
    )


async def _decide(visit: Visit, session: AsyncSession) -> Done:
    """Of many, each for exactly the plan that was shown."""
    picked = {name.removeprefix(PICK): plan for name, plan in visit.form.items() if name.startswith(PICK)}
    verdict = _VERDICTS.get(visit.text("verdict"))
    if verdict is None:
        raise Invalid.field("verdict", "is none", "press one of the two buttons")
    if not 0 < len(picked) <= BULK_LIMIT:
        raise Invalid.field("selection", f"holds {len(picked)} approvals", f"select 1 to {BULK_LIMIT} of them")
    items = [ToDecide(id=id_of(one, "approval"), plan_hash=_plan_hash(plan)) for one, plan in picked.items()]
    done = await visit.services.approvals.decide(
        session, verdict=verdict, items=items, by=visit.identity, reason=visit.reason or None
    )
    words = _("%(number)s refused", number=done.decided)
    if verdict == "approve":
        words = _("%(number)s approved", number=done.decided)
    left = [f"{one.what or _('one that is gone')}: {one.detail}" for one in done.items if one.detail]
    if left:
        words += f", {_('%(count)s not.', count=done.not_decided)} {'; '.join(left[:_TOLD])}"
        words += f"; {_('and %(count)s more', count=len(left) - _TOLD)}" if len(left) > _TOLD else ""
    return Done(to="/approvals", words=words, warns=bool(left))


def _plan_hash(given: str) -> str:
    if len(given) != _HASH:
        raise Invalid.field("plan_hash", "is no hash of a plan", "load the page again")
    return given


async def _approve(visit: Visit, session: AsyncSession) -> Done:
    plan_hash = _plan_hash(visit.text("plan_hash", limit=_HASH))
    await visit.services.action_service.approve(
        session,
        approval_id=visit.id("approval_id", "approval"),
        plan_hash=plan_hash,
        by=visit.identity,
        reason=visit.reason or None,
    )
    return Done(to=_back(visit), words=_("Approved: it goes ahead"))


async def _refuse(visit: Visit, session: AsyncSession) -> Done:
    await visit.services.action_service.refuse(
        session, approval_id=visit.id("approval_id", "approval"), by=visit.identity, reason=visit.reason or None
    )
    return Done(to=_back(visit), words=_("Refused: it will not be done"))


def _back(visit: Visit) -> str:
    """The page that the decision was made on: of those that have such a form, and so never another site's."""
    given = visit.form.get("back", "")
    if given == "/" or (given.startswith(("/incidents/", "/approvals")) and "//" not in given and "\\" not in given):
        return given
    return "/approvals"


ROUTES: tuple[Route, ...] = (
    shows("/approvals", inbox, "approvals.read"),
    shows("/approvals/{approval_id}", one, "approvals.read"),
    does("/approvals/decide", _decide, "approvals.decide"),
    does("/approvals/{approval_id}/approve", _approve, "approvals.decide"),
    does("/approvals/{approval_id}/refuse", _refuse, "approvals.decide"),
)
