"""Recoveries: which objects of an incident are in trouble still, by the last that was told of each.

An object is one of those that share a fingerprint. What happened last counts, not what arrived last; of two events at
one instant it is the one that arrived later. A clock that runs ahead is believed up to the arrival only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.events.drafts import Draft, shortened
from opsteward.events.models import Event
from opsteward.events.timeline import Line

_NAMED_LIMIT = 20
_INSTANT = sa.func.least(Event.occurred_at, Event.received_at)


@dataclass(frozen=True)
class Left:
    """What is in trouble still: how many objects, and the first of them."""

    count: int
    first: list[str]


async def known_later(session: AsyncSession, drafts: Sequence[Draft]) -> dict[int, UUID | None]:
    """The drafts (by `id()`) whose recovery arrived before they did, each with the incident that this ended, if any."""
    if not drafts:
        return {}
    earliest = min(_instant(draft) for draft in drafts)
    rows = await session.execute(
        sa.select(Event.fingerprint, Event.object_key, Event.incident_id, _INSTANT.label("instant"))
        .ext(distinct_on(Event.fingerprint, Event.object_key))
        .where(
            Event.tenant_id == tenant_of(session),
            Event.resolved,
            Event.occurred_at > earliest,  # of what happens now nobody looks at the past
            Event.fingerprint == sa.any_(sa.literal(sorted({d.fingerprint for d in drafts}), ARRAY(sa.Text))),
        )
        .order_by(Event.fingerprint, Event.object_key, _INSTANT.desc(), Event.received_at.desc())
    )
    recovered = {(row.fingerprint, row.object_key): row for row in rows}
    late: dict[int, UUID | None] = {}
    for draft in drafts:
        row = recovered.get((draft.fingerprint, draft.row["object_key"]))
        if row is not None and _instant(draft) < row.instant:
            late[id(draft)] = row.incident_id
    return late


def _instant(draft: Draft) -> datetime:
    """As `_INSTANT`."""
    return min(draft.row["occurred_at"], draft.row["received_at"])


async def settle_objects(session: AsyncSession, drafts: Sequence[Draft]) -> None:
    """Before they are stored: a recovery that names no object, or one where the trouble named none, is of the only one.

    Of several it says nothing: guessing which one would end the wrong one.
    """
    recovered = [draft for draft in drafts if draft.event.resolved and draft.row["incident_id"]]
    if not recovered:
        return
    rows = await session.execute(
        sa.select(Event.incident_id, Event.fingerprint, Event.object_key)
        .distinct()
        .where(
            Event.tenant_id == tenant_of(session),
            Event.incident_id.in_({draft.row["incident_id"] for draft in recovered}),
            Event.fingerprint == sa.any_(sa.literal(sorted({d.fingerprint for d in recovered}), ARRAY(sa.Text))),
            sa.not_(Event.resolved),
        )
    )
    objects: dict[tuple[UUID | None, str], set[str]] = defaultdict(set)
    for incident_id, fingerprint, key in rows:
        objects[incident_id, fingerprint].add(key)
    for draft in drafts:
        if not draft.event.resolved:
            objects[draft.row["incident_id"], draft.fingerprint].add(draft.row["object_key"])
    for draft in recovered:
        told = draft.row["object_key"]
        known = objects[draft.row["incident_id"], draft.fingerprint]
        if len(known) == 1 and not (told and all(known)):
            draft.row["object_key"] = next(iter(known))


async def still_in_trouble(session: AsyncSession, incidents: Set[UUID], *, quiet: Set[str]) -> Mapping[UUID, Left]:
    """For each incident that has any, the objects whose last event is no recovery."""
    last = (
        sa.select(Event.incident_id, Event.object_key, Event.message, Event.resolved)
        .ext(distinct_on(Event.incident_id, Event.fingerprint, Event.object_key))
        .where(
            Event.tenant_id == tenant_of(session),
            Event.incident_id.in_(incidents),
            Event.resolved | Event.action.not_in(sorted(quiet)),
        )
        .order_by(Event.incident_id, Event.fingerprint, Event.object_key, _INSTANT.desc(), Event.received_at.desc())
        .subquery()
    )
    named = sa.func.coalesce(sa.func.nullif(last.c.object_key, ""), sa.func.left(last.c.message, 100))
    rows = await session.execute(
        sa.select(last.c.incident_id, sa.func.count(), sa.func.array_agg(named).label("names"))
        .where(sa.not_(last.c.resolved))
        .group_by(last.c.incident_id)
    )
    return {incident_id: Left(count, sorted(names)[:_NAMED_LIMIT]) for incident_id, count, names in rows}


def partly(incident_id: UUID, recovered: Sequence[Draft], left: Left) -> Line:
    """The line of a recovery that leaves others in trouble."""
    names = list(dict.fromkeys(draft.row["object_key"] or draft.title for draft in recovered))
    return Line(
        incident_id=incident_id,
        kind="recovered",
        title=shortened(f"Recovered: {', '.join(names[:3])}; in trouble still: {', '.join(left.first[:3])}"),
        detail={"recovered": names[:_NAMED_LIMIT], "in_trouble": left.first, "in_trouble_count": left.count},
    )
