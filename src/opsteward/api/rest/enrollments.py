"""`/api/v1/enrollments`: who is let in, by whom, and under which rules."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.api.deps import ServicesDep, TenantSession, needs
from opsteward.api.rest.schemas.base import Input, Instant, Page, Ref, page_of
from opsteward.api.rest.schemas.enrollments import DutyPairs
from opsteward.api.routes import Routes
from opsteward.core.errors import Invalid
from opsteward.directory.enrollment import service as enrollment_service
from opsteward.directory.enrollment.decision_types import BULK_LIMIT, DecidedEnrollments, ToDecide
from opsteward.directory.enrollment.grants import EnrollmentInFull, in_full
from opsteward.directory.enrollment_rules import service as enrollment_rules
from opsteward.directory.enrollment_rules.rules import Rule
from opsteward.directory.types import EnrollmentInfo, EnrollmentStatus

router = Routes(prefix="/api/v1", tags=["enrollments"])

Reason = Annotated[str, Field(max_length=2000)]
GrantsDigest = Annotated[str, Field(min_length=64, max_length=64, pattern="^[0-9a-f]{64}$")]
Permission = Annotated[str, Field(max_length=200)]


class DecisionIn(Input):
    """Why. `approver` is the bearer of the token, by name or id; anybody else is refused. `grants_digest` is that of
    the enrolment you have read: once it would grant something else it is not decided."""

    approver: Annotated[str | None, Field(max_length=200)] = None
    reason: Reason = ""
    grants_digest: GrantsDigest | None = None


class DecideEnrollmentIn(Input):
    """One enrolment, and the digest of what it would grant as you have read it."""

    id: UUID
    grants_digest: GrantsDigest


class DecideEnrollmentsIn(Input):
    """A decision on several enrolments, each named and bound to what it would grant."""

    verdict: Literal["approve", "reject"]
    items: Annotated[list[DecideEnrollmentIn], Field(min_length=1, max_length=BULK_LIMIT)]
    reason: Reason = ""


class RulesIn(Input):
    """Rules by name; null for one that is to go."""

    rules: Annotated[dict[str, Rule | None], Field(min_length=1, max_length=200)]


class DutiesIn(Input):
    """Pairs of permissions that nobody may have together; they take the place of those there were."""

    pairs: Annotated[list[Annotated[list[Permission], Field(min_length=2, max_length=2)]], Field(max_length=1000)]


@router.get("/enrollments")
async def list_enrollments(
    session: TenantSession,
    identity: Annotated[Identity, needs("enrollments.read")],
    status: EnrollmentStatus | None = None,
    enrollment_type: Annotated[str | None, Query(max_length=100)] = None,
    user_id: UUID | None = None,
    since: Annotated[Instant | None, Query(description="requested then or later")] = None,
    until: Annotated[Instant | None, Query(description="requested before")] = None,
    search: Annotated[str | None, Query(max_length=200, description="words in the user's names and address")] = None,
    before: UUID | None = None,
    ref: Ref = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[EnrollmentInFull]:
    """Newest first; those that wait say what they would grant."""
    found = await enrollment_service.page(
        session,
        status=status,
        enrollment_type=enrollment_type,
        user_id=user_id,
        since=since,
        until=until,
        search=search,
        before=before,
        ref=ref,
        limit=limit,
    )
    shown = await in_full(session, found)
    searched = enrollment_service.SEARCHED_LIMIT if search else None
    return page_of(shown, limit=limit, searched=searched)


@router.post("/enrollments/decide")
async def decide_enrollments(
    body: DecideEnrollmentsIn,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("enrollments.decide")],
) -> DecidedEnrollments:
    """Approve the stage that each waits at, or reject each, up to 200. Each has its own answer; what can't be decided
    holds up no other. One that would by now grant something else than you have read is not decided."""
    ids = [item.id for item in body.items]
    if len(set(ids)) < len(ids):
        place = next(place for place, one in enumerate(ids) if one in ids[:place])
        raise Invalid.field(f"items.{place}.id", "is there twice", "name each enrolment once")
    items = [ToDecide(id=item.id, grants_digest=item.grants_digest) for item in body.items]
    return await services.enrollments.decide(
        session, verdict=body.verdict, items=items, by=identity, reason=body.reason
    )


@router.get("/enrollments/{enrollment_id}")
async def get_enrollment(
    enrollment_id: UUID, session: TenantSession, identity: Annotated[Identity, needs("enrollments.read")]
) -> EnrollmentInFull:
    """One enrolment with its stages, and what it would grant."""
    found = await enrollment_service.get_enrollment(session, enrollment_id=enrollment_id)
    return (await in_full(session, [found]))[0]


@router.post("/enrollments/{enrollment_id}/approve")
async def approve_enrollment(
    enrollment_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("enrollments.decide")],
    body: DecisionIn | None = None,
) -> EnrollmentInfo:
    """Approve the stage that it waits at; after the last one the user has its access."""
    told = body or DecisionIn()
    return await services.enrollments.approve(
        session,
        enrollment_id=enrollment_id,
        by=identity,
        approver=told.approver,
        reason=told.reason,
        grants_digest=told.grants_digest,
    )


@router.post("/enrollments/{enrollment_id}/reject")
async def reject_enrollment(
    enrollment_id: UUID,
    services: ServicesDep,
    session: TenantSession,
    identity: Annotated[Identity, needs("enrollments.decide")],
    body: DecisionIn | None = None,
) -> EnrollmentInfo:
    """End it without access."""
    told = body or DecisionIn()
    return await services.enrollments.reject(
        session,
        enrollment_id=enrollment_id,
        by=identity,
        approver=told.approver,
        reason=told.reason,
        grants_digest=told.grants_digest,
    )


@router.get("/enrollment-rules")
async def list_enrollment_rules(
    session: TenantSession, identity: Annotated[Identity, needs("enrollments.read")]
) -> dict[str, Rule]:
    """The rules that hold, by name: the tenant's own, and those that ship."""
    rules = await enrollment_rules.rules_of(session)
    return dict(sorted(rules.by_name.items()))


@router.put("/enrollment-rules")
async def update_enrollment_rules(
    body: RulesIn, session: TenantSession, identity: Annotated[Identity, needs("enrollment_rules.write")]
) -> dict[str, Rule]:
    """Set the rules that are named, all or none; null forgets the tenant's own, and one that ships holds again.

    Who is enrolled keeps what a rule gave until the next move.
    """
    await enrollment_rules.update_rules(session, rules=body.rules, actor=identity.actor)
    rules = await enrollment_rules.rules_of(session)
    return dict(sorted(rules.by_name.items()))


@router.get("/segregation-of-duties")
async def list_duty_conflicts(
    session: TenantSession, identity: Annotated[Identity, needs("enrollments.read")]
) -> DutyPairs:
    """The pairs of permissions that nobody may have together."""
    return DutyPairs(pairs=[list(pair) for pair in await enrollment_rules.duty_pairs(session)])


@router.put("/segregation-of-duties")
async def set_duty_conflicts(
    body: DutiesIn, session: TenantSession, identity: Annotated[Identity, needs("enrollment_rules.write")]
) -> DutyPairs:
    """Replace the pairs. Refused while a rule gives both of a pair."""
    pairs = [(one, other) for one, other in body.pairs]
    await enrollment_rules.set_duty_pairs(session, pairs=pairs, actor=identity.actor)
    return DutyPairs(pairs=[list(pair) for pair in await enrollment_rules.duty_pairs(session)])
