"""Keeps, event by event, what today's and the proposed orders decide, and tells where they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from opsteward.events.back_tests.matching import NOBODY
from opsteward.events.back_tests.replay import Replay
from opsteward.events.back_tests.types import (
    BackTest,
    DecidedAs,
    Difference,
    Example,
    OrderFigures,
    RecordedAction,
    RecordedEvent,
    RecordedSession,
    SessionOutcome,
    Stretch,
)
from opsteward.events.decision_table import Decision, decide
from opsteward.events.event_decisions import Decided, decided
from opsteward.events.standing_orders.service import InForce
from opsteward.events.standing_orders.types import FaultyOrder, Rule, StandingOrder

STRETCHES = 48
_DIFFERENCES, _EXAMPLES = 50, 3


class Comparison:
    """Of one back-test. `sets` are the orders to be matched: today's, and the proposed ones where there are others."""

    def __init__(
        self,
        today: InForce,
        proposed: InForce,
        since: datetime,
        until: datetime,
        returns: Mapping[UUID, Sequence[datetime]],
    ) -> None:
        self.sets: list[Sequence[Rule]] = [today.rules] if proposed is today else [today.rules, proposed.rules]
        self._version = today.version
        self._since, self._until = since, until
        self._replays = [Replay(since, returns) for _ in self.sets]
        self._events = self._as_recorded = self._changed = 0
        self._differences: dict[tuple[DecidedAs, DecidedAs], Difference] = {}
        self._outcomes: list[SessionOutcome] = []
        self._sessions = 0

    def take(self, piece: Sequence[RecordedEvent], firsts: Sequence[Sequence[int]]) -> None:
        """The next events, with the place of the first order of each set that holds."""
        for event, places in zip(piece, firsts, strict=True):
            table = _table(event.subject.fields["category"], event.subject.fields["severity"])
            found = [decided(table, _at(rules, place)) for rules, place in zip(self.sets, places, strict=True)]
            for replay_, one in zip(self._replays, found, strict=True):
                replay_.take(event, one)
            self._events += 1
            self._as_recorded += found[0].action == event.action
            self._note(event, found[0], found[-1])

    def _note(self, event: RecordedEvent, today: Decided, proposed: Decided) -> None:
        before, after = _as(today), _as(proposed)
        if (before.action, before.approval) == (after.action, after.approval):
            return
        self._changed += 1
        difference = self._differences.setdefault((before, after), Difference(today=before, proposed=after))
        difference.count += 1
        if len(difference.examples) < _EXAMPLES:
            source = event.subject.fields["source"]
            difference.examples.append(
                Example(event_id=event.id, incident_id=event.incident_id, at=event.at, source=source, title=event.title)
            )

    def take_sessions(self, sessions: Sequence[RecordedSession], firsts: Sequence[Sequence[int]]) -> None:
        """Troubleshooting sessions, with the places of the orders for all their findings in a row."""
        of_findings = iter(firsts)
        for session in sessions:
            places = [next(of_findings) for _ in session.findings]
            chosen = [self._chosen(number, [each[number] for each in places]) for number in range(len(self.sets))]
            today, proposed = chosen[0], chosen[-1]
            self._sessions += 1
            held = proposed[1] if proposed[0] is None else None
            self._outcomes.append(
                SessionOutcome(
                    session_id=session.id,
                    at=session.at,
                    recorded=session.order or "",
                    today=today[0].name if today[0] else "",
                    proposed=proposed[0].name if proposed[0] else "",
                    held_back=held.name if held else "",
                )
            )

    def _chosen(self, number: int, places: Sequence[int]) -> tuple[StandingOrder | None, FaultyOrder | None]:
        """The order under which a session would have acted first, and the first faulty one that held a fix back."""
        faulty: FaultyOrder | None = None
        for place in places:
            rule = _at(self.sets[number], place)
            if isinstance(rule, FaultyOrder):
                faulty = faulty or rule
            elif rule is not None:
                figures = self._replays[number].figures.setdefault(rule.name, OrderFigures(name=rule.name))
                figures.matched += 1
                figures.waiting += rule.approval == "required"
                figures.run += rule.approval == "auto"
                return rule, faulty
        return None, faulty

    def told(self, recorded: Sequence[RecordedAction], asked_at: Mapping[datetime, int]) -> BackTest:
        """All of it. `asked_at`: how many actions were really asked for from each instant on."""
        for each in self._replays:
            each.finish()
        shown = sorted(self._differences.values(), key=lambda each: -each.count)
        outcomes = [one for one in self._outcomes if one.today != one.proposed or one.recorded != one.today]
        return BackTest(
            since=self._since,
            until=self._until,
            version=self._version,
            events=self._events,
            as_recorded=self._as_recorded,
            changed=self._changed,
            recorded=recorded,
            today=_figures(self.sets[0], self._replays[0]),
            proposed=_figures(self.sets[-1], self._replays[-1]),
            differences=shown[:_DIFFERENCES],
            more_differences=sum(each.count for each in shown[_DIFFERENCES:]),
            stretches=self._stretches(asked_at),
            sessions=self._sessions,
            session_outcomes=outcomes[:_DIFFERENCES],
        )

    @property
    def stretch(self) -> timedelta:
        """How long each part of the chart is."""
        return max((self._until - self._since) / STRETCHES, timedelta(seconds=1))

    def _stretches(self, asked_at: Mapping[datetime, int]) -> list[Stretch]:
        columns = [asked_at, self._replays[0].asked_at, self._replays[-1].asked_at]
        sums = [Counter[int]() for _ in columns]
        for found, column in zip(sums, columns, strict=True):
            for at, count in column.items():
                found[min(STRETCHES - 1, int((at - self._since) / self.stretch))] += count
        return [
            Stretch(
                at=self._since + place * self.stretch,
                recorded=sums[0][place],
                today=sums[1][place],
                proposed=sums[2][place],
            )
            for place in range(STRETCHES)
        ]


@cache
def _table(category: str, severity: str) -> Decision:
    return decide(event_type=category, severity=severity)


def _at(rules: Sequence[Rule], place: int) -> Rule | None:
    return None if place == NOBODY else rules[place]


def _as(one: Decided) -> DecidedAs:
    order = one.order
    return DecidedAs(action=one.action, approval=order.approval if order else "auto", order=order.name if order else "")


def _figures(rules: Sequence[Rule], played: Replay) -> list[OrderFigures]:
    """Of each order in the order of the file, then of the decision table."""
    found: dict[str, OrderFigures] = {}
    for rule in rules:
        known = found.get(rule.name)
        faulty = isinstance(rule, FaultyOrder)
        if known is not None:
            found[rule.name] = replace(known, faulty=known.faulty or faulty)
            continue
        found[rule.name] = replace(
            played.figures.get(rule.name, OrderFigures(name=rule.name)),
            line=rule.line,
            action="escalate" if isinstance(rule, FaultyOrder) else rule.action,
            approval="auto" if isinstance(rule, FaultyOrder) else rule.approval,
            faulty=faulty,
        )
    return [*found.values(), played.figures[""]]
