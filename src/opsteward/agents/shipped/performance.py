"""The performance agent: figures of the database and of the tasks, their history, and the watch over Opsteward itself.

What a process knows of itself it writes down on its own (`agents.service.measuring`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import sqlalchemy as sa

from opsteward.agents import metric_history
from opsteward.agents.lost_process_events import OWN
from opsteward.agents.process_measurement import HOST_MEMORY
from opsteward.agents.settings import AgentSettings
from opsteward.agents.shipped.self_watch import AlertChange, SelfWatch, Watched
from opsteward.contracts.agent import AgentContext, BackgroundAgent, NoAgentParams, Report
from opsteward.core.db import Database
from opsteward.tasks.types import TaskFigures

#: Counters of the database since its beginning: what is kept is how many there were a second.
_COUNTERS = frozenset({"database.commits", "database.rollbacks", "database.deadlocks", "database.temporary_bytes"})
_FIGURES = sa.text("select * from opsteward.database_figures(:tenant, :lately)")
_ALERT = "alert."
#: Of fewer tasks a share of failures says nothing.
FEWEST_FINISHED = 20
_LOOK_BACK = 86_400.0


class PerformanceAgent(BackgroundAgent[NoAgentParams]):
    """One for the whole installation."""

    kind = "opsteward.performance"
    purpose = "Keeps figures of database, tasks and processes, and warns when Opsteward itself is in trouble"
    interval = 30.0
    timeout = 30.0
    essential = True

    def __init__(
        self, db: Database, settings: AgentSettings, task_figures: Callable[[], Awaitable[TaskFigures]]
    ) -> None:
        self._db = db
        self._settings = settings
        self._task_figures = task_figures
        self._watch = SelfWatch(watched_figures(settings))
        self._counters: dict[str, float] = {}

    async def start(self, ctx: AgentContext[NoAgentParams]) -> None:
        """Which alerts stand is known from the history: another process may have raised them."""
        watched = watched_figures(self._settings)
        async with self._db.unit_of_work(ctx.tenant_id) as session:
            known = await metric_history.latest(session, prefix=_ALERT, window=_LOOK_BACK)
        raised = frozenset(one.metric for one in watched if known.get(_ALERT + one.metric))
        self._watch = SelfWatch(watched, raised)

    async def run_once(self, ctx: AgentContext[NoAgentParams]) -> None:
        """Measure once, compare once."""
        tasks = await self._task_figures()
        asked = {"tenant": ctx.tenant_id, "lately": 3 * self._settings.measure_seconds}
        async with self._db.unit_of_work(None) as session:
            found = await session.execute(_FIGURES, asked)
            rows = {row.name: float(row.value) for row in found if row.value is not None}
        memory = rows.pop(HOST_MEMORY, None)
        for name, value in rows.items():
            if name not in _COUNTERS:
                ctx.measure(name, value)
            elif name in self._counters and value >= self._counters[name]:
                ctx.measure(f"{name}_a_second", (value - self._counters[name]) / (self.interval or 1.0))
        self._counters = {name: rows[name] for name in _COUNTERS & rows.keys()}
        values = values_of(tasks, memory)
        for name, value in [
            ("tasks.ready", float(tasks.ready)),
            ("tasks.running", float(tasks.running)),
            ("tasks.delayed", float(tasks.delayed)),
            ("tasks.oldest_seconds", tasks.oldest_seconds),
            ("tasks.average_seconds", tasks.average_seconds),
        ]:
            ctx.measure(name, value)
        if "error_rate" in values:
            ctx.measure("tasks.error_rate", values["error_rate"])
        changes = self._watch.look(values)
        for change in changes:
            await ctx.report(_report(change))
            ctx.measure(_ALERT + change.alert.metric_type, 0.0 if change.resolved else 1.0)
        for metric in self._watch.raised - {change.alert.metric_type for change in changes}:
            ctx.measure(_ALERT + metric, 1.0)


def watched_figures(settings: AgentSettings) -> list[Watched]:
    """The thresholds of the settings."""
    return [
        Watched(
            metric="queue",
            threshold=float(settings.alert_queue),
            message="More tasks wait than Opsteward should have in its queue",
            actions=("start further workers with `opsteward worker`", "raise OPSTEWARD_TASK_SLOTS",
                     "see which type waits: GET /api/v1/tasks?status=pending"),
        ),
        Watched(
            metric="processing",
            threshold=settings.alert_processing_seconds,
            message="Tasks take longer on average than they should",
            actions=("see which type is slow: GET /api/v1/tasks", "look at process.loop_lag and database figures: "
                     "GET /api/v1/agents/metrics"),
        ),
        Watched(
            metric="error_rate",
            threshold=settings.alert_error_rate,
            message="Too large a share of the tasks fails",
            actions=("see why: GET /api/v1/tasks?status=dead_letter", "drive them again once it is mended"),
            is_share=True,
        ),
        Watched(
            metric="memory",
            threshold=settings.alert_memory,
            message="A machine that Opsteward runs on is short of memory",
            actions=("see which process grows: GET /api/v1/agents/metrics?name=process.memory_bytes",
                     "give the machine more memory, or lower OPSTEWARD_TASK_SLOTS"),
            is_share=True,
        ),
    ]  # fmt: skip


def values_of(tasks: TaskFigures, memory: float | None) -> dict[str, float]:
    """What is compared; a figure that says nothing now is left out, but for an idle queue, which is well."""
    values = {"queue": float(tasks.ready), "processing": tasks.average_seconds if tasks.finished else 0.0}
    if tasks.finished >= FEWEST_FINISHED:
        values["error_rate"] = tasks.failed / tasks.finished
    elif not tasks.failed:
        values["error_rate"] = 0.0
    if memory is not None:
        values["memory"] = memory
    return values


def _report(change: AlertChange) -> Report:
    return Report(
        message=change.alert.message,
        error_type=f"self_watch_{change.alert.metric_type}",
        severity="high" if change.alert.level == "critical" and not change.resolved else "medium",
        context=change.alert.as_context(),
        resolved=change.resolved,
        source=OWN,
    )
