"""Silences and inhibitions: made, listed, ended, previewed; and the open incidents that they then keep quiet or give
back. What is given back is done and told as when it opened."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.actors import actors_of
from opsteward.accounts.types import Identity
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.errors import Conflict, Invalid, NotFound
from opsteward.core.ids import uuid7
from opsteward.core.json_types import JsonObject
from opsteward.core.keyset import in_order
from opsteward.core.timers import cancel_timer, set_timer
from opsteward.events.models import Incident
from opsteward.events.muting.judging import open_incidents, values_of
from opsteward.events.muting.matchers import all_hold, loaded, parse_matchers, stored
from opsteward.events.muting.models import Inhibition, Silence
from opsteward.events.muting.review import Review
from opsteward.events.muting.types import (
    InhibitionView,
    MatchedIncident,
    SilencePreview,
    SilenceStatus,
    SilenceView,
)
from opsteward.systems.service import Inventory
from opsteward.telemetry import audit

#: The kind of the timers of silences: at their beginning and their end.
SILENCE = "silence"
ACTIVE_LIMIT = 500
MAX_LENGTH = timedelta(days=366)
#: What silences can be ordered by.
SILENCE_ORDERS: dict[str, Any] = {
    "made": Silence.id,
    "until": sa.func.coalesce(Silence.ended_at, Silence.ends_at),
}
_SHOWN = 10
_EQUAL_LIMIT = 10


class Muting:
    """One per process."""

    def __init__(self, inventory: Inventory, review: Review) -> None:
        self._inventory = inventory
        self._review = review

    async def preview(self, session: AsyncSession, *, matchers: Sequence[str]) -> SilencePreview:
        """How many open incidents these would keep quiet now. Raises Invalid."""
        parsed = parse_matchers(matchers)
        examined = await open_incidents(session, self._inventory)
        found = [row for row, system in examined if all_hold(parsed, values_of(row, system))]
        shown = [
            MatchedIncident(id=r.id, number=r.number, title=r.title, severity=r.severity, source=r.source)
            for r in found[:_SHOWN]
        ]
        return SilencePreview(matching=len(found), examined=len(examined), incidents=shown)

    async def silence(
        self,
        session: AsyncSession,
        *,
        matchers: Sequence[str],
        starts_at: datetime | None,
        ends_at: datetime,
        reason: str,
        by: Identity,
    ) -> SilenceView:
        """Keep what matches quiet; open incidents too. Raises Invalid, Conflict when there are too many."""
        parsed = parse_matchers(matchers)
        starts_at = starts_at or now()
        if not reason.strip():
            raise Invalid.field("reason", "is empty", "say why, for those who will wonder")
        if ends_at <= max(starts_at, now()):
            raise Invalid.field("ends_at", "is not in the future, or not after the start", "give a later instant")
        if ends_at - starts_at > MAX_LENGTH:
            raise Invalid.field("ends_at", "is more than a year after the start", "silence it for a shorter time")
        in_force = sa.select(sa.func.count()).where(
            Silence.tenant_id == tenant_of(session), Silence.ends_at > now(), Silence.ended_at.is_(None)
        )
        if (await session.scalar(in_force) or 0) >= ACTIVE_LIMIT:
            raise Conflict(f"there are {ACTIVE_LIMIT} silences already", remedy="end those that are not needed")
        row = Silence(
            id=uuid7(),
            tenant_id=tenant_of(session),
            matchers=stored(parsed),
            reason=reason,
            starts_at=starts_at,
            ends_at=ends_at,
            created_by=by.actor,
        )
        session.add(row)
        await session.flush()
        await self._note(session, "silence.created", row, by, {"matchers": [str(m) for m in parsed], "reason": reason})
        due = starts_at if starts_at > now() else ends_at
        await set_timer(session, kind=SILENCE, key=str(row.id), at=due)
        if starts_at <= now():
            await self._review.again(session, actor=by.actor)
        return (await self._silence_views(session, [row]))[0]

    async def end_silence(self, session: AsyncSession, *, silence_id: UUID, by: Identity) -> SilenceView:
        """From now on it keeps nothing quiet. Raises NotFound, Conflict when it is over."""
        row = await session.scalar(
            sa.select(Silence)
            .where(Silence.tenant_id == tenant_of(session), Silence.id == silence_id)
            .with_for_update()
        )
        if row is None:
            raise NotFound("no silence of this id")
        if row.ended_at is not None or row.ends_at <= now():
            raise Conflict("this silence is over already")
        row.ended_at, row.ended_by = now(), by.actor
        await session.flush()
        await self._note(session, "silence.ended", row, by, {})
        await cancel_timer(session, kind=SILENCE, key=str(row.id))
        await self._review.again(session, actor=by.actor)
        return (await self._silence_views(session, [row]))[0]

    async def silence_is_due(self, session: AsyncSession, key: str) -> None:
        """A silence begins or has expired: see what it keeps quiet now."""
        row = await session.get(Silence, UUID(key))
        if row is not None and row.ended_at is None and row.ends_at > now():
            await set_timer(session, kind=SILENCE, key=key, at=row.ends_at)
        await self._review.again(session, actor="system:silences")

    async def incident_is_over(self, session: AsyncSession, *, incident_id: UUID) -> None:
        """What it inhibited is told from now on."""
        number = await session.scalar(sa.select(Incident.number).where(Incident.id == incident_id))
        inhibited = sa.select(Incident.id).where(
            Incident.tenant_id == tenant_of(session),
            Incident.muted.is_not(None),
            Incident.muted["incident"].astext == str(number),
        )
        if await session.scalar(inhibited.limit(1)) is not None:
            await self._review.again(session, actor="system:inhibitions")

    async def silences(
        self,
        session: AsyncSession,
        *,
        status: SilenceStatus | None = None,
        after: UUID | None = None,
        limit: int = 100,
        by: str = "made",
        descending: bool = True,
    ) -> list[SilenceView]:
        """By one of SILENCE_ORDERS, newest first, those that are over among them; `after`: behind this one."""
        query = sa.select(Silence).where(Silence.tenant_id == tenant_of(session))
        at = now()
        over = sa.or_(Silence.ended_at.is_not(None), Silence.ends_at <= at)
        if status == "expired":
            query = query.where(over)
        elif status is not None:
            begun = Silence.starts_at <= at if status == "active" else Silence.starts_at > at
            query = query.where(sa.not_(over), begun)
        query = in_order(query, by=SILENCE_ORDERS[by], row_id=Silence.id, descending=descending, after=after)
        rows = (await session.scalars(query.limit(limit))).all()
        return await self._silence_views(session, rows)

    async def inhibit(
        self,
        session: AsyncSession,
        *,
        name: str,
        source: Sequence[str],
        target: Sequence[str],
        equal: Sequence[str],
        dependents: bool,
        reason: str,
        by: Identity,
    ) -> InhibitionView:
        """Let open incidents that match `source` keep those that match `target` quiet. Raises Invalid, Conflict."""
        if not dependents and not equal:
            raise Invalid.field(
                "equal",
                "is empty, and dependents is not asked for: any source would keep every target quiet",
                "name labels that must be the same, as system or cluster, or set dependents",
            )
        if len(equal) > _EQUAL_LIMIT:
            raise Invalid.field("equal", f"has more than {_EQUAL_LIMIT} labels", "use fewer")
        living = await self.inhibitions(session)
        if any(rule.name == name for rule in living):
            raise Conflict(f"there is an inhibition {name[:80]!r} already", remedy="choose another name")
        if len(living) >= ACTIVE_LIMIT:
            raise Conflict(f"there are {ACTIVE_LIMIT} inhibitions already", remedy="remove those that are not needed")
        row = Inhibition(
            id=uuid7(),
            tenant_id=tenant_of(session),
            name=name,
            source=stored(parse_matchers(source, field="source")),
            target=stored(parse_matchers(target, field="target")),
            equal=list(equal),
            dependents=dependents,
            reason=reason or name,
            created_by=by.actor,
        )
        session.add(row)
        await session.flush()
        await self._note(session, "inhibition.created", row, by, {"name": name})
        await self._review.again(session, actor=by.actor)
        return (await self._inhibition_views(session, [row]))[0]

    async def remove_inhibition(self, session: AsyncSession, *, inhibition_id: UUID, by: Identity) -> InhibitionView:
        """It keeps nothing quiet any more; it stays in the history. Raises NotFound, Conflict."""
        row = await session.scalar(
            sa.select(Inhibition)
            .where(Inhibition.tenant_id == tenant_of(session), Inhibition.id == inhibition_id)
            .with_for_update()
        )
        if row is None:
            raise NotFound("no inhibition of this id")
        if row.removed_at is not None:
            raise Conflict("this inhibition was removed already")
        row.removed_at, row.removed_by = now(), by.actor
        await session.flush()
        await self._note(session, "inhibition.removed", row, by, {"name": row.name})
        await self._review.again(session, actor=by.actor)
        return (await self._inhibition_views(session, [row]))[0]

    async def inhibitions(self, session: AsyncSession, *, removed: bool = False) -> list[InhibitionView]:
        """Newest first; with `removed` those of the past, too."""
        query = sa.select(Inhibition).where(Inhibition.tenant_id == tenant_of(session))
        if not removed:
            query = query.where(Inhibition.removed_at.is_(None))
        rows = (await session.scalars(query.order_by(Inhibition.id.desc()).limit(2 * ACTIVE_LIMIT))).all()
        return await self._inhibition_views(session, rows)

    async def _silence_views(self, session: AsyncSession, rows: Sequence[Silence]) -> list[SilenceView]:
        actors = await actors_of(session, (one for row in rows for one in (row.created_by, row.ended_by)))
        silenced = await session.execute(
            sa.select(Incident.muted["id"].astext.label("silence"), sa.func.count())
            .where(Incident.tenant_id == tenant_of(session), Incident.muted.is_not(None))
            .where(Incident.status != "resolved")
            .group_by(sa.text("silence"))
        )
        counts = {row[0]: row[1] for row in silenced}
        return [
            SilenceView(
                id=row.id,
                matchers=[str(m) for m in loaded(row.matchers)],
                reason=row.reason,
                starts_at=row.starts_at,
                ends_at=row.ends_at,
                status=_status(row),
                created_by=actors(row.created_by),
                created_at=row.created_at,
                ended_at=row.ended_at,
                ended_by=actors.maybe(row.ended_by),
                muted_incidents=counts.get(str(row.id), 0),
            )
            for row in rows
        ]

    async def _inhibition_views(self, session: AsyncSession, rows: Sequence[Inhibition]) -> list[InhibitionView]:
        actors = await actors_of(session, (one for row in rows for one in (row.created_by, row.removed_by)))
        return [
            InhibitionView(
                id=row.id,
                name=row.name,
                source=[str(m) for m in loaded(row.source)],
                target=[str(m) for m in loaded(row.target)],
                equal=row.equal,
                dependents=row.dependents,
                reason=row.reason,
                created_by=actors(row.created_by),
                created_at=row.created_at,
                removed_at=row.removed_at,
                removed_by=actors.maybe(row.removed_by),
            )
            for row in rows
        ]

    @staticmethod
    async def _note(
        session: AsyncSession, verb: str, row: Silence | Inhibition, by: Identity, detail: JsonObject
    ) -> None:
        kind = verb.partition(".")[0]
        await audit.record(session, actor=by.actor, verb=verb, object_type=kind, object_id=str(row.id), detail=detail)


def _status(row: Silence) -> SilenceStatus:
    if row.ended_at is not None or row.ends_at <= now():
        return "expired"
    return "active" if row.starts_at <= now() else "pending"
