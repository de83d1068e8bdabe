"""Takes a body from a source: its signature is checked, it is read by the tenant's forms, then by those that ship, then
by the names of common fields; its events are taken, the body is kept, and what came is counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.used_once import use_each_once, used
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
from opsteward.events.sources.mapping import Reading, read_each
from opsteward.events.sources.own_sources import KnownSource, OwnSources
from opsteward.events.sources.signatures import check_signature
from opsteward.events.sources.sns import SnsMessages
from opsteward.events.sources.tallies import SourceTallies
from opsteward.events.sources.unwrapping import CarriedTexts
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


class _TakenMeanwhile(Exception):
    """Part of it was delivered by another request at the same time: that ends the transaction, and is no error to
    anybody."""


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
            reading, taken = await self._taken(tenant_id, source, received, limit, actor)
        except OpsError as error:
            self._tallies.note_refused(tenant_id, source.slug, error.detail)
            raise
        unmapped = 1 if reading.shape is None else 0
        self._tallies.note_taken(tenant_id, source.slug, bodies=1, events=len(taken), unmapped=unmapped)
        return _answer(source, reading, taken)

    async def _taken(
        self, tenant_id: UUID, source: KnownSource, received: Received, limit: int, actor: str
    ) -> tuple[Reading, list[TakenEvent]]:
        """Take what is delivered, in its order and all at once, but for what was delivered before."""
        carried = CarriedTexts()
        deliveries = await in_thread(
            deliveries_of, received.body, received.headers, source=source.slug, carried=carried
        )
        known = await self._known(tenant_id, deliveries)
        deliveries = [one for one in deliveries if one.digest not in known]
        readings, trouble = await self._read(source, deliveries, received.headers, limit, carried)
        read = list(zip(deliveries, readings, strict=True))
        while True:
            try:
                return await self._store(tenant_id, source, received, read, trouble, actor)
            except _TakenMeanwhile:
                known = await self._known(tenant_id, [one for one, _ in read])
                read = [(one, reading) for one, reading in read if one.digest not in known]

    async def _store(
        self,
        tenant_id: UUID,
        source: KnownSource,
        received: Received,
        read: Sequence[tuple[Delivery, Reading]],
        trouble: str,
        actor: str,
    ) -> tuple[Reading, list[TakenEvent]]:
        """Raises _TakenMeanwhile, and nothing is stored then."""
        whole = _together([reading for _, reading in read])
        if not whole.events:
            return whole, []
        # one for which there was no room may come again
        digests = {one.digest for one, reading in read if one.digest is not None and reading.events}

        async def finish(session: AsyncSession, taken: Sequence[TakenEvent]) -> None:
            if await use_each_once(session, digests=digests, remembered_for=_REDELIVERED_WITHIN) != digests:
                raise _TakenMeanwhile
            await self._kept.keep(
                session,
                slug=source.slug,
                raw=received.raw,
                kind=received.kind,
                headers=_told(received.headers),
                mapped=whole.shape is not None,
                trouble=trouble,
                reading=_summary(whole, taken),
            )

        size = len(received.raw)
        return whole, await self._queue.take(
            tenant_id=tenant_id, events=whole.events, actor=actor, size=size, finish=finish
        )

    async def _known(self, tenant_id: UUID, deliveries: Sequence[Delivery]) -> set[bytes | None]:
        """The names of those that were taken already."""
        digests = [one.digest for one in deliveries if one.digest is not None]
        if not digests:
            return set()
        async with self._db.unit_of_work(tenant_id) as session:
            return {*await used(session, digests=digests)}

    async def read_again(
        self, *, tenant_id: UUID, name: str, kept: KeptBody, body: Json, limit: int, actor: str
    ) -> TakenFromSource:
        """Take a kept body once more, as the source's forms are now. `body`: what it holds. Raises NotFound."""
        async with self._db.unit_of_work(tenant_id) as session:
            source = await self._sources.known(session, name)
        headers = {name: str(value) for name, value in kept.headers.items()}
        carried = CarriedTexts()
        deliveries = await in_thread(deliveries_of, body, headers, source=source.slug, carried=carried)
        readings, trouble = await self._read(source, deliveries, headers, limit, carried)
        reading = _together(readings)

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
    async def _read(
        source: KnownSource,
        deliveries: Sequence[Delivery],
        headers: Mapping[str, str],
        limit: int,
        carried: CarriedTexts,
    ) -> tuple[list[Reading], str]:
        """What each says, and why the tenant's own forms could not be used: their expressions are anybody's, and are
        worked out where they can hurt nobody."""
        told, trouble = _told(headers), ""
        bodies = [one.body for one in deliveries]
        by_own: list[Reading] = []
        if source.settings.shapes:
            own = source.mapping.model_copy(update={"shapes": source.settings.shapes})
            try:
                by_own = await compute(_OWN_FORMS_SECONDS, read_each, own, bodies, told, limit=limit, carried=carried)
            except TooExpensive as error:
                trouble = error.detail
            except Invalid as error:
                trouble = error.detail
        readings = {place: reading for place, reading in enumerate(by_own) if reading.shape is not None}
        left = limit - sum(len(reading.events) for reading in readings.values())
        rest = [place for place in range(len(bodies)) if place not in readings]
        found = await in_thread(
            read_each, source.mapping, [bodies[place] for place in rest], told, limit=left, carried=carried
        )
        readings.update(zip(rest, found, strict=True))
        return [readings[place] for place in range(len(bodies))], trouble


def _told(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in _TELLING if name in headers}


def _together(readings: Sequence[Reading]) -> Reading:
    """All of a request as one; it has a known form if each has of which something is taken."""
    shapes = [reading.shape for reading in readings if reading.events]
    return Reading(
        events=[event for reading in readings for event in reading.events],
        shape=None if None in shapes else next(iter(shapes), 0),
        left_out=sum(reading.left_out for reading in readings),
    )


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
