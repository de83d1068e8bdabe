"""Approvals for who has to decide: list and find them, each with its card, and decide on many at once.

Asking for one and deciding on one is the `service`'s; how it goes on afterwards the `executor`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.account_creators import Ancestry, ancestry_of
from opsteward.accounts.actors import Actors, actors_of
from opsteward.accounts.four_eyes import SecondPerson
from opsteward.accounts.types import Identity
from opsteward.actions import queries
from opsteward.actions.approval_cards import card_of, in_full
from opsteward.actions.approval_types import (
    SEARCHED_LIMIT,
    ApprovalCounts,
    ApprovalFilter,
    ApprovalInFull,
    DecidedOne,
    DecidedSet,
    IncidentLookup,
    IncidentRef,
    Outcome,
    SystemRef,
    ToDecide,
)
from opsteward.actions.models import ActionRun, Approval
from opsteward.actions.runs_in_full import decision_of
from opsteward.actions.service import ActionService
from opsteward.actions.types import RunStatus
from opsteward.actions.views import view_of_approval
from opsteward.contracts.registry import Registry
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Denied, NotFound
from opsteward.core.references import called
from opsteward.systems.service import Inventory

Verdict = Literal["approve", "refuse"]
_JOINED = (ActionRun.id == Approval.action_run_id) & (ActionRun.tenant_id == Approval.tenant_id)


class Approvals:
    """One per process."""

    def __init__(
        self,
        action_service: ActionService,
        registry: Registry,
        inventory: Inventory,
        incidents: IncidentLookup,
        second_person: SecondPerson,
    ) -> None:
        self._action_service = action_service
        self._registry = registry
        self._inventory = inventory
        self._incidents = incidents
        self._second_person = second_person

    async def page(
        self,
        session: AsyncSession,
        *,
        wanted: ApprovalFilter,
        by: Identity | None = None,
        newest_first: bool = False,
        after: UUID | None = None,
        limit: int = 100,
    ) -> list[ApprovalInFull]:
        """In the order of their requests; `after` is the last id of the page before. Of those that wait each says
        whether who asks (`by`) is of the requester's making."""
        place = sa.tuple_(Approval.requested_at, Approval.id)
        query = sa.select(Approval, ActionRun).join(ActionRun, _JOINED).where(*await self._conditions(session, wanted))
        if after is not None:
            edge = sa.select(Approval.requested_at, Approval.id).where(
                Approval.tenant_id == tenant_of(session), Approval.id == after
            )
            query = query.where(place < edge.scalar_subquery() if newest_first else place > edge.scalar_subquery())
        columns = (Approval.requested_at, Approval.id)
        query = query.order_by(*(column.desc() if newest_first else column for column in columns)).limit(limit)
        rows = [(approval, run) for approval, run in (await session.execute(query)).all()]
        return await self._in_full(session, rows, by)

    async def get(self, session: AsyncSession, *, approval_id: UUID, by: Identity | None = None) -> ApprovalInFull:
        """Raises NotFound."""
        found = await self.page(session, wanted=ApprovalFilter(ref=str(approval_id)), by=by, limit=1)
        if not found:
            raise NotFound("no approval of this id")
        return found[0]

    async def counts(self, session: AsyncSession) -> ApprovalCounts:
        """How many wait and were decided, for a badge."""
        own = Approval.tenant_id == tenant_of(session)
        rows = await session.execute(
            sa.select(Approval.status, sa.func.count().label("number")).where(own).group_by(Approval.status)
        )
        by_status = {row.status: int(row.number) for row in rows}
        waiting = await session.execute(
            sa.select(ActionRun.action, sa.func.count())
            .join(Approval, _JOINED)
            .where(own, Approval.status == "pending")
            .group_by(ActionRun.action)
        )
        by_risk: dict[str, int] = {}
        for action, number in waiting:
            risk = self._risk_of(action)
            by_risk[risk] = by_risk.get(risk, 0) + number
        return ApprovalCounts(by_status=by_status, pending=by_status.get("pending", 0), pending_by_risk=by_risk)

    async def decide(
        self,
        session: AsyncSession,
        *,
        verdict: Verdict,
        items: Sequence[ToDecide],
        by: Identity,
        reason: str | None = None,
    ) -> DecidedSet:
        """Say yes or no to each of these plans, in one transaction. What can't be decided is told and holds up no
        other; a failure of the database undoes the whole set."""
        rows = await self._locked(session, [item.id for item in items])
        ancestry = await ancestry_of(session, by) if verdict == "approve" else None
        taken: list[tuple[Approval, ActionRun]] = []
        done = [self._judge(verdict, item, rows.get(item.id), by, ancestry, taken) for item in items]
        word = "approved" if verdict == "approve" else "refused"
        await self._action_service.decide(session, taken, word, by=by, reason=reason)
        return DecidedSet(verdict=verdict, decided=len(taken), not_decided=len(done) - len(taken), items=done)

    def _judge(
        self,
        verdict: Verdict,
        item: ToDecide,
        row: tuple[Approval, ActionRun] | None,
        by: Identity,
        ancestry: Ancestry | None,
        taken: list[tuple[Approval, ActionRun]],
    ) -> DecidedOne:
        """The answer for one of a set; those that can be decided are added to `taken`."""
        outcome, detail = _obstacle(item, row)
        if row is None or outcome is not None:
            return DecidedOne(id=item.id, outcome=outcome or Outcome.NOT_FOUND, detail=detail, what=_what(row))
        try:
            if ancestry is not None:
                self._action_service.check_approver(*row, by, ancestry)
        except Denied as error:
            detail = f"{error.detail}: {error.remedy}" if error.remedy else error.detail
            return DecidedOne(id=item.id, outcome=Outcome.DENIED, detail=detail, what=_what(row))
        taken.append(row)
        outcome = Outcome.APPROVED if verdict == "approve" else Outcome.REFUSED
        return DecidedOne(id=item.id, outcome=outcome, detail=None, what=_what(row))

    async def _locked(self, session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, tuple[Approval, ActionRun]]:
        """All rows at once, runs before approvals and each in one order: two sets at a time wait, and don't cross."""
        tenant_id = tenant_of(session)
        run_ids = sa.select(Approval.action_run_id).where(Approval.tenant_id == tenant_id, Approval.id.in_(ids))
        runs = await session.scalars(
            sa.select(ActionRun)
            .where(ActionRun.tenant_id == tenant_id, ActionRun.id.in_(run_ids))
            .order_by(ActionRun.id)
            .with_for_update()
        )
        by_id = {run.id: run for run in runs}
        approvals = await session.scalars(
            sa.select(Approval)
            .where(Approval.tenant_id == tenant_id, Approval.id.in_(ids))
            .order_by(Approval.id)
            .with_for_update()
        )
        return {one.id: (one, by_id[one.action_run_id]) for one in approvals}

    async def _conditions(self, session: AsyncSession, wanted: ApprovalFilter) -> list[sa.ColumnElement[bool]]:
        found: list[sa.ColumnElement[bool]] = [Approval.tenant_id == tenant_of(session)]
        if wanted.statuses:
            found.append(Approval.status.in_(wanted.statuses))
        if wanted.action is not None:
            found.append(ActionRun.action.in_(self._actions(wanted.action)))
        if wanted.risk is not None:
            found.append(ActionRun.action.in_([a for a in self._registry.actions if self._risk_of(a) == wanted.risk]))
        for column, value in ((ActionRun.system_id, wanted.system_id), (ActionRun.incident_id, wanted.incident_id)):
            if value is not None:
                found.append(column == value)
        if wanted.requesters is not None:
            found.append(Approval.requested_by.in_(wanted.requesters))
        if wanted.since is not None:
            found.append(Approval.requested_at >= wanted.since)
        if wanted.until is not None:
            found.append(Approval.requested_at < wanted.until)
        if wanted.ref is not None:
            found.append(Approval.id.in_(await called(session, Approval, wanted.ref)))
        if wanted.search:
            found += await self._searched(session, wanted)
        return found

    def _actions(self, called_so: str) -> list[str]:
        return [called_so, *(a for a in self._registry.actions if a.startswith(f"{called_so}."))]

    async def _searched(self, session: AsyncSession, wanted: ApprovalFilter) -> list[sa.ColumnElement[bool]]:
        """Every word must be somewhere: in the action, its plan's summary, its reason, or the system's name."""
        newest = sa.select(Approval.id).where(Approval.tenant_id == tenant_of(session))
        if wanted.statuses:
            newest = newest.where(Approval.status.in_(wanted.statuses))
        newest = newest.order_by(Approval.requested_at.desc()).limit(SEARCHED_LIMIT)
        conditions: list[sa.ColumnElement[bool]] = [Approval.id.in_(newest)]
        for word in (wanted.search or "").split():
            systems = await self._inventory.ids_called_like(session, text=word)
            conditions.append(
                sa.or_(
                    ActionRun.action.icontains(word, autoescape=True),
                    ActionRun.plan["summary"].astext.icontains(word, autoescape=True),
                    ActionRun.reason.icontains(word, autoescape=True),
                    ActionRun.system_id.in_(systems),
                )
            )
        return conditions

    async def _in_full(
        self, session: AsyncSession, rows: Sequence[tuple[Approval, ActionRun]], by: Identity | None
    ) -> list[ApprovalInFull]:
        references = [one for a, _ in rows for one in (a.requested_by, a.decided_by)]
        actors = await actors_of(session, references, about=[run.id for _, run in rows])
        systems = await self._inventory.names_of(session, system_ids={r.system_id for _, r in rows if r.system_id})
        incidents = await self._incidents(session, {r.incident_id for _, r in rows if r.incident_id})
        foreseen: Callable[[Sequence[str]], dict[str, Any] | None] = _nothing_foreseen
        if by is not None and any(approval.status == "pending" for approval, _ in rows):
            foreseen = partial(self._second_person.foreseen, await ancestry_of(session, by))
        return [
            self._one_in_full(approval, run, actors, systems, incidents, foreseen(run.requesters))
            for approval, run in rows
        ]

    def _one_in_full(
        self,
        approval: Approval,
        run: ActionRun,
        actors: Actors,
        systems: dict[UUID, str],
        incidents: Mapping[UUID, IncidentRef],
        making: dict[str, Any] | None,
    ) -> ApprovalInFull:
        view = view_of_approval(approval, run, making)
        system = None
        if run.system_id is not None:
            system = SystemRef(id=run.system_id, name=systems.get(run.system_id, "a system that was removed"))
        incident = incidents.get(run.incident_id) if run.incident_id is not None else None
        offered = self._registry.actions.get(run.action)
        requester = actors.asking(approval.requested_by, run.id, run.created_at)
        card = card_of(view, run.standing_order, offered, system, incident, requester)
        decision = None if approval.status == "pending" else decision_of(approval, actors)
        return in_full(view, card=card, requester=requester, decision=decision)

    def _risk_of(self, action: str) -> str:
        offered = self._registry.actions.get(action)
        return offered.action.risk.value if offered is not None else "unknown"


def _nothing_foreseen(_: Sequence[str]) -> None:
    """Nobody asks, or nothing waits."""


def _what(row: tuple[Approval, ActionRun] | None) -> str | None:
    return str((row[1].plan or {}).get("summary") or row[1].action) if row is not None else None


def _obstacle(item: ToDecide, row: tuple[Approval, ActionRun] | None) -> tuple[Outcome | None, str | None]:
    """Why nothing can be decided on this one, or nothing."""
    if row is None:
        return Outcome.NOT_FOUND, "there is no approval of this id"
    approval, run = row
    if approval.status == "expired" or (approval.status == "pending" and approval.expires_at <= now()):
        return Outcome.EXPIRED, "its time is over: request the action again"
    if item.plan_hash != approval.plan_hash or item.plan_hash != queries.plan_hash(run):
        return Outcome.CHANGED, "its plan has changed since it was read: read it again, then decide"
    if approval.status != "pending" or run.status != RunStatus.AWAITING_APPROVAL:
        return Outcome.ALREADY_DECIDED, f"it is {approval.status} already"
    return None, None
