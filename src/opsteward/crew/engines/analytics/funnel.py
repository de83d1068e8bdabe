"""A funnel of ordered steps, from events or from counts."""

from __future__ import annotations

import itertools
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence

from opsteward.core.errors import Invalid
from opsteward.crew.catalogue.analytics import Funnel, FunnelEvent, FunnelPart, FunnelReport, FunnelStep
from opsteward.crew.catalogue.declaring import DataUsed, seconds_of
from opsteward.crew.engines.intervals import share_interval, shares_differ

_MAX_SEGMENTS = 50
_SURE = 0.01
_MIN_OF_SEGMENT = 30
#: For each step: who reached it, after how many hours from the step before.
Reached = list[dict[str, float | None]]


def run(parameters: Funnel) -> FunnelReport:
    """Raises Invalid when a step that is named never occurs in any form."""
    notes, segments, differing = list[str](), list[FunnelPart](), list[str]()
    if parameters.counts:
        names = [one.step for one in parameters.counts]
        counts = [one.count for one in parameters.counts]
        if any(after > before for before, after in itertools.pairwise(counts)):
            notes.append("a step has more than the one before it: they may not be in order, or not of the same people")
        steps = [_step(name, counts, place, None) for place, name in enumerate(names)]
        rows = len(counts)
    else:
        names, rows = list(parameters.steps), len(parameters.events)
        users = _by_user(parameters)
        reached = _reached(users, parameters, notes)
        steps = _steps(names, reached)
        if parameters.segment_by:
            segments, differing = _segments(parameters, users, reached, names, notes)
    losses = {step.step: step.lost for step in steps[1:]}
    biggest = max(losses, key=lambda name: losses[name])
    lowest = min(steps[1:], key=lambda step: step.from_before).step
    overall = steps[-1].from_start
    return FunnelReport(
        summary=f"{overall:.1%} of {steps[0].count} go all the way. Most are lost before {biggest} "
        f"({losses[biggest]}); the lowest rate is at {lowest}.",
        data_used=DataUsed(rows=rows, fields=["counts"] if parameters.counts else ["user_id", "step", "at"]),
        notes=notes,
        missing=["events of users: for times, order and segments"] if parameters.counts else [],
        steps=steps,
        overall=overall,
        biggest_loss=biggest,
        lowest_rate=lowest,
        segments=segments,
        differing=differing,
    )


def _by_user(parameters: Funnel) -> dict[str, list[FunnelEvent]]:
    users: defaultdict[str, list[FunnelEvent]] = defaultdict(list)
    there = set[str]()
    for event in parameters.events:
        there.add(event.step)
        if event.step in parameters.steps:
            users[str(event.user_id)].append(event)
    if parameters.steps[0] not in there:
        raise Invalid.field(
            "steps",
            f"no event is of the first step {parameters.steps[0]!r}",
            f"events are of {', '.join(sorted(there)[:20])}",
        )
    return users


def _reached(users: Mapping[str, Sequence[FunnelEvent]], parameters: Funnel, notes: list[str]) -> Reached:
    """Each user's best run through the steps in order, begun anew at any first step."""
    names = parameters.steps
    timed = all(event.at is not None for events in users.values() for event in events)
    if not timed:
        notes.append("not every event has `at`: the order of the rows is taken for the order in time")
    window = parameters.window_hours
    if window is not None and not timed:
        notes.append("without times the window can't be kept")
        window = None
    reached: Reached = [{} for _ in names]
    for user, events in users.items():
        rows = [(seconds_of(event.at) if timed and event.at is not None else 0.0, event.step) for event in events]
        if timed:
            order = {name: place for place, name in enumerate(names)}
            rows.sort(key=lambda row: (row[0], order[row[1]]))
        for place, hours in enumerate(_best_run(rows, names, window, timed)):
            reached[place][user] = hours
    return reached


def _best_run(
    rows: Sequence[tuple[float, str]], names: Sequence[str], window: float | None, timed: bool
) -> list[float | None]:
    """Hours from step to step of the longest run."""
    best: list[float | None] = []
    # For each step the run that reached it from the latest start: (start, time of this step, hours so far).
    runs: list[tuple[float, float, list[float | None]] | None] = [None] * len(names)
    for at, name in rows:
        place = names.index(name)
        if place == 0:
            runs[0] = (at, at, [None])
        else:
            before = runs[place - 1]
            if before is None or (window is not None and at - before[0] > window * 3600):
                continue
            runs[place] = (before[0], at, [*before[2], (at - before[1]) / 3600 if timed else None])
        run = runs[place]
        if run is not None and len(run[2]) > len(best):
            best = run[2]
    return best


def _steps(names: Sequence[str], reached: Reached, users: frozenset[str] | None = None) -> list[FunnelStep]:
    there = [there if users is None else {user: h for user, h in there.items() if user in users} for there in reached]
    counts = [len(one) for one in there]
    found = []
    for place, name in enumerate(names):
        hours = [value for value in there[place].values() if value is not None]
        found.append(_step(name, counts, place, statistics.median(hours) if hours else None))
    return found


def _step(name: str, counts: Sequence[int], place: int, hours: float | None) -> FunnelStep:
    count, before = counts[place], counts[max(0, place - 1)]
    low, high = share_interval(min(count, before), before)
    return FunnelStep(
        step=name, count=count, from_start=count / counts[0] if counts[0] else 0.0,
        from_before=count / before if before else 0.0, low=low, high=high, lost=max(0, before - count),
        median_hours=hours,
    )  # fmt: skip


def _segments(
    parameters: Funnel,
    users: Mapping[str, Sequence[FunnelEvent]],
    reached: Reached,
    names: Sequence[str],
    notes: list[str],
) -> tuple[list[FunnelPart], list[str]]:
    """By each user's first event that says the field."""
    members: defaultdict[str, set[str]] = defaultdict(set)
    for user, events in users.items():
        said = next((event.others[parameters.segment_by or ""] for event in events
                     if event.others.get(parameters.segment_by or "") is not None), None)  # fmt: skip
        if said is not None and user in reached[0]:
            members[str(said)[:200]].add(user)
    if not members:
        raise Invalid.field("segment_by", f"no event has {parameters.segment_by!r}", "name a field that events have")
    order = sorted(members, key=lambda name: -len(members[name]))
    if len(order) > _MAX_SEGMENTS:
        notes.append(f"the {_MAX_SEGMENTS} largest of {len(order)} segments are shown")
    whole, won = len(reached[0]), len(reached[-1])
    parts, differing = [], []
    for name in order[:_MAX_SEGMENTS]:
        steps = _steps(names, reached, frozenset(members[name]))
        parts.append(FunnelPart(segment=name, steps=steps, overall=steps[-1].from_start))
        size, got = steps[0].count, steps[-1].count
        enough = size >= _MIN_OF_SEGMENT and whole - size >= _MIN_OF_SEGMENT
        if enough and shares_differ(got, size, won - got, whole - size) < _SURE / len(order):
            differing.append(name)
    return parts, differing
