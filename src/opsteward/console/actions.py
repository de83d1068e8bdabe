"""How an action is shown: why it ran, its exact plan, its proof; and the decision about one that waits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.types import Identity
from opsteward.actions.types import ActionView, ApprovalView
from opsteward.console.elements import ago, at, button, chip, icon, lines, link, more, tag, text
from opsteward.console.live import LivePage
from opsteward.console.names import Names
from opsteward.console.sheet import Sheet, storable
from opsteward.console.wording import RUN, look_of

HASH_SHOWN = 12  # characters of a plan's hash


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """An action with the names that its drawing needs."""

    run: ActionView
    system: str
    requested_by: str

    @classmethod
    def of(cls, run: ActionView, names: Names) -> RunRow:
        """From a run, with the names of its system and of who asked for it."""
        return cls(run=run, system=names.system(run.system_id), requested_by=names.actor(run.requested_by))


@dataclass(frozen=True, kw_only=True)
class ApprovalRow:
    """An approval that waits, with what its drawing needs: names, and whether this operator may decide."""

    approval: ApprovalView
    system: str
    requested_by: str
    may_decide: bool
    is_own: bool

    @classmethod
    def of(cls, approval: ApprovalView, names: Names, me: Identity) -> ApprovalRow:
        """From an approval, with the names of its system and of who asked for it."""
        return cls(
            approval=approval,
            system=names.system(approval.system_id),
            requested_by=names.actor(approval.requested_by),
            may_decide=me.may("approvals.decide"),
            is_own=approval.requested_by == me.actor,
        )


def draw_run(row: RunRow, *, whole: bool) -> None:
    """An action; `whole` with plan, parameters and proof, else in short with a link to its incident."""
    run = row.run
    with tag("div", "row-head"):
        text(run.action, "title")
        chip(look_of(RUN, run.status))
    with tag("p", "why"):
        if row.system:
            text(f"on {row.system}")
        text(f"by {row.requested_by}")
        ago(run.created_at)
    text(run.reason, "quiet", name="p")
    _draw_proof(run)
    if run.error:
        text(run.error, "bad-words", name="p")
    if whole:
        _draw_plan(run.plan, run.params, run.plan_hash)
        more("Result", run.result)
        more("Evidence of the proof", (run.proof or {}).get("evidence"))
    elif run.incident_id is not None:
        link("See the incident", f"/incidents/{run.incident_id}")


def _draw_proof(run: ActionView) -> None:
    if not run.proof:
        return
    proven = bool(run.proof.get("ok"))
    with tag("p", f"proof tone-{'good' if proven else 'bad'}"):
        icon("verified" if proven else "heart_broken")
        text(("Proven: " if proven else "Not proven: ") + str(run.proof.get("summary", "")))


def _draw_plan(
    plan: dict[str, Any] | None, params: dict[str, Any], plan_hash: str | None, *, opened: bool = False
) -> None:
    """The plan as it was made, to the last object, and the hash that an approval is bound to."""
    if plan:
        text(str(plan.get("summary", "")), "plan", name="p")
        lines("Steps", plan.get("steps", ()), name="ol")
        lines("Touches", plan.get("objects", ()))
        text(f"Risk: {plan.get('risk', 'not known')}; {plan.get('undo', '')}", "quiet", name="p")
        more("Evidence of the plan", plan.get("evidence"))
    more("Parameters", params, opened=opened)
    if plan_hash:
        with tag("p", "quiet"):
            text("Plan ")
            text(plan_hash[:HASH_SHOWN], name="code")


def draw_approval(page: LivePage[Any], sheet: Sheet, row: ApprovalRow) -> None:
    """An action that waits, its whole plan, and the two buttons for who may press them."""
    approval = row.approval
    with tag("div", "row-head"):
        text(approval.action, "title")
        chip(RUN["awaiting_approval"])
    with tag("p", "why"):
        if row.system:
            text(f"on {row.system}")
        text(f"asked by {row.requested_by}")
        ago(approval.requested_at)
    text(approval.reason, "quiet", name="p")
    _draw_plan(approval.plan, approval.params, approval.plan_hash, opened=True)
    with tag("p", "quiet"):
        at(approval.expires_at, "Expires at")
    if not row.may_decide:
        text("You may look at this, not decide it: that needs the role approver, admin or owner.", "quiet", name="p")
        return
    with tag("div", "buttons"):
        button(
            "Approve",
            partial(_decide, page, sheet, approval, yes=True),
            picture="thumb_up",
            kind="good",
            why_not="You asked for this: another operator must approve it." if row.is_own else "",
        )
        button("Refuse", partial(_decide, page, sheet, approval, yes=False), picture="thumb_down", kind="bad")
    if row.is_own:
        text("You asked for this: another operator must approve it.", "quiet", name="p")


async def _decide(page: LivePage[Any], sheet: Sheet, approval: ApprovalView, *, yes: bool) -> None:
    """Ask once more, with the plan in view; then say yes to exactly the plan whose hash was shown."""

    def fill() -> None:
        _draw_plan(approval.plan, approval.params, approval.plan_hash, opened=True)

    words = "Approve" if yes else "Refuse"
    reason = await sheet.ask(
        f"{words}: {approval.action}",
        fill=fill,
        yes=words,
        picture="thumb_up" if yes else "thumb_down",
        kind="good" if yes else "bad",
    )
    if reason is None:
        return
    action_service = page.services.action_service

    async def work(session: AsyncSession, by: Identity) -> object:
        why = storable(reason) or None
        if yes:
            return await action_service.approve(
                session, approval_id=approval.id, plan_hash=approval.plan_hash, by=by, reason=why
            )
        return await action_service.refuse(session, approval_id=approval.id, by=by, reason=why)

    await page.act("approvals.decide", work, done="Approved: it goes ahead" if yes else "Refused: it will not be done")
