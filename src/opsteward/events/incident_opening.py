"""New incidents, opened in bulk, and open ones that became more urgent.

However many incidents one request opens, the number of statements here is fixed; only what is published is per
incident, and of those there are at most `MAX_AT_ONCE` in one request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.actions.types import Limits
from opsteward.core.bus import Bus
from opsteward.core.clock import now
from opsteward.core.db import tenant_of
from opsteward.core.ids import uuid7
from opsteward.events import timeline
from opsteward.events.decisions_so_far import DecisionsSoFar
from opsteward.events.event_drafts import Draft, most_urgent, rank_of, shortened, worst_severity
from opsteward.events.incident_views import view_of
from opsteward.events.models import Incident
from opsteward.events.muting.matchers import labels_of
from opsteward.events.muting.review import line_of
from opsteward.events.standing_orders.service import limits_of
from opsteward.events.timeline import Line
from opsteward.events.types import IncidentDecided, IncidentOpened, IncidentRaised, IncidentStatus, Muted
from opsteward.telemetry import audit

#: More new incidents than these in one request are put together: one request must not queue thousands of actions.
MAX_AT_ONCE = 100
#: More fingerprints than these that join an incident in one request are one line of its timeline.
_LINES_APART = 20


@dataclass
class Opening:
    """An incident that is about to be opened, for the events in it.

    `grouped` are the first of each further fingerprint, which joined by a related system; `merged` counts the
    openings that were put together, `sources` from how many sources they came.
    """

    members: list[Draft]
    grouped: list[Draft] = field(default_factory=list)
    merged: int = 1
    sources: int = 1
    id: UUID = field(default_factory=uuid7)

    @property
    def lead(self) -> Draft:
        """The event that decides what is done."""
        return most_urgent(self.members)

    @property
    def muted(self) -> Muted | None:
        """Why it is kept quiet: all of its events are."""
        return self.lead.muted if all(draft.muted for draft in self.members) else None

    @property
    def title(self) -> str:
        """What the incident is called."""
        if self.merged == 1:
            return self.lead.title
        source = self.members[0].event.source or "an unnamed source"
        whose = source if self.sources == 1 else f"{self.sources} sources"
        return shortened(f"{self.merged} different errors from {whose}")

    @property
    def decisions(self) -> list[Draft]:
        """The events whose actions are run, the lead first. Put together, each different action is run once."""
        lead = self.lead
        if self.merged == 1:
            return [lead]
        others: dict[str, list[Draft]] = defaultdict(list)
        for draft in self.members:
            others[draft.action].append(draft)
        others.pop(lead.action)
        return [lead, *(most_urgent(group) for group in others.values())]


def put_together(openings: Sequence[Opening]) -> list[Opening]:
    """At most `MAX_AT_ONCE` of them: if there are more, one per source; of too many sources, the last are one."""
    if len(openings) <= MAX_AT_ONCE:
        return list(openings)
    by_source: dict[str, list[Opening]] = defaultdict(list)
    for opening in openings:
        by_source[opening.members[0].event.source].append(opening)
    groups = list(by_source.values())
    if len(groups) <= MAX_AT_ONCE:
        return [_merged(group) for group in groups]
    apart, rest = groups[: MAX_AT_ONCE - 1], groups[MAX_AT_ONCE - 1 :]
    together = _merged([opening for group in rest for opening in group], sources=len(rest))
    return [*(_merged(group) for group in apart), together]


def _merged(group: Sequence[Opening], *, sources: int = 1) -> Opening:
    if len(group) == 1:
        return group[0]
    members = [draft for opening in group for draft in opening.members]
    return Opening(members, merged=len(group), sources=sources)


async def open_all(session: AsyncSession, bus: Bus, openings: Sequence[Opening]) -> None:
    """Open the incidents, under the caller's lock, and publish each as the deed of who sent its most urgent event.
    Their fingerprints are bound elsewhere."""
    if not openings:
        return
    tenant_id, at = tenant_of(session), now()
    last = (await session.scalar(sa.select(sa.func.max(Incident.number)).where(Incident.tenant_id == tenant_id))) or 0
    rows = [_row(opening, tenant_id, number, at) for number, opening in enumerate(openings, start=last + 1)]
    session.add_all(rows)
    await session.flush()
    await timeline.add_all(session, [line for pair in zip(openings, rows, strict=True) for line in _opened(*pair)])
    await audit.record_all(
        session,
        [
            {
                "actor": opening.lead.sender.actor,
                "token_id": opening.lead.sender.token_id,
                "correlation_id": opening.lead.sender.correlation_id,
                "verb": "incident.opened",
                "object_type": "incident",
                "object_id": str(opening.id),
                "detail": {
                    "fingerprint": opening.lead.fingerprint,
                    "action": opening.lead.action,
                    "reason": opening.lead.reason,
                },
            }
            for opening in openings
        ],
    )
    for opening, row in zip(openings, rows, strict=True):
        lead, *others = opening.decisions
        with lead.sender.speaking():
            await bus.publish(session, _message(IncidentOpened, row, lead))
            for draft in others:
                await bus.publish(session, _message(IncidentRaised, row, draft))


def _row(opening: Opening, tenant_id: UUID, number: int, at: datetime) -> Incident:
    lead, one_source = opening.lead, opening.sources == 1
    return Incident(
        id=opening.id,
        tenant_id=tenant_id,
        number=number,
        title=opening.title,
        status=IncidentStatus.OPEN.value,
        category=lead.category,
        severity=worst_severity(opening.members),
        source=lead.event.source if one_source else "",
        system_id=lead.system.id if lead.system and one_source else None,
        event_count=0,
        opened_at=at,
        last_event_at=at,
        labels=_labels(lead) if opening.merged == 1 else {},
        muted=asdict(opening.muted) if opening.muted else None,
        reopened=0,
        flapping=False,
    )


def _labels(draft: Draft) -> dict[str, str]:
    kind = draft.event.error_type
    return labels_of(draft.event.context) | ({"error_type": kind} if kind else {})


def _opened(opening: Opening, row: Incident) -> list[Line]:
    lead = opening.lead
    detected = {
        "source": row.source,
        "category": row.category,
        "severity": row.severity,
        "rule": lead.row["rule_id"],
        "confidence": lead.row["confidence"],
        "occurred_at": lead.row["occurred_at"].isoformat(),
    }
    if opening.merged > 1:
        detected |= {"different_errors": opening.merged, "first": [d.title for d in opening.members[:20]]}
    return [
        Line(incident_id=row.id, kind="detected", title=f"Detected: {row.title}", detail=detected, key="detected"),
        *(
            Line(
                incident_id=row.id,
                kind="decided",
                title=f"Decided: {draft.action} (priority {draft.priority})",
                detail=_decision(draft),
                actor=_decider(draft),
                key=f"decided {draft.action}",
            )
            for draft in opening.decisions
        ),
        *([line_of(row, opening.muted, None)] if opening.muted else []),
    ]


def joining_lines(joined: Sequence[tuple[Draft, UUID]]) -> list[Line]:
    """A line for each fingerprint that joined; a crowd is one line, or the timeline would be lost in it."""
    by_incident: dict[UUID, list[Draft]] = defaultdict(list)
    for draft, incident_id in joined:
        by_incident[incident_id].append(draft)
    return [
        line
        for incident_id, drafts in by_incident.items()
        for line in (
            [_crowd(drafts, incident_id)]
            if len(drafts) > _LINES_APART
            else [_same_cause(draft, incident_id) for draft in drafts]
        )
    ]


def _crowd(drafts: Sequence[Draft], incident_id: UUID) -> Line:
    return Line(
        incident_id=incident_id,
        kind="grouped",
        title=f"Same cause: {len(drafts)} different errors",
        detail={"first": [draft.title for draft in drafts[:_LINES_APART]]},
    )


def _same_cause(draft: Draft, incident_id: UUID) -> Line:
    return Line(
        incident_id=incident_id,
        kind="grouped",
        title=f"Same cause: {draft.title}",
        detail={"source": draft.event.source, "fingerprint": draft.fingerprint},
        key=f"grouped {draft.fingerprint}",
    )


def _decider(draft: Draft) -> str:
    return f"standing-order:{draft.order.name}" if draft.order else "system:triage"


def _decision(draft: Draft) -> dict[str, object]:
    return {"reason": draft.reason, "action": draft.action, "priority": draft.priority}


async def raise_all(
    session: AsyncSession,
    bus: Bus,
    so_far: DecisionsSoFar,
    joined: Mapping[UUID, Sequence[Draft]],
    rows: Mapping[UUID, Incident],
) -> None:
    """Raise each incident that events joined which are more urgent than it was so far, and publish what was decided.

    `rows` are the incidents, locked by the caller, so that two requests don't raise the same one twice. An action
    that was decided for the incident before is not published again.
    """
    looked_at = {
        i: drafts
        for i, drafts in joined.items()
        if rows[i].status != IncidentStatus.RESOLVED and _may_raise(rows[i], drafts, so_far)
    }
    decided = await so_far.read(session, looked_at)
    raised: list[tuple[Incident, Draft]] = []
    for incident_id, drafts in looked_at.items():
        row = rows[incident_id]
        lowest = min(decided.get(incident_id, {}).values(), default=0)
        urgent = [d for d in drafts if d.priority < lowest or rank_of(d.severity) > rank_of(row.severity)]
        if row.muted is None:
            urgent = [d for d in urgent if not d.muted]
        if urgent:
            row.severity = max(row.severity, worst_severity(urgent), key=rank_of)
            raised.append((row, most_urgent(urgent)))
    if not raised:
        return
    await session.flush()
    await timeline.add_all(session, [_raised(row, draft) for row, draft in raised])
    for row, draft in raised:
        if draft.action not in decided.get(row.id, {}):
            with draft.sender.speaking():
                await bus.publish(session, _message(IncidentRaised, row, draft))


def _may_raise(row: Incident, drafts: Sequence[Draft], so_far: DecisionsSoFar) -> bool:
    most_urgent_priority = min(draft.priority for draft in drafts)
    return rank_of(worst_severity(drafts)) > rank_of(row.severity) or so_far.may_be_exceeded(
        row.id, most_urgent_priority
    )


def _raised(row: Incident, draft: Draft) -> Line:
    return Line(
        incident_id=row.id,
        kind="raised",
        title=shortened(f"Raised: {row.severity}, {draft.action} (priority {draft.priority}): {draft.title}"),
        detail=_decision(draft) | {"severity": row.severity, "fingerprint": draft.fingerprint},
        actor=_decider(draft),
    )


def _message(kind: type[IncidentDecided], row: Incident, draft: Draft) -> IncidentDecided:
    return kind(
        incident=view_of(row),
        action=draft.action,
        priority=draft.priority,
        decided_by=draft.reason,
        message=draft.event.message,
        standing_order=draft.order.name if draft.order else None,
        approval=draft.order.approval if draft.order else "auto",
        limits=limits_of(draft.order) if draft.order else Limits(),
    )
