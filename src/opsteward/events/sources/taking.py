"""Takes a body from a source: its signature is checked, it is read by the tenant's forms, then by those that ship, then
by the names of common fields; its events are taken, the body is kept, and what came is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.used_once import use_once
from opsteward.core.blocking_calls import in_thread
from opsteward.core.clock import now
from opsteward.core.computing import TooExpensive, compute
from opsteward.core.db import Database
from opsteward.core.errors import Invalid, OpsError, Unauthenticated
from opsteward.core.json_types import Json, JsonObject
from opsteward.events.intake_queue import IntakeQueue
from opsteward.events.sources import kept_bodies
from opsteward.events.sources.cloud_events import Delivery, deliveries_of
from opsteward.events.sources.kept_bodies import KeptBodies, KeptBody
from opsteward.events.sources.mapping import Reading, read
from opsteward.events.sources.own_sources import KnownSource, OwnSources
from opsteward.events.sources.signatures import check_signature
from opsteward.events.sources.sns import SnsMessages
from opsteward.events.sources.tallies import SourceTallies
from opsteward.events.types import TakenEvent
from opsteward.telemetry import audit

_OWN_FORMS_SECONDS = 1.0  # of a processor
_TITLE_LIMIT = 300
_REDELIVERED_WITHIN = timedelta(days=3)
#: Headers that tell what a body is; none that may hold a secret.
_TELLING = ("x-github-event", "x-gitlab-event", "sentry-hook-resource", "x-amz-sns-message-type", "x-event-key",
            "x-mms-event", "ce-specversion", "ce-id", "ce-source", "ce-type", "ce-subject", "ce-time")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Received:
    """A request of a source. `raw` is its body as it came, `body` what it holds; `headers` go by small letters."""

    raw: bytes
    body: Json
    kind: str
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class TakenFromSource:
    """How many events of the body are committed, and what became of each.

    `mapped`: the body had a form that the source declares; otherwise its fields were found by their common names.
    `left_out`: events past the limit of one request, which were not taken.
    """

    accepted: int
    source: str
    mapped: bool
    left_out: int
    events: list[TakenEvent]


class _TakenBefore(Exception):
    """A sender that had no answer sends again: that ends its transaction, and is no error to anybody."""


class SourceIntake:
    """One per process."""

    def __init__(
        self, db: Database, queue: IntakeQueue, sources: OwnSources, tallies: SourceTallies, sns: SnsMessages
    ) -> None:
        self._db = db
        self._queue = queue
        self._sources = sources
        self._tallies = tallies
        self._sns = sns
        self._kept = KeptBodies()

    async def take(self, *, tenant_id: UUID, name: str, received: Received, limit: int, actor: str) -> TakenFromSource:
        """Take it, `limit` events at most. Raises NotFound; Unauthenticated or Denied for what is not signed as it has
        to be; and what the intake raises."""
        async with self._db.unit_of_work(tenant_id) as session:
            source = await self._sources.known(session, name)
            try:
                await self._check(session, source, received, actor)
            except OpsError as error:
                self._tallies.note_refused(tenant_id, source.slug, error.detail)
                raise
        try:
            deliveries = deliveries_of(received.body, received.headers)
            if len(deliveries) == 1:
                reading, taken = await self._take_one(tenant_id, source, received, deliveries[0], limit, actor)
            else:
                reading, taken = await self._take_each(tenant_id, source, received, deliveries, limit, actor)
        except OpsError as error:
            self._tallies.note_refused(tenant_id, source.slug, error.detail)
            raise
        unmapped = 1 if reading.shape is None else 0
        self._tallies.note_taken(tenant_id, source.slug, bodies=1, events=len(taken), unmapped=unmapped)
        return _answer(source, reading, taken)

    async def _take_each(
        self,
        tenant_id: UUID,
        source: KnownSource,
        received: Received,
        deliveries: Sequence[Delivery],
        limit: int,
        actor: str,
    ) -> tuple[Reading, list[TakenEvent]]:
        """Each is committed, or known already, by itself; the queue puts together what waits. The first one's reading
        stands for all."""
        wanted = deliveries[:limit]
        done = await asyncio.gather(
            *(self._take_one(tenant_id, source, received, one, limit, actor, alone=False) for one in wanted),
            return_exceptions=True,  # so that none goes on behind the answer
        )
        for one in done:
            if isinstance(one, BaseException):
                raise one
        taken = [one for one in done if not isinstance(one, BaseException)]
        reading = replace(taken[0][0], left_out=len(deliveries) - len(wanted))
        return reading, [event for _, events in taken for event in events]

    async def _take_one(
        self,
        tenant_id: UUID,
        source: KnownSource,
        received: Received,
        delivery: Delivery,
        limit: int,
        actor: str,
        *,
        alone: bool = True,
    ) -> tuple[Reading, list[TakenEvent]]:
        """Take what was delivered, unless it was before: then its events are none. `alone`: it is the whole body."""
        reading, trouble = await self._read(source, delivery.body, received.headers, limit)

        async def finish(session: AsyncSession, taken: Sequence[TakenEvent]) -> None:
            if delivery.digest is not None and not await use_once(
                session, digest=delivery.digest, remembered_for=_REDELIVERED_WITHIN
            ):
                raise _TakenBefore
            if alone:
                await self._kept.keep(
                    session,
                    slug=source.slug,
                    raw=received.raw,
                    kind=received.kind,
                    headers=_told(received.headers),
                    mapped=reading.shape is not None,
                    trouble=trouble,
                    reading=_summary(reading, taken),
                )

        size = len(received.raw) if alone else len(str(delivery.body))
        try:
            taken = await self._queue.take(
                tenant_id=tenant_id, events=reading.events, actor=actor, size=size, finish=finish
            )
        except _TakenBefore:
            taken = []
        return reading, taken

    async def read_again(
        self, *, tenant_id: UUID, name: str, kept: KeptBody, body: Json, limit: int, actor: str
    ) -> TakenFromSource:
        """Take a kept body once more, as the source's forms are now. `body`: what it holds. Raises NotFound."""
        async with self._db.unit_of_work(tenant_id) as session:
            source = await self._sources.known(session, name)
        headers = {name: str(value) for name, value in kept.headers.items()}
        body = deliveries_of(body, headers)[0].body
        reading, trouble = await self._read(source, body, headers, limit)

        async def note(session: AsyncSession, taken: Sequence[TakenEvent]) -> None:
            await kept_bodies.note_reading(
                session,
                body_id=kept.id,
                mapped=reading.shape is not None,
                trouble=trouble,
                reading=_summary(reading, taken),
            )

        taken = await self._queue.take(
            tenant_id=tenant_id, events=reading.events, actor=actor, size=len(kept.body or ""), finish=note
        )
        return _answer(source, reading, taken)

    async def _check(self, session: AsyncSession, source: KnownSource, received: Received, actor: str) -> None:
        if source.secret is not None:
            if source.signature is None:
                raise Unauthenticated(
                    "this source has a secret, and nothing says how its sender signs",
                    remedy="set its signature, or take the secret away",
                )
            check_signature(source.signature, source.secret, received.headers, received.raw, now())
        if source.settings.topics:
            await self._sns.check(received.body, source.settings.topics)
            if (topic := await self._sns.confirm(received.body)) is not None:
                await audit.record(
                    session,
                    actor=actor,
                    verb="source.subscription_confirmed",
                    object_type="source",
                    object_id=source.slug,
                    detail={"topic": topic},
                )

    @staticmethod
    async def _read(source: KnownSource, body: Json, headers: Mapping[str, str], limit: int) -> tuple[Reading, str]:
        """The reading, and why the tenant's own forms could not be used: their expressions are anybody's, and are
        worked out where they can hurt nobody."""
        told, trouble = _told(headers), ""
        if source.settings.shapes:
            own = source.mapping.model_copy(update={"shapes": source.settings.shapes})
            try:
                reading = await compute(_OWN_FORMS_SECONDS, read, own, body, told, limit=limit)
                if reading.shape is not None:
                    return reading, ""
            except TooExpensive as error:
                trouble = error.detail
            except Invalid as error:
                trouble = error.detail
        return await in_thread(lambda: read(source.mapping, body, told, limit=limit)), trouble


def _told(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in _TELLING if name in headers}


def _summary(reading: Reading, taken: Sequence[TakenEvent]) -> JsonObject:
    first: JsonObject = {}
    if reading.events:
        event, became = reading.events[0], taken[0]
        first = {
            "title": event.message.strip().partition("\n")[0][:_TITLE_LIMIT],
            "severity": became.severity,
            "category": became.category,
            "resolved": event.resolved,
            "occurred_at": event.occurred_at.isoformat() if event.occurred_at else None,
            "incident_id": str(became.incident_id) if became.incident_id else None,
        }
    return {"count": len(taken), "left_out": reading.left_out, "shape": reading.shape, "first": first}


def _answer(source: KnownSource, reading: Reading, taken: list[TakenEvent]) -> TakenFromSource:
    return TakenFromSource(
        accepted=len(taken),
        source=source.slug,
        mapped=reading.shape is not None,
        left_out=reading.left_out,
        events=taken,
    )
