"""`GET /api/v1/events`: the events as they came in."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query

from opsteward.accounts.types import Identity
from opsteward.api.deps import TenantSession, needs
from opsteward.api.rest.schemas.base import Page, page_of
from opsteward.api.routes import Routes
from opsteward.events import event_list
from opsteward.events.classification import Category
from opsteward.events.event_list import SEARCHED_LIMIT, EventInList

router = Routes(prefix="/api/v1", tags=["events"])


@router.get("/events")
async def list_events(
    session: TenantSession,
    identity: Annotated[Identity, needs("events.read")],
    source: Annotated[str | None, Query(max_length=200)] = None,
    category: Category | None = None,
    severity: Literal["low", "medium", "high"] | None = None,
    search: Annotated[str | None, Query(max_length=200, description="a part of its message")] = None,
    before: UUID | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Page[EventInList]:
    """The newest first; `before` takes the `next` of the previous page. A filter looks at the newest 20,000 events
    from there on."""
    identity.require("incidents.read")
    found = await event_list.list_events(
        session,
        source=source,
        category=category,
        severity=severity,
        search=search,
        before=before,
        limit=limit,
    )
    return page_of(found, limit=limit, searched=SEARCHED_LIMIT if source or category or severity or search else None)
