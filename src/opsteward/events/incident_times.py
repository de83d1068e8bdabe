"""Where the time of an incident went: until it was seen, waiting for a person, being worked on, being watched. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from opsteward.actions.types import ROUTINE_ACTIONS
from opsteward.events.types import IncidentStatus, IncidentTimes, TimelineView

_STATUSES = frozenset(IncidentStatus)
_WORKING = frozenset({IncidentStatus.DIAGNOSING, IncidentStatus.REMEDIATING, IncidentStatus.VERIFYING})
_AWAITING, _EXECUTING = "awaiting_approval", "executing"


@dataclass(frozen=True)
class _Span:
    start: datetime
    end: datetime


def times_of(
    lines: Sequence[TimelineView], *, opened_at: datetime, resolved_at: datetime | None, now: datetime
) -> IncidentTimes:
    """From the lines of its timeline, in order of time. Until it is resolved, the times up to `now`.

    A person is waited for while an approval waits, and from its escalation until somebody goes on. Worked on it is
    during troubleshooting and while an action is done, but for the time that a person was waited for.
    """
    end = max(resolved_at or now, opened_at)
    by_status, by_action = list(_statuses(lines, opened_at, end)), list(_actions(lines, end))
    waiting = _merged(
        [span for status, span in by_status if status == IncidentStatus.ESCALATED]
        + [span for status, span in by_action if status == _AWAITING]
    )
    busy = _merged(
        [span for status, span in by_status if status in _WORKING]
        + [span for status, span in by_action if status == _EXECUTING]
    )
    waited = _seconds(waiting)
    worked = _seconds(_merged([*busy, *waiting])) - waited
    total = (end - opened_at).total_seconds()
    return IncidentTimes(
        detect_seconds=_until_detected(lines, opened_at),
        waiting_seconds=round(waited, 3),
        working_seconds=round(worked, 3),
        watching_seconds=round(max(0.0, total - waited - worked), 3),
        total_seconds=round(total, 3),
        repair_seconds=round(total, 3) if resolved_at is not None else None,
    )


def _until_detected(lines: Sequence[TimelineView], opened_at: datetime) -> float | None:
    """From the moment at which it happened, as its source told it, to the incident."""
    told = next((line.detail.get("occurred_at") for line in lines if line.kind == "detected"), None)
    if not isinstance(told, str):
        return None
    return round(max(0.0, (opened_at - datetime.fromisoformat(told)).total_seconds()), 3)


def _statuses(lines: Sequence[TimelineView], opened_at: datetime, end: datetime) -> Iterable[tuple[str, _Span]]:
    """How long it had each status. That somebody has seen it changes nothing of what is done."""
    status, since = IncidentStatus.OPEN.value, opened_at
    for line in lines:
        if line.kind in _STATUSES and line.kind != IncidentStatus.ACKNOWLEDGED:
            at = min(max(line.at, since), end)
            yield status, _Span(since, at)
            status, since = line.kind, at
    yield status, _Span(since, end)


def _actions(lines: Sequence[TimelineView], end: datetime) -> Iterable[tuple[str, _Span]]:
    """How long each action had each status."""
    standing: dict[str, tuple[str, datetime]] = {}
    for line in lines:
        action, status = str(line.detail.get("action_id", "")), str(line.detail.get("status", ""))
        if line.kind != "action" or not action or line.detail.get("action") in ROUTINE_ACTIONS:
            continue
        if str(line.detail.get("step", "")).startswith("approval."):
            status = "decided"  # the run itself goes on a moment later
        if action in standing:
            before, since = standing[action]
            yield before, _Span(since, min(max(line.at, since), end))
        standing[action] = (status, min(line.at, end))
    for status, since in standing.values():
        yield status, _Span(since, end)


def _merged(spans: Sequence[_Span]) -> list[_Span]:
    """Without overlaps."""
    merged: list[_Span] = []
    for span in sorted(spans, key=lambda one: one.start):
        if merged and span.start <= merged[-1].end:
            merged[-1] = _Span(merged[-1].start, max(merged[-1].end, span.end))
        else:
            merged.append(span)
    return merged


def _seconds(spans: Sequence[_Span]) -> float:
    return sum((span.end - span.start).total_seconds() for span in spans)
