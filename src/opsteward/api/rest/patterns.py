"""`GET /api/v1/patterns`: groups of events that recur, what they hang together with, and what to do about them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from opsteward.accounts.types import Identity
from opsteward.api.deps import TenantSession, needs
from opsteward.api.routes import Routes
from opsteward.events.patterns.service import find_patterns
from opsteward.events.patterns.types import PatternReport

router = Routes(prefix="/api/v1", tags=["events"])


@router.get("/patterns")
async def list_patterns(
    session: TenantSession,
    identity: Annotated[Identity, needs("incidents.read")],
    days: Annotated[float, Query(ge=0.01, le=90, description="so many last days")] = 7.0,
    search: Annotated[
        str | None, Query(max_length=200, description="a part of the title, the error type or the source")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=300)] = 50,
) -> PatternReport:
    """Those with the most incidents first. The newest 200,000 events of the span are looked at: `since` says from when
    on. What chance explains is not told as a coincidence."""
    return await find_patterns(session, days=days, search=search, limit=limit)
