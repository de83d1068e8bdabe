"""`opsteward bench stress`: rising load of reads, events and tasks, until the instance is too slow or fails.

The load is open: requests leave when their time has come, whether earlier ones were answered or not, and a request's
time counts from when it should have left. So a slow instance is not spared, and its slowness is not hidden.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from uuid import uuid4

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from opsteward.client.connection import Address
from opsteward.loadtest.simulated_users import Recorder, User, ends_of, percentile
from opsteward.loadtest.types import Aftermath, IncidentState, RateRow, Report

FIRST_RATE = 20.0  # requests a second
_RISE = 1.3
_STEP = 5.0  # seconds at one rate
_MAX_USERS = 1000  # more open requests than these are not sent: the instance is long beyond its limit
_HELD = 0.95  # the share of the asked rate that must be answered
_SOURCES = 20
#: Of ten requests: six reads, two events, two tasks.
_MIX = ("read", "event", "read", "task", "read", "read", "event", "read", "task", "read")
_READS = ("/api/v1/incidents?limit=20", "/api/v1/tasks?limit=20", "/api/v1/systems")


@dataclass
class _Step:
    """So many requests a second, and what came of it."""

    rate: float
    recorder: Recorder = field(default_factory=Recorder)
    seconds: float = 0.0
    unsent: int = 0

    def row(self, *, limit: float, errors: float) -> RateRow:
        """As the table shows it; `held` if all limits were kept."""
        times = [one for values in self.recorder.seconds.values() for one in values]
        answered = (len(times) - self.recorder.failed) / self.seconds
        share = (self.recorder.failed + self.unsent) / max(1, len(times) + self.unsent)
        p95 = percentile(times, 0.95)
        return {
            "asked_per_s": round(self.rate, 1),
            "answered_per_s": round(answered, 1),
            "p50_ms": round(percentile(times, 0.5) * 1000, 1),
            "p95_ms": round(p95 * 1000, 1),
            "p99_ms": round(percentile(times, 0.99) * 1000, 1),
            "errors": self.recorder.failed,
            "unsent": self.unsent,
            "held": p95 <= limit and share <= errors and answered >= self.rate * _HELD,
        }


class _Stress:
    """One run."""

    def __init__(self, at: Address) -> None:
        self._at = at
        self._idle: list[User] = []
        self._users = 0
        self._number = 0
        self.run_id = uuid4().hex[:12]
        self.steps: list[_Step] = []
        self.tasks: set[str] = set()
        self.events = 0

    async def step(self, rate: float, seconds: float) -> _Step:
        """Keep up this rate for so long, then wait for the last answer."""
        step = _Step(rate)
        self.steps.append(step)
        began = perf_counter()
        async with asyncio.TaskGroup() as sent:
            for number in range(int(rate * seconds)):
                due = began + number / rate
                if (wait := due - perf_counter()) > 0:
                    await asyncio.sleep(wait)
                self._number += 1
                if not self._idle and self._users >= _MAX_USERS:
                    step.unsent += 1
                    continue
                sent.create_task(self._send(step, self._number, due))
        step.seconds = max(seconds, perf_counter() - began)
        return step

    async def _send(self, step: _Step, number: int, due: float) -> None:
        user = self._idle.pop() if self._idle else self._new_user()
        user.recorder = step.recorder
        kind = _MIX[number % len(_MIX)]
        try:
            if kind == "read":
                await user.call("read", "GET", _READS[number % len(_READS)], since=due)
            elif kind == "event":
                event = {"message": "the queue is slow", "error_type": "SlowQueue", "severity": "low"}
                source = f"stress-{self.run_id}-{number % _SOURCES}"
                taken = await user.call("event", "POST", "/api/v1/events", since=due, json={**event, "source": source})
                self.events += taken["accepted"] if taken else 0
            else:
                task = {"task_type": "opsteward.echo", "name": f"stress {self.run_id}"}
                made = await user.call("task", "POST", "/api/v1/tasks", since=due, json=task)
                if made:
                    self.tasks.add(made["id"])
        finally:
            self._idle.append(user)

    def _new_user(self) -> User:
        self._users += 1
        return User(self._at, Recorder())

    async def aftermath(self, *, patience: float) -> Aftermath:
        """Whether all that was accepted is there and has ended; the incidents that were made are closed."""
        recorder = Recorder()
        user = User(self._at, recorder)
        try:
            ended = await ends_of(user, self.tasks, patience=patience)
            incidents = [
                one for one in await _all_incidents(user) if one["source"].startswith(f"stress-{self.run_id}-")
            ]
            for one in incidents:
                if one["status"] != "resolved":
                    path = f"/api/v1/incidents/{one['id']}/resolve"
                    await user.call("resolve", "POST", path, json={"reason": "a stress test has ended"})
        finally:
            for open_one in [user, *self._idle]:
                await open_one.close()
        statuses = Counter(task["status"] for task in ended.values())
        kept = sum(one["event_count"] for one in incidents)
        return {
            "tasks_submitted": len(self.tasks),
            "tasks_completed": statuses["completed"],
            "tasks_lost": len(self.tasks) - len(ended),
            "events_accepted": self.events,
            "events_kept": kept,
            "events_lost": max(0, self.events - kept),
        }


async def _all_incidents(user: User) -> list[IncidentState]:
    page = await user.call("list incidents", "GET", "/api/v1/incidents", params={"limit": 200})
    return list(page["items"]) if page else []


def run_stress(at: Address, *, duration: float, limit: float, errors: float, patience: float) -> Report:
    """Raise the load for `duration` seconds or to the limit; `ok` where no work was lost and a rate was held."""
    return asyncio.run(_stress(at, duration=duration, limit=limit, errors=errors, patience=patience))


async def _stress(at: Address, *, duration: float, limit: float, errors: float, patience: float) -> Report:
    stress, rate, began = _Stress(at), FIRST_RATE, perf_counter()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    rows: list[RateRow] = []
    with Progress(*columns, console=Console(stderr=True)) as progress:
        bar = progress.add_task("", total=duration)
        missed = 0
        while (left := duration - (perf_counter() - began)) > 1.0:
            progress.update(bar, description=f"{rate:.0f} a second", completed=duration - left)
            step = await stress.step(rate, min(_STEP, left))
            rows.append(step.row(limit=limit, errors=errors))
            # One step beyond the limit may be a hiccup: it is tried again, and lower once it is certain.
            missed = 0 if rows[-1]["held"] else missed + 1
            if missed == 0:
                rate *= _RISE
            elif missed > 1:
                rate, missed = max(1.0, rate / _RISE), 0
        progress.update(bar, description="waiting for the tasks", completed=duration)
        after = await stress.aftermath(patience=patience)
    return _report(stress.steps, rows, after, limit=limit, errors=errors)


def _report(steps: Sequence[_Step], rows: list[RateRow], after: Aftermath, *, limit: float, errors: float) -> Report:
    together = Recorder()
    for step in steps:
        for operation, values in step.recorder.seconds.items():
            together.seconds[operation] += values
        for operation, kinds in step.recorder.errors.items():
            together.errors[operation] += kinds
    held = max((row["asked_per_s"] for row in rows if row["held"]), default=0.0)
    return {
        "ok": held > 0 and not after["tasks_lost"] and not after["events_lost"],
        "highest_rate_held": held,
        "limits": {"p95_ms": limit * 1000, "error_share": errors, "answered_share": _HELD},
        "steps": rows,
        "operations": together.rows(),
        "errors_by_kind": together.told_errors(),
        **after,
    }
