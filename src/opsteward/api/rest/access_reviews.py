"""`/api/v1/access-reviews`: campaigns over who has what."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field

from opsteward.api.deps import RoomsDep, needs
from opsteward.api.rest.shapes import Input, Instant, NoBody, Page, page_of
from opsteward.api.routes import Routes
from opsteward.identity.service import reviews
from opsteward.identity.types import Identity

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


class DecisionsIn(Input):
    """What is to be kept or revoked, all or none."""

    decisions: Annotated[list[DecisionIn], Field(min_length=1, max_length=reviews.MOST_DECISIONS)]


@router.post("", status_code=201)
async def start_review(
    body: ReviewIn, rooms: RoomsDep, identity: Annotated[Identity, needs("access_reviews.write")]
) -> dict[str, Any]:
    """Begin a campaign: it lists what everybody has now."""
    async with rooms.db.unit_of_work(identity.tenant_id) as session:
        return asdict(await reviews.start(session, actor=identity.actor, **body.model_dump()))


@router.get("")
async def list_reviews(
    rooms: RoomsDep,
    identity: Annotated[Identity, needs("access_reviews.read")],
    before: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Page:
    """Newest first."""
    async with rooms.db.unit_of_work(identity.tenant_id) as session:
        return page_of(await reviews.reviews(session, before=before, limit=limit), limit=limit)


@router.get("/{review_id}")
async def get_review(
    review_id: UUID, rooms: RoomsDep, identity: Annotated[Identity, needs("access_reviews.read")]
) -> dict[str, Any]:
    """One campaign with its counts."""
    async with rooms.db.unit_of_work(identity.tenant_id) as session:
        return asdict(await reviews.get_review(session, review_id=review_id))


@router.get("/{review_id}/items")
async def list_review_items(
    review_id: UUID,
    rooms: RoomsDep,
    identity: Annotated[Identity, needs("access_reviews.read")],
    undecided: bool = False,
    after: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Page:
    """Who has what; `undecided=true`: only what is still to be decided."""
    async with rooms.db.unit_of_work(identity.tenant_id) as session:
        found = await reviews.items(session, review_id=review_id, undecided=undecided, after=after, limit=limit)
    return page_of(found, limit=limit)


@router.post("/{review_id}/decisions")
async def decide_review_items(
    review_id: UUID,
    body: DecisionsIn,
    rooms: RoomsDep,
    identity: Annotated[Identity, needs("enrollments.decide")],
) -> dict[str, Any]:
    """Keep or revoke; what is revoked is taken at once, from this user alone."""
    decisions = [reviews.Decision(**one.model_dump()) for one in body.decisions]
    async with rooms.db.unit_of_work(identity.tenant_id) as session:
        return asdict(await reviews.decide(session, review_id=review_id, decisions=decisions, actor=identity.actor))


@router.post("/{review_id}/close")
async def close_review(
    review_id: UUID,
    rooms: RoomsDep,
    identity: Annotated[Identity, needs("access_reviews.write")],
    body: NoBody = None,
) -> dict[str, Any]:
    """End it; what is undecided is kept, and says so."""
    async with rooms.db.unit_of_work(identity.tenant_id) as session:
        return asdict(await reviews.close(session, review_id=review_id, actor=identity.actor))
