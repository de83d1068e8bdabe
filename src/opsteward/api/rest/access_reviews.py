"""`/api/v1/access-reviews`: campaigns over who has what."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field

from opsteward.accounts.types import Identity
from opsteward.api.deps import TenantSession, needs
from opsteward.api.rest.schemas.base import Input, Instant, NoBody, Page, page_of
from opsteward.api.routes import Routes
from opsteward.core.errors import Invalid
from opsteward.directory.reviews import (
    decisions as review_decisions,
)
from opsteward.directory.reviews import (
    queries as review_queries,
)
from opsteward.directory.reviews import (
    service as review_service,
)
from opsteward.directory.types import ReviewInfo, ReviewItemInfo

router = Routes(prefix="/api/v1/access-reviews", tags=["access reviews"])


class ReviewIn(Input):
    """A campaign over what active users have: all of them, or those of a role or department."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    role: Annotated[str | None, Field(min_length=1, max_length=100)] = None
    department: Annotated[str | None, Field(min_length=1, max_length=200)] = None
    due_at: Instant | None = None


class DecisionIn(Input):
    item_id: UUID
    decision: Literal["keep", "revoke"]
    reason: Annotated[str, Field(max_length=2000)] = ""
    instead_of: Annotated[
        Literal["keep", "revoke"] | None, Field(description="the decision that this one changes; null: there is none")
    ] = None


class DecisionsIn(Input):
    """What is to be kept or revoked, all or none; a decision that stands is changed by `instead_of`."""

    decisions: Annotated[list[DecisionIn], Field(min_length=1, max_length=review_decisions.MAX_DECISIONS)]


@router.post("", status_code=201)
async def start_review(
    body: ReviewIn, session: TenantSession, identity: Annotated[Identity, needs("access_reviews.write")]
) -> ReviewInfo:
    """Begin a campaign: it lists what everybody has now."""
    return await review_service.start(session, actor=identity.actor, **body.model_dump())


@router.get("")
async def list_reviews(
    session: TenantSession,
    identity: Annotated[Identity, needs("access_reviews.read")],
    before: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page[ReviewInfo]:
    """Newest first."""
    return page_of(await review_service.reviews(session, before=before, limit=limit), limit=limit)


@router.get("/{review_id}")
async def get_review(
    review_id: UUID, session: TenantSession, identity: Annotated[Identity, needs("access_reviews.read")]
) -> ReviewInfo:
    """One campaign with its counts."""
    return await review_service.get_review(session, review_id=review_id)


@router.get("/{review_id}/items")
async def list_review_items(
    review_id: UUID,
    session: TenantSession,
    identity: Annotated[Identity, needs("access_reviews.read")],
    search: Annotated[str | None, Query(max_length=200)] = None,
    kind: review_queries.Kind | None = None,
    name: Annotated[str | None, Query(max_length=255)] = None,
    decision: review_queries.Standing | None = None,
    undecided: bool = False,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Page[ReviewItemInfo]:
    """Who has what. `search`: a part of a username, an address or a full name; `name`: of a permission or a system;
    `decision`: what is `open`, or decided so (`undecided=true` is `open` too)."""
    if undecided and decision not in (None, "open"):
        raise Invalid.field("decision", "is of what is decided, while `undecided` is set", "leave one of them out")
    wanted = review_queries.Wanted(search=search, kind=kind, name=name, decision="open" if undecided else decision)
    found = await review_queries.items(session, review_id=review_id, wanted=wanted, after=after, limit=limit)
    return page_of(found, limit=limit)


@router.post("/{review_id}/decisions")
async def decide_review_items(
    review_id: UUID,
    body: DecisionsIn,
    session: TenantSession,
    identity: Annotated[Identity, needs("enrollments.decide")],
) -> ReviewInfo:
    """Keep or revoke; what is revoked is taken at once, from this user alone, and given back when it is kept after all
    (`instead_of`)."""
    decisions = [review_decisions.Decision(**one.model_dump()) for one in body.decisions]
    return await review_decisions.decide(session, review_id=review_id, decisions=decisions, actor=identity.actor)


@router.post("/{review_id}/close")
async def close_review(
    review_id: UUID,
    session: TenantSession,
    identity: Annotated[Identity, needs("access_reviews.write")],
    body: NoBody = None,
) -> ReviewInfo:
    """End it; what is undecided is kept, and says so."""
    return await review_service.close(session, review_id=review_id, actor=identity.actor)
