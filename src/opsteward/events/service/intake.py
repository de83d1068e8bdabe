"""Intake: events are classified, decided on, grouped by fingerprint into incidents and stored, in one transaction.

One cause, one page: an event joins the open incident of its fingerprint; failing that, the open incident of a
system that hangs together with its own; only then a new one is opened. Set-based: the number of statements does
not grow with the number of events.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.types import Limits
from opsteward.core.blocking import in_thread
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.crypto import digest
from opsteward.core.db import tenant_of
from opsteward.core.ids import uuid7
from opsteward.events.classify import classify
from opsteward.events.decide import EventAction, decide, usual_priority
from opsteward.events.fingerprint import fingerprint
from opsteward.events.models import Event, Incident, IncidentFingerprint
from opsteward.events.service import timeline
from opsteward.events.service.incidents import Incidents, view_of
from opsteward.events.service.orders import StandingOrders, limits_of
from opsteward.events.standing_orders import StandingOrder, Subject, first_match
from opsteward.events.types import IncidentChanged, IncidentOpened, IncidentStatus, NewEvent, TakenEvent
from opsteward.systems.service.inventory import Inventory
from opsteward.systems.types import KnownSystem
from opsteward.telemetry.service import audit

#: What is only noted or answered opens no incident.
QUIET_ACTIONS = frozenset({"log_only", "return_validation_error"})
#: An echo that arrives this long after the end of an incident, of something that happened before it, belongs to it.
_ECHO = timedelta(minutes=5)
_TITLE_LENGTH = 200
_AT_ONCE = 50


@dataclass
class _Draft:
    """An event on its way in."""

    event: NewEvent
    row: dict[str, Any]
    system: KnownSystem | None
    order: StandingOrder | None
    reason: str

    @property
    def fingerprint(self) -> str:
        return str(self.row["fingerprint"])


class Intake:
    """Takes events in; one per process."""

    def __init__(self, bus: Bus, incidents: Incidents, orders: StandingOrders, inventory: Inventory) -> None:
        self._bus = bus
        self._incidents = incidents
        self._orders = orders
        self._inventory = inventory

    async def take(self, session: AsyncSession, *, events: Sequence[NewEvent], actor: str) -> list[TakenEvent]:
        """Store the events and return what became of each, in the order given."""
        if not events:
            return []
        drafts = await self._drafts(session, events)
        homes = await self._homes(session, drafts, actor)
        for draft in drafts:
            draft.row["incident_id"] = homes.get(draft.fingerprint)
        await session.execute(sa.insert(Event), [draft.row for draft in drafts])
        await self._count(session, drafts)
        await self._end_resolved(session, drafts, actor)
        return [_taken(draft) for draft in drafts]

    async def _drafts(self, session: AsyncSession, events: Sequence[NewEvent]) -> list[_Draft]:
        names = {e.source.casefold() for e in events if e.source and e.system is None}
        systems = await self._inventory.by_name(session, names=names) if names else {}
        orders = (await self._orders.in_force(session)).orders
        tenant_id, at = tenant_of(session), now()

        def draft_all() -> list[_Draft]:
            return [_draft(e, e.system or systems.get(e.source.casefold()), orders, tenant_id, at) for e in events]

        # Many events take a while to classify: the event loop goes on meanwhile.
        return draft_all() if len(events) <= _AT_ONCE else await in_thread(draft_all)

    async def _homes(self, session: AsyncSession, drafts: Sequence[_Draft], actor: str) -> dict[str, UUID]:
        """The incident of each fingerprint; new ones are opened under a lock, so that one cause opens one."""
        homes = await self._known_homes(session, {d.fingerprint for d in drafts})
        if not any(self._opens(d) and d.fingerprint not in homes for d in drafts):
            return homes
        await session.execute(
            sa.text("select pg_advisory_xact_lock(hashtextextended(:key, 1))"), {"key": f"open {tenant_of(session)}"}
        )
        homes = await self._known_homes(session, {d.fingerprint for d in drafts})
        for draft in drafts:
            if self._opens(draft) and draft.fingerprint not in homes:
                homes[draft.fingerprint] = await self._find_or_open(session, draft, actor)
        return homes

    @staticmethod
    def _opens(draft: _Draft) -> bool:
        return not draft.event.resolved and draft.row["action"] not in QUIET_ACTIONS

    async def _known_homes(self, session: AsyncSession, keys: set[str]) -> dict[str, UUID]:
        rows = await session.execute(
            sa.select(IncidentFingerprint.fingerprint, IncidentFingerprint.incident_id).where(
                IncidentFingerprint.tenant_id == tenant_of(session), IncidentFingerprint.fingerprint.in_(keys)
            )
        )
        return {row.fingerprint: row.incident_id for row in rows}

    async def _find_or_open(self, session: AsyncSession, draft: _Draft, actor: str) -> UUID:
        """Called once for each new fingerprint, under the lock."""
        found = await self._of_related_system(session, draft)
        if found is not None:
            incident_id, is_open = found
            if is_open:
                await self._bind(session, draft.fingerprint, incident_id)
                await timeline.tell(
                    session,
                    incident_id=incident_id,
                    kind="grouped",
                    title=f"Same cause: {_title(draft)}",
                    detail={"source": draft.event.source, "fingerprint": draft.fingerprint},
                    key=f"grouped {draft.fingerprint}",
                )
            return incident_id
        return await self._open(session, draft, actor)

    async def _of_related_system(self, session: AsyncSession, draft: _Draft) -> tuple[UUID, bool] | None:
        if draft.system is None:
            return None
        related = await self._inventory.related(session, system_id=draft.system.id)
        row = await session.scalar(
            sa.select(Incident)
            .where(
                Incident.tenant_id == tenant_of(session),
                Incident.system_id.in_(related),
                Incident.status.not_in([IncidentStatus.RESOLVED, IncidentStatus.ESCALATED])
                | (Incident.resolved_at > sa.func.greatest(now() - _ECHO, draft.row["occurred_at"])),
            )
            .order_by(Incident.number.desc())
            .limit(1)
        )
        return (row.id, row.status != IncidentStatus.RESOLVED) if row else None

    async def _open(self, session: AsyncSession, draft: _Draft, actor: str) -> UUID:
        tenant_id = tenant_of(session)
        number = (
            await session.scalar(sa.select(sa.func.max(Incident.number)).where(Incident.tenant_id == tenant_id))
        ) or 0
        row = Incident(
            id=uuid7(),
            tenant_id=tenant_id,
            number=number + 1,
            title=_title(draft),
            status=IncidentStatus.OPEN.value,
            category=draft.row["category"],
            severity=draft.row["severity"],
            source=draft.event.source,
            system_id=draft.system.id if draft.system else None,
            event_count=0,
            opened_at=now(),
            last_event_at=now(),
        )
        session.add(row)
        await session.flush()
        await self._bind(session, draft.fingerprint, row.id)
        await self._tell_opening(session, draft, row, actor)
        await self._bus.publish(
            session,
            IncidentOpened(
                incident=view_of(row),
                action=draft.row["action"],
                priority=draft.row["priority"],
                decided_by=draft.reason,
                message=draft.event.message,
                standing_order=draft.order.name if draft.order else None,
                approval=draft.order.approval if draft.order else "auto",
                limits=limits_of(draft.order) if draft.order else Limits(),
            ),
        )
        return row.id

    async def _tell_opening(self, session: AsyncSession, draft: _Draft, row: Incident, actor: str) -> None:
        await timeline.tell(
            session,
            incident_id=row.id,
            kind="detected",
            title=f"Detected: {row.title}",
            detail={
                "source": draft.event.source,
                "category": row.category,
                "severity": row.severity,
                "rule": draft.row["rule_id"],
                "confidence": draft.row["confidence"],
                "occurred_at": draft.row["occurred_at"].isoformat(),
            },
            key="detected",
        )
        await timeline.tell(
            session,
            incident_id=row.id,
            kind="decided",
            title=f"Decided: {draft.row['action']} (priority {draft.row['priority']})",
            detail={"reason": draft.reason},
            key="decided",
        )
        await audit.record(
            session,
            actor=actor,
            verb="incident.opened",
            object_type="incident",
            object_id=str(row.id),
            detail={"fingerprint": draft.fingerprint, "action": draft.row["action"], "reason": draft.reason},
        )

    async def _bind(self, session: AsyncSession, key: str, incident_id: UUID) -> None:
        await session.execute(
            insert(IncidentFingerprint)
            .values(tenant_id=tenant_of(session), fingerprint=key, incident_id=incident_id)
            .on_conflict_do_nothing()
        )

    async def _count(self, session: AsyncSession, drafts: Sequence[_Draft]) -> None:
        counts = Counter(d.row["incident_id"] for d in drafts if d.row["incident_id"])
        # in one order everywhere, so that two batches never wait for each other in a circle
        for incident_id in sorted(counts):
            await session.execute(
                sa.update(Incident)
                .where(Incident.tenant_id == tenant_of(session), Incident.id == incident_id)
                .values(event_count=Incident.event_count + counts[incident_id], last_event_at=now())
            )
            await self._bus.publish(session, IncidentChanged(incident_id=incident_id, status=""))

    async def _end_resolved(self, session: AsyncSession, drafts: Sequence[_Draft], actor: str) -> None:
        ends: dict[UUID, list[_Draft]] = defaultdict(list)
        for draft in drafts:
            if draft.event.resolved and draft.row["incident_id"]:
                ends[draft.row["incident_id"]].append(draft)
        for incident_id, group in ends.items():
            await self._incidents.move(
                session,
                incident_id=incident_id,
                status=IncidentStatus.RESOLVED,
                actor=actor,
                title=f"Reported as resolved by {group[0].event.source or 'its source'}",
                key="resolved by source",
            )


def _draft(
    event: NewEvent, system: KnownSystem | None, orders: Sequence[StandingOrder], tenant_id: UUID, at: datetime
) -> _Draft:
    verdict = classify(
        error_type=event.error_type,
        message=event.message,
        stack_trace=event.stack_trace,
        context=event.context,
        severity=event.severity,
    )
    category = event.category or verdict.category
    severity = event.severity if event.category and event.severity else str(verdict.severity)
    key = (
        digest({"system": str(event.system.id), "finding": event.error_type})[:32]
        if event.category and event.system
        else fingerprint(
            source=event.source,
            error_type=event.error_type,
            message=event.message,
            stack_trace=event.stack_trace,
        ).key
    )
    decision = decide(event_type=category, severity=severity, message=event.message, context=event.context)
    order = first_match(orders, _subject(event, system, category, severity), at)
    action, priority, reason = str(decision.action), decision.priority, f"rule {decision.rule_id}: {decision.reason}"
    if order is not None:
        action, reason = order.action, f"standing order {order.name}"
        priority = usual_priority(action) if action in set(EventAction) else priority
    row = {
        "id": uuid7(),
        "tenant_id": tenant_id,
        "received_at": at,
        "occurred_at": event.occurred_at or at,
        "source": event.source,
        "error_type": event.error_type,
        "message": event.message,
        "stack_trace": event.stack_trace,
        "context": dict(event.context),
        "resolved": event.resolved,
        "category": category,
        "severity": severity,
        "action": action,
        "priority": priority,
        "confidence": 1.0 if event.category else verdict.confidence,
        "rule_id": "health check" if event.category else verdict.rule_id,
        "fingerprint": key,
        "incident_id": None,
    }
    return _Draft(event=event, row=row, system=system, order=order, reason=reason)


def _subject(event: NewEvent, system: KnownSystem | None, category: str, severity: str) -> Subject:
    fields: Mapping[str, str] = {
        "category": category,
        "severity": severity,
        "source": event.source,
        "error_type": event.error_type or "",
        "message": event.message,
        "system": system.name if system else "",
        "system_type": system.type if system else "",
    }
    return Subject(kind="event", fields=fields)


def _title(draft: _Draft) -> str:
    first_line = draft.event.message.strip().splitlines()[0] if draft.event.message.strip() else "(no message)"
    kind = draft.event.error_type
    prefix = f"{kind}: " if kind and not draft.event.category and not first_line.startswith(kind) else ""
    text = prefix + first_line
    return text if len(text) <= _TITLE_LENGTH else text[: _TITLE_LENGTH - 1] + "…"


def _taken(draft: _Draft) -> TakenEvent:
    row = draft.row
    return TakenEvent(
        id=row["id"],
        fingerprint=row["fingerprint"],
        incident_id=row["incident_id"],
        category=row["category"],
        severity=row["severity"],
        action=row["action"],
        priority=row["priority"],
        confidence=row["confidence"],
    )
