"""Intake: events are classified, decided on, grouped by fingerprint into incidents and stored, in one transaction.

One cause, one page: an event joins the open incident of its fingerprint; failing that, a system's error joins the
open incident of a system that hangs together with its own; only then a new one is opened. Set-based: the number of
statements does not grow with the number of events.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.computing import in_fair_thread
from opsteward.core.db import tenant_of, when_committed
from opsteward.core.errors import Invalid
from opsteward.core.json_types import JsonObject
from opsteward.events import flapping, recoveries, timeline
from opsteward.events.classification import Category
from opsteward.events.deciding import Deciding
from opsteward.events.decisions_so_far import DecisionsSoFar
from opsteward.events.event_decisions import QUIET_ACTIONS
from opsteward.events.event_drafts import Draft, draft_of, recognize, taken
from opsteward.events.incident_opening import Opening, joining_lines, open_all, put_together, raise_all
from opsteward.events.incidents import Incidents, lock_opening
from opsteward.events.intake_statements import Known, look_up, store
from opsteward.events.models import Incident, IncidentFingerprint, IncidentGroup
from opsteward.events.muting.judging import Judged, Mutings, in_force, read_sources
from opsteward.events.muting.matchers import labels_of
from opsteward.events.muting.review import Review, line_of
from opsteward.events.payload_sampling import PayloadSampling
from opsteward.events.senders import Sender
from opsteward.events.standing_orders.service import CHARACTERS_AT_ONCE, StandingOrders, values_of
from opsteward.events.types import IncidentChanged, IncidentStatus, NewEvent, TakenEvent
from opsteward.systems.service import Inventory
from opsteward.telemetry.metrics import EVENTS

#: An echo that arrives this long after the end of an incident, of something that happened before it, belongs to it.
_ECHO = timedelta(minutes=5)
_DRAFT_SECONDS = 10.0  # of processor time
_LOOK_EVERY = 16  # events: to ask for the time takes as long as to look at one
_AT_ONCE = 50


ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


class Intake:
    """Takes events in; one per process."""

    def __init__(
        self, bus: Bus, incidents: Incidents, orders: StandingOrders, inventory: Inventory, review: Review
    ) -> None:
        self._bus = bus
        self._incidents = incidents
        self._orders = orders
        self._inventory = inventory
        self._review = review
        self._so_far = DecisionsSoFar()
        self.sampling = PayloadSampling()

    async def take(self, session: AsyncSession, *, events: Sequence[NewEvent], actor: str) -> list[TakenEvent]:
        """Store the events and return what became of each, in the order given."""
        sender = Sender.present(actor)
        return await self.take_of(session, [(event, sender) for event in events])

    async def take_of(self, session: AsyncSession, sent: Sequence[tuple[NewEvent, Sender]]) -> list[TakenEvent]:
        """The same of events of several senders."""
        if not sent:
            return []
        drafts, known = await self._drafts(session, sent)
        loud = [draft for draft in drafts if self._opens(draft)]
        late = await recoveries.known_later(session, loud) if known.recovered else {}
        mutings = await in_force(session) if loud and known.muting else Mutings()
        for draft in loud:
            draft.muted = mutings.silence_of(_values(draft)) if mutings.silences else None
        homes = await self._homes(session, [draft for draft in drafts if id(draft) not in late], known.homes, mutings)
        for draft in drafts:
            draft.row["incident_id"] = homes.get(draft.fingerprint) or late.get(id(draft))
        await recoveries.settle_objects(session, drafts)
        await self.sampling.apply(session, drafts)
        await self._store_and_raise(session, drafts)
        when_committed(session, partial(_count, Counter(draft.row["category"] for draft in drafts)))
        await self._end_resolved(session, drafts)
        return [taken(draft) for draft in drafts]

    async def incident_of(self, session: AsyncSession, *, fingerprint: str) -> UUID | None:
        """The incident that takes events of this fingerprint now."""
        return (await self._known_homes(session, {fingerprint})).get(fingerprint)

    async def _drafts(
        self, session: AsyncSession, sent: Sequence[tuple[NewEvent, Sender]]
    ) -> tuple[list[Draft], Known]:
        """Many events, or long ones, take a while to judge and match: the event loop goes on meanwhile."""
        events, at, tenant_id = [event for event, _ in sent], now(), tenant_of(session)
        size = sum(len(e.message) + len(e.stack_trace or "") for e in events)
        few = len(events) <= _AT_ONCE and size <= CHARACTERS_AT_ONCE
        recognized = _bounded(recognize, events) if few else await in_fair_thread(_bounded, recognize, events)
        known = await look_up(
            session,
            fingerprints={one.fingerprint for one in recognized},
            names={e.source.casefold() for e in events if e.source and e.system is None},
            earliest=min(min(e.occurred_at or at, at) for e in events),
            at=at,
        )
        orders = (await self._orders.in_force(session, version=known.orders_version)).rules
        deciding = Deciding(orders, at)

        def draft(place: int) -> Draft:
            (event, sender), one = sent[place], recognized[place]
            system = event.system or known.systems.get(event.source.casefold())
            # a little apart, so that of two events at the same instant the one sent later is the later one
            received_at = at + timedelta(microseconds=place)
            decided = known.decided.get(one.fingerprint)
            return draft_of(event, sender, one, system, deciding, tenant_id, received_at, decided)

        few = len(events) <= _AT_ONCE and size * (1 + values_of(orders)) <= CHARACTERS_AT_ONCE
        places = range(len(events))
        return _bounded(draft, places) if few else await in_fair_thread(_bounded, draft, places), known

    async def _homes(
        self, session: AsyncSession, drafts: Sequence[Draft], known: Mapping[str, UUID], mutings: Mutings
    ) -> Mapping[str, UUID]:
        """The incident of each fingerprint; new ones are opened under a lock, so that one cause opens one."""
        homes = known
        if not any(self._opens(d) and d.fingerprint not in homes for d in drafts):
            return homes
        await lock_opening(session)
        homes = await self._known_homes(session, {d.fingerprint for d in drafts})
        without: dict[str, list[Draft]] = defaultdict(list)
        for draft in drafts:
            if self._opens(draft) and draft.fingerprint not in homes:
                without[draft.fingerprint].append(draft)
        back = await flapping.returning(session, without)
        for incident_id, fingerprint in sorted({home: key for key, home in back.items()}.items()):
            await self._go_on(session, incident_id, without[fingerprint][0].sender)
        groups = [group for fingerprint, group in without.items() if fingerprint not in back]
        return homes | back | await self._find_or_open(session, groups, mutings)

    @staticmethod
    def _opens(draft: Draft) -> bool:
        return not draft.event.resolved and draft.row["action"] not in QUIET_ACTIONS

    async def _known_homes(self, session: AsyncSession, keys: set[str]) -> dict[str, UUID]:
        rows = await session.execute(
            sa.select(IncidentFingerprint.fingerprint, IncidentFingerprint.incident_id).where(
                IncidentFingerprint.tenant_id == tenant_of(session),
                IncidentFingerprint.fingerprint == sa.any_(sa.literal(sorted(keys), ARRAY(sa.Text))),
            )
        )
        return {row.fingerprint: row.incident_id for row in rows}

    async def _find_or_open(
        self, session: AsyncSession, groups: Sequence[Sequence[Draft]], mutings: Mutings
    ) -> dict[str, UUID]:
        """The incidents of new fingerprints, under the lock; a group is the events of one fingerprint."""
        await self._inhibit(session, [draft for group in groups for draft in group], mutings)
        cluster = await self._clusters(session, [group[0] for group in groups])
        living = await self._living(session, cluster)
        homes: dict[str, UUID] = {}
        joined: list[tuple[Draft, UUID]] = []
        openings: list[Opening] = []
        opening_in: dict[UUID, Opening] = {}
        for group in groups:
            draft = group[0]
            where = cluster.get(draft.system.id) if draft.system and _spreads(draft) and not draft.apart else None
            row = _newest(living[where], draft) if where else None
            if row is not None:
                homes[draft.fingerprint] = row.id
                if row.status != IncidentStatus.RESOLVED:
                    joined.append((draft, row.id))
            elif where in opening_in:
                opening_in[where].members += group
                opening_in[where].grouped.append(draft)
            else:
                openings.append(Opening(list(group)))
                if where:
                    opening_in[where] = openings[-1]
        openings = put_together(openings)
        await open_all(session, self._bus, openings)
        joined += [(draft, opening.id) for opening in openings for draft in opening.grouped]
        await timeline.add_all(session, joining_lines(joined))
        if any(mutings.may_inhibit(_values(opening.lead)) for opening in openings):
            await self._review.again(session, actor="system:inhibitions")
        opened = {draft.fingerprint: opening.id for opening in openings for draft in opening.members}
        await self._bind(session, opened | {draft.fingerprint: incident_id for draft, incident_id in joined})
        return homes | opened

    async def _inhibit(self, session: AsyncSession, drafts: Sequence[Draft], mutings: Mutings) -> None:
        """Mark what an open incident, or another one of these events, keeps quiet."""
        if not mutings.rules:
            return
        await read_sources(session, mutings, self._inventory)
        new = {
            id(d): Judged(values=_values(d), system_id=d.system.id if d.system else None, id=d.row["id"])
            for d in drafts
        }
        also = [one for one in new.values() if mutings.may_inhibit(one.values)]
        for draft in drafts:
            draft.muted = draft.muted or mutings.inhibition_of(new[id(draft)], also)

    async def _clusters(self, session: AsyncSession, drafts: Sequence[Draft]) -> dict[UUID, UUID]:
        """For each system that hangs together with one of these events', the system that stands for all of those."""
        systems = {draft.system.id for draft in drafts if draft.system and _spreads(draft)}
        cluster: dict[UUID, UUID] = {}
        for others in (await self._inventory.related_of_each(session, system_ids=systems)).values():
            first = min(others)
            cluster |= dict.fromkeys(others, first)
        return cluster

    async def _living(self, session: AsyncSession, cluster: Mapping[UUID, UUID]) -> dict[UUID | None, list[Incident]]:
        """By cluster, the incidents of errors that can take more, the newest first; some are over, for echoes."""
        living: dict[UUID | None, list[Incident]] = defaultdict(list)
        if not cluster:
            return living
        rows = await session.scalars(
            sa.select(Incident)
            .where(
                Incident.tenant_id == tenant_of(session),
                Incident.system_id.in_(cluster),
                Incident.category == Category.SYSTEM_ERROR,
                Incident.status.not_in([IncidentStatus.RESOLVED, IncidentStatus.ESCALATED])
                | (Incident.resolved_at > now() - _ECHO),
            )
            .order_by(Incident.number.desc())
        )
        for row in rows:
            living[cluster[row.system_id] if row.system_id else None].append(row)
        return living

    async def _bind(self, session: AsyncSession, homes: Mapping[str, UUID]) -> None:
        if homes:
            tenant_id = tenant_of(session)
            await session.execute(
                insert(IncidentFingerprint).on_conflict_do_nothing(),
                [{"tenant_id": tenant_id, "fingerprint": key, "incident_id": home} for key, home in homes.items()],
            )
            await session.execute(
                insert(IncidentGroup).on_conflict_do_nothing(),
                [
                    {"tenant_id": tenant_id, "fingerprint": key, "incident_id": home, "bound_at": now()}
                    for key, home in homes.items()
                ],
            )

    async def _store_and_raise(self, session: AsyncSession, drafts: Sequence[Draft]) -> None:
        members: dict[UUID, list[Draft]] = defaultdict(list)
        for draft in drafts:
            if draft.row["incident_id"]:
                members[draft.row["incident_id"]].append(draft)
        rows = await store(
            session,
            [draft.row for draft in drafts],
            counts={i: len(group) for i, group in members.items()},
            objects=recoveries.said_of_objects(
                [draft for group in members.values() for draft in group], quiet=QUIET_ACTIONS
            ),
            at=now(),
        )
        loud = {i: [d for d in group if self._opens(d)] for i, group in members.items()}
        for row in (rows[i] for i, group in loud.items() if group):
            if row.labels:
                row.labels = _common(row.labels, loud[row.id])
            if row.flapping:
                await flapping.is_back(session, row.id)
            if row.muted is not None and row.status != IncidentStatus.RESOLVED:
                await self._hear_again(session, row, loud[row.id])
        await raise_all(session, self._bus, self._so_far, {i: group for i, group in loud.items() if group}, rows)
        for incident_id in rows:
            await self._bus.publish(session, IncidentChanged(incident_id=incident_id, status=""))

    async def _go_on(self, session: AsyncSession, incident_id: UUID, sender: Sender) -> None:
        """What is back is done and told again, unless it flaps or a person is on it."""
        with sender.speaking():
            again = await flapping.go_on(session, self._incidents, incident_id, actor=sender.actor)
            row = await session.get(Incident, incident_id)
            if again and row is not None and row.muted is None and row.acknowledged_at is None:
                await self._review.give_back(session, row)

    async def _hear_again(self, session: AsyncSession, row: Incident, drafts: Sequence[Draft]) -> None:
        """What is kept quiet for its events alone is told once another one joins that nothing keeps quiet."""
        if any(draft.muted is None for draft in drafts) and row.muted is not None and row.muted["by"] == "silence":
            row.muted = None
            await session.flush()
            await timeline.add_all(session, [line_of(row, None, None)])
            await self._review.give_back(session, row)

    async def _end_resolved(self, session: AsyncSession, drafts: Sequence[Draft]) -> None:
        """End the incidents that have no object left in trouble; for the others the timeline names what recovered."""
        ends: dict[UUID, list[Draft]] = defaultdict(list)
        for draft in drafts:
            if draft.event.resolved and draft.row["incident_id"]:
                ends[draft.row["incident_id"]].append(draft)
        if not ends:
            return
        left = await recoveries.still_in_trouble(session, set(ends))
        await timeline.add_all(
            session, [recoveries.partly(i, group, left[i]) for i, group in sorted(ends.items()) if i in left]
        )
        for incident_id, group in sorted(ends.items()):
            if incident_id in left:
                continue
            if (await self._incidents.get(session, incident_id=incident_id)).flapping:
                await flapping.hold_end(session, incident_id)
                continue
            with group[0].sender.speaking():
                await self._incidents.move(
                    session,
                    incident_id=incident_id,
                    status=IncidentStatus.RESOLVED,
                    actor=group[0].sender.actor,
                    title=f"Reported as resolved by {group[0].event.source or 'its source'}",
                    key="resolved by source",
                    recovered=True,
                )


