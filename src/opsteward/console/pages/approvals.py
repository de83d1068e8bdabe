"""Approvals: the inbox of what waits, one of them, and the decision."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.actions import ApprovalRow
from opsteward.console.names import Names
from opsteward.console.page import Done, Page, Route, Visit, does, shows
from opsteward.core.errors import Invalid

_PAGE = 30
STATUSES = {
    "pending": "waiting",
    "approved": "approved",
    "refused": "refused",
    "expired": "expired",
    "withdrawn": "withdrawn",
    "all": "all",
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
        title="Approvals",
        about=("action",),
        values={
            "rows": [ApprovalRow.of(one, names, visit.identity) for one in found[:_PAGE]],
            "status": status,
            "choices": [(name, words, visit.address(status=name)) for name, words in STATUSES.items()],
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
    return Page(template="approval.html", title=f"Approve {approval.action}", values={"row": row}, about=("action",))


async def _approve(visit: Visit, session: AsyncSession) -> Done:
    plan_hash = visit.text("plan_hash", limit=64)
    if len(plan_hash) != 64:
        raise Invalid.field("plan_hash", "is no hash of a plan", "load the page again")
    await visit.services.action_service.approve(
        session,
        approval_id=visit.id("approval_id", "approval"),
        plan_hash=plan_hash,
        by=visit.identity,
        reason=visit.reason or None,
    )
    return Done(to=_back(visit), words="Approved: it goes ahead")


async def _refuse(visit: Visit, session: AsyncSession) -> Done:
    await visit.services.action_service.refuse(
        session, approval_id=visit.id("approval_id", "approval"), by=visit.identity, reason=visit.reason or None
    )
    return Done(to=_back(visit), words="Refused: it will not be done")


def _back(visit: Visit) -> str:
    """The page that the decision was made on: of those that have such a form, and so never another site's."""
    given = visit.form.get("back", "")
    if given == "/" or (given.startswith(("/incidents/", "/approvals")) and "//" not in given and "\\" not in given):
        return given
    return "/approvals"


ROUTES: tuple[Route, ...] = (
    shows("/approvals", inbox, "approvals.read"),
    shows("/approvals/{approval_id}", one, "approvals.read"),
    does("/approvals/{approval_id}/approve", _approve, "approvals.decide"),
    does("/approvals/{approval_id}/refuse", _refuse, "approvals.decide"),
)
