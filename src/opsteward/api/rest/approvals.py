"""`/api/v1/approvals`: what waits for a second person, and the decision, on one or on many."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field

from opsteward.accounts.actors import references_called
from opsteward.accounts.types import Identity
from opsteward.actions.approval_types import (
    BULK_LIMIT,
    SEARCHED_LIMIT,
    ApprovalCounts,
    ApprovalFilter,
    ApprovalInFull,
    DecidedSet,
    ToDecide,
)
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input, Instant, Page, Ref, page_of
from opsteward.api.routes import Routes
from opsteward.core.errors import Invalid

router = Routes(prefix="/api/v1/approvals", tags=["actions"])

Status = Literal["pending", "approved", "refused", "expired", "withdrawn", "all"]
PlanHash = Annotated[str, Field(min_length=64, max_length=64, pattern="^[0-9a-f]{64}$")]
Reason = Annotated[str | None, Field(max_length=2000)]


class ApproveIn(Input):
    """`plan_hash` is that of the plan you have read: a plan that has changed meanwhile is not approved."""

    plan_hash: PlanHash
    reason: Reason = None


class RefuseIn(Input):
    """Why not; `plan_hash`, where given, refuses exactly the plan that you have read."""

    plan_hash: PlanHash | None = None
    reason: Reason = None


class DecideOneIn(Input):
    """One approval, and the hash of the plan that you have read."""

    id: UUID
    plan_hash: PlanHash


class DecideIn(Input):
    """A decision on several approvals, each named and bound to its own plan."""

    verdict: Literal["approve", "refuse"]
    items: Annotated[list[DecideOneIn], Field(min_length=1, max_length=BULK_LIMIT)]
    reason: Reason = None


@router.get("")
async def list_approvals(
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("approvals.read")],
    status: Annotated[list[Status] | None, Query(max_length=6, description="repeatable; pending if none")] = None,
    action: Annotated[
        str | None, Query(max_length=100, description="one, or the beginning of some: postgresql")
    ] = None,
    risk: Literal["low", "medium", "high"] | None = None,
    system_id: UUID | None = None,
    incident_id: UUID | None = None,
    requester: Annotated[
        str | None, Query(max_length=200, description="an operator or standing order, by name or id")
    ] = None,
    search: Annotated[
        str | None, Query(max_length=200, description="words in the action, its plan, its reason or its system")
    ] = None,
    since: Annotated[Instant | None, Query(description="requested then or later")] = None,
    until: Annotated[Instant | None, Query(description="requested before")] = None,
    ref: Ref = None,
    order: Literal["oldest", "newest"] = "oldest",
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Page[ApprovalInFull]:
    """By the time of their requests, each with its card and its plan; `after` takes the `next` of the page before."""
    statuses = [] if "all" in (status or []) else list(status or ["pending"])
    wanted = ApprovalFilter(
        statuses=statuses,
        action=action,
        risk=risk,
        system_id=system_id,
        incident_id=incident_id,
        requesters=None if requester is None else await references_called(session, requester),
        since=since,
        until=until,
        search=search,
        ref=ref,
    )
    found = await services.approvals.page(
        session, wanted=wanted, by=identity, newest_first=order == "newest", after=after, limit=limit
    )
    return page_of(found, limit=limit, searched=SEARCHED_LIMIT if search else None)


@router.get("/counts")
async def count_approvals(
    services: ServicesDep, session: TenantSession, identity: Annotated[Identity, needs("approvals.read")]
) -> ApprovalCounts:
    """How many there are of each status, and how many wait, by risk."""
    return await services.approvals.counts(session)


@router.post("/decide")
async def decide_approvals(
    body: DecideIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("approvals.decide")],
) -> DecidedSet:
    """Say yes or no to each of these plans, up to 100. Each has its own answer; what can't be decided holds up no
    other. Nothing is decided that is not named here with the hash of its plan."""
    ids = [item.id for item in body.items]
    for place, one in enumerate(ids):
        if one in ids[:place]:
            raise Invalid.field(f"items.{place}.id", "is there twice", "name each approval once")
    items = [ToDecide(id=item.id, plan_hash=item.plan_hash) for item in body.items]
    return await services.approvals.decide(session, verdict=body.verdict, items=items, by=identity, reason=body.reason)


@router.get("/{approval_id}")
async def get_approval(
    approval_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("approvals.read")],
) -> ApprovalInFull:
    """One approval with its card and its plan."""
    return await services.approvals.get(session, approval_id=approval_id, by=identity)


@router.post("/{approval_id}/approve")
async def approve(
    approval_id: UUID,
    body: ApproveIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("approvals.decide")],
) -> ApprovalInFull:
    """Say yes to exactly the plan with this hash. Who requested it can't."""
    await services.action_service.approve(
        session, approval_id=approval_id, plan_hash=body.plan_hash, by=identity, reason=body.reason
    )
    return await services.approvals.get(session, approval_id=approval_id)


@router.post("/{approval_id}/refuse")
async def refuse(
    approval_id: UUID,
    body: RefuseIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("approvals.decide")],
) -> ApprovalInFull:
    """Say no."""
    await services.action_service.refuse(
        session, approval_id=approval_id, plan_hash=body.plan_hash, by=identity, reason=body.reason
    )
    return await services.approvals.get(session, approval_id=approval_id)
