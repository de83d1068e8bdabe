"""What one set of orders would have asked for, event by event: an action once for an incident, within its limits.

It goes as the intake does: an incident is opened by the most urgent event of a request, and asks for a further action
when something more urgent joins. What really became an incident stays one; an event that was only noted then, and is
not now, opens one of its fingerprint, which lasts until its recovery. Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from opsteward.contracts.check import Severity
from opsteward.events.back_tests.types import OrderFigures, RecordedEvent
from opsteward.events.event_decisions import QUIET_ACTIONS, Decided
from opsteward.events.incident_opening import MAX_AT_ONCE

_RANK = {severity.value: rank for rank, severity in enumerate(Severity)}
#: Events of one request are recorded so far apart.
_APART = timedelta(microseconds=1)
_HOUR = timedelta(hours=1)
_Home = UUID | str


@dataclass
class _Incident:
    """What was decided so far: the lowest priority number of each action, and the highest severity."""

    actions: dict[str, int] = field(default_factory=dict)
    severity: int = 0
    leads: dict[str, _Seen] = field(default_factory=dict)
    #: When its last request arrived.
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    event: RecordedEvent
    decided: Decided

    @property
    def urgency(self) -> tuple[int, int]:
        return self.decided.priority, -self.severity

    @property
    def severity(self) -> int:
        return _RANK[self.event.subject.fields["severity"]]


class Replay:
    """Give it the events in the order of their arrival, then `end` it."""

    def __init__(self, since: datetime, returns: Mapping[UUID, Sequence[datetime]] | None = None) -> None:
        """`returns`: when an incident's trouble was back, so that what was decided for it was asked for again."""
        self._returns = {home: deque(times) for home, times in (returns or {}).items()}
        self.figures: dict[str, OrderFigures] = {"": OrderFigures(name="")}
        self.asked_at: Counter[datetime] = Counter()
        self._since = since
        self._incidents: dict[_Home, _Incident] = {}
        self._ran: dict[tuple[str, str], deque[datetime]] = defaultdict(deque)
        self._request: list[_Seen] = []

    def take(self, event: RecordedEvent, decided: Decided) -> None:
        """The next event, and what is decided about it."""
        if self._request and event.at - self._request[-1].event.at != _APART:
            self.end()
        name = decided.order.name if decided.order else ""
        figures = self.figures.setdefault(name, OrderFigures(name=name))
        figures.matched += 1
        self._request.append(_Seen(event, decided))

    def finish(self) -> None:
        """All events are there."""
        self.end()
        for home in list(self._returns):
            self._come_back(home, None)

    def end(self) -> None:
        """All events of the last request are there."""
        by_home: dict[_Home, list[_Seen]] = defaultdict(list)
        for seen in self._request:
            by_home[seen.event.incident_id or seen.event.fingerprint].append(seen)
        opened = {seen.event.fingerprint for seen in self._request if _loud(seen)}
        for home, members in by_home.items():
            loud = [seen for seen in members if _loud(seen)]
            if loud:
                self._decide(home, loud, put_together=len(opened) > MAX_AT_ONCE)
            if isinstance(home, str) and any(seen.event.resolved for seen in members):
                self._incidents.pop(home, None)
        self._request = []

    def _decide(self, home: _Home, loud: Sequence[_Seen], *, put_together: bool) -> None:
        at = self._request[0].event.at
        self._come_back(home, at)
        incident, lead = self._incidents.get(home), min(loud, key=lambda seen: seen.urgency)
        if incident is not None:
            incident.at = at
        if incident is None:
            incident = self._incidents[home] = _Incident(at=at)
            before = lead.event.known_since is not None and lead.event.known_since < self._since
            for seen in self._leads(loud, lead) if put_together else [lead]:
                incident.actions[seen.decided.action] = seen.decided.priority
                incident.leads[seen.decided.action] = seen
                if not before:  # what an incident of before the span asked for is not known here
                    self._ask(seen)
            incident.severity = max(seen.severity for seen in loud)
            return
        lowest = min(incident.actions.values(), default=0)
        urgent = [
            seen
            for seen in loud
            if (seen.decided.priority < lowest or seen.severity > incident.severity)
            and (seen.event.known_until is None or seen.event.at <= seen.event.known_until)
        ]
        if urgent:
            incident.severity = max(incident.severity, *(seen.severity for seen in urgent))
            top = min(urgent, key=lambda seen: seen.urgency)
            if top.decided.action not in incident.actions:
                self._ask(top)
            known = incident.actions.get(top.decided.action, top.decided.priority)
            incident.actions[top.decided.action] = min(known, top.decided.priority)
            incident.leads[top.decided.action] = top

    def _come_back(self, home: _Home, before: datetime | None) -> None:
        """What was decided before the trouble was back is asked for again; the last request brought it back."""
        incident, times = self._incidents.get(home), self._returns.get(home) if isinstance(home, UUID) else None
        while times and (before is None or times[0] < before):
            times.popleft()
            for seen in incident.leads.values() if incident else ():
                if incident is not None and incident.at is not None and seen.event.at < incident.at:
                    self._ask(seen)

    @staticmethod
    def _leads(loud: Sequence[_Seen], lead: _Seen) -> list[_Seen]:
        """Of errors that were put together each different action runs once."""
        others: dict[str, list[_Seen]] = defaultdict(list)
        for seen in loud:
            others[seen.decided.action].append(seen)
        others.pop(lead.decided.action)
        return [lead, *(min(group, key=lambda seen: seen.urgency) for group in others.values())]

    def _ask(self, seen: _Seen) -> None:
        order, at = seen.decided.order, seen.event.at
        figures = self.figures[order.name if order else ""]
        self.asked_at[at] += 1
        if order is None:
            figures.run += 1
        elif order.approval == "required":
            figures.waiting += 1  # whether and when somebody would have approved it nobody knows
        else:
            ran = self._ran[order.name, order.action]
            while ran and ran[0] <= at - _HOUR:
                ran.popleft()
            if len(ran) >= order.limits.per_hour:
                figures.denied += 1
            else:
                figures.run += 1
                ran.append(at)


def _loud(seen: _Seen) -> bool:
    return not seen.event.resolved and seen.decided.action not in QUIET_ACTIONS
