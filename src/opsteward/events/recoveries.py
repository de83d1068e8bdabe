"""Recoveries: which objects of an incident are in trouble still, by the last event of each.

An object is one of those that share a fingerprint. What happened last counts, not what arrived last; of two events at
one instant it is the one that arrived later. A clock that runs ahead is believed up to the arrival only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by, distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.db import tenant_of
from opsteward.events.event_drafts import Draft, shortened
from opsteward.events.models import Event, IncidentObject
from opsteward.events.timeline import Line

_NAMED_LIMIT = 20
_NOTHING_KNOWN: dict[str, object] = {
    "was_in_trouble": False,
    "in_trouble": False,
    "happened_at": datetime.min.replace(tzinfo=UTC),
    "received_at": datetime.min.replace(tzinfo=UTC),
}
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
        sa.select(IncidentObject.incident_id, IncidentObject.fingerprint, IncidentObject.object_key).where(
            IncidentObject.tenant_id == tenant_of(session),
            IncidentObject.incident_id.in_({draft.row["incident_id"] for draft in recovered}),
            IncidentObject.fingerprint
            == sa.any_(sa.literal(sorted({d.fingerprint for d in recovered}), ARRAY(sa.Text))),
            IncidentObject.was_in_trouble,
        )
    )
    objects: dict[tuple[UUID | None, str], set[str]] = defaultdict(set)
    for incident_id, fingerprint, key in rows:
        objects[incident_id, fingerprint].add(key)
    for draft in drafts:
        if not draft.event.resolved:
            objects[draft.row["incident_id"], draft.fingerprint].add(draft.row["object_key"])
    for draft in recovered:
        named = draft.row["object_key"]
        known = objects[draft.row["incident_id"], draft.fingerprint]
        if len(known) == 1 and not (named and all(known)):
            draft.row["object_key"] = next(iter(known))


def said_of_objects(drafts: Sequence[Draft], *, quiet: Set[str]) -> list[dict[str, object]]:
    """What these events say of the objects of their incidents, for `intake_statements.store`."""
    latest: dict[tuple[UUID | None, str, str], dict[str, object]] = {}
    for draft in sorted(drafts, key=lambda draft: (_instant(draft), draft.row["received_at"])):
        row = draft.row
        key = (row["incident_id"], row["fingerprint"], row["object_key"])
        name = row["object_key"] or row["message"][:100]
        known = latest.get(key)
        if known is None:
            known = latest[key] = {
                "incident_id": row["incident_id"],
                "fingerprint": row["fingerprint"],
                "object_key": row["object_key"],
                "name": name,
                **_NOTHING_KNOWN,
            }
        if not row["resolved"]:
            known["was_in_trouble"] = True
        if row["resolved"] or row["action"] not in quiet:
            known["in_trouble"], known["name"] = not row["resolved"], name
            known["happened_at"], known["received_at"] = _instant(draft), row["received_at"]
    return list(latest.values())


async def forget_objects(session: AsyncSession, incident_id: UUID) -> None:
    """The incident is over."""
    await session.execute(
        sa.delete(IncidentObject).where(
            IncidentObject.tenant_id == tenant_of(session), IncidentObject.incident_id == incident_id
        )
    )


async def still_in_trouble(session: AsyncSession, incidents: Set[UUID]) -> Mapping[UUID, Left]:
    """For each incident that has any, the objects whose last event is no recovery."""
    names = sa.func.array_agg(aggregate_order_by(IncidentObject.name, IncidentObject.name))
    rows = await session.execute(
        sa.select(IncidentObject.incident_id, sa.func.count(), names[1:_NAMED_LIMIT])
        .where(
            IncidentObject.tenant_id == tenant_of(session),
            IncidentObject.incident_id.in_(incidents),
            IncidentObject.in_trouble,
        )
        .group_by(IncidentObject.incident_id)
    )
    return {incident_id: Left(count, first) for incident_id, count, first in rows}


def partly(incident_id: UUID, recovered: Sequence[Draft], left: Left) -> Line:
    """The line of a recovery that leaves others in trouble."""
    names = list(dict.fromkeys(draft.row["object_key"] or draft.title for draft in recovered))
    return Line(
        incident_id=incident_id,
        kind="recovered",
        title=shortened(f"Recovered: {', '.join(names[:3])}; in trouble still: {', '.join(left.first[:3])}"),
        detail={"recovered": names[:_NAMED_LIMIT], "in_trouble": left.first, "in_trouble_count": left.count},
    )
