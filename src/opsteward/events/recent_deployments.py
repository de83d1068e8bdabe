"""Events that tell of a deployment or a change of configuration, as sources send them: what may have begun it all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.events.models import Event

_LOOKED_AT = 2_000  # newest events, whatever they tell
_WORDS = r"(deploy(ed|ment|ments|ing|s)?|roll(ed|ing)? ?(out|back)|released?|upgraded?|config(uration)? changed)"
_TELLS_OF_ONE = rf"\m{_WORDS}\M"
_FOUND = re.compile(rf"\b{_WORDS}\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What was told, by which source, and when it happened."""

    at: datetime
    source: str
    message: str


def tells_of_one(error_type: str | None, message: str) -> bool:
    """Whether an event that says so does."""
    return _FOUND.search(message[:500]) is not None or _FOUND.search(error_type or "") is not None


async def deployments_between(
    session: AsyncSession, since: datetime, until: datetime, *, limit: int = 10
) -> Sequence[Deployment]:
    """The newest first, of the newest events of that time."""
    newest = (
        sa.select(Event.occurred_at, Event.source, Event.message, Event.error_type)
        .where(Event.tenant_id == tenant_of(session), Event.received_at >= since, Event.received_at <= until)
        .order_by(Event.received_at.desc())
        .limit(_LOOKED_AT)
        .subquery()
    )
    told = sa.func.left(newest.c.message, 500).op("~*")(_TELLS_OF_ONE)
    named = sa.func.coalesce(newest.c.error_type, "").op("~*")(_TELLS_OF_ONE)
    rows = await session.execute(
        sa.select(newest.c.occurred_at, newest.c.source, newest.c.message)
        .where(told | named)
        .order_by(newest.c.occurred_at.desc())
        .limit(limit)
    )
    return [Deployment(at=at, source=source, message=message[:300]) for at, source, message in rows]