def _bounded(function: Callable[[ItemT], ResultT], items: Iterable[ItemT]) -> list[ResultT]:
    """What the function gives for each, as long as it does not take too long. Raises Invalid."""
    until = time.thread_time() + _DRAFT_SECONDS
    found = []
    for place, item in enumerate(items):
        found.append(function(item))
        if place % _LOOK_EVERY == 0 and time.thread_time() > until:
            raise Invalid.field(
                "body",
                f"these events take more than {_DRAFT_SECONDS:g} s to classify and match with standing orders",
                "send fewer at once, and shorter ones; or use fewer * and ? in the standing orders",
            )
    return found


def _values(draft: Draft) -> dict[str, str]:
    """What matchers see of an event."""
    return labels_of(draft.event.context) | {
        "source": draft.event.source,
        "system": draft.system.name if draft.system else draft.event.source,
        "severity": draft.severity,
        "category": draft.category,
        "error_type": draft.event.error_type or "",
        "title": draft.title,
    }


def _common(labels: JsonObject, drafts: Sequence[Draft]) -> JsonObject:
    """The labels that all events of an incident share."""
    for values in map(_values, drafts):
        if any(values.get(name) != value for name, value in labels.items()):
            labels = {name: value for name, value in labels.items() if values.get(name) == value}
    return labels


def _spreads(draft: Draft) -> bool:
    """Only errors of systems have causes that spread; an attack on a sick system is another matter."""
    return draft.category == Category.SYSTEM_ERROR


def _newest(living: Sequence[Incident], draft: Draft) -> Incident | None:
    """The newest of them that takes the event: one that goes on, or whose echo this is."""
    since = max(now() - _ECHO, draft.row["occurred_at"])
    return next((row for row in living if row.resolved_at is None or row.resolved_at > since), None)


def _count(categories: Counter[str]) -> None:
    for category, events in categories.items():
        EVENTS.labels(category).inc(events)
