"""Questions about tasks and their schedules."""

from __future__ import annotations

from uuid import UUID

from opsteward.accounts.actors import actors_of
from opsteward.core.ids import first_id_at
from opsteward.help.live.asking import Asking, Found, at, cited, lasting, listed
from opsteward.help.live.periods import Period
from opsteward.tasks import queries
from opsteward.tasks.types import ScheduleInfo, TaskInfo

_FAILED = ("failed", "dead_letter")
_PAUSED = ("paused", "stopped")
_ERRORS = ("failed", "error")
_READ_LIMIT = 500
_PAGES_LIMIT = 20  # of tasks among which those of a period are looked for
_STATUSES = (
    (
        ("dead letter", "dead letters", "dead-letter", "dead lettered", "dead-lettered", "used up"),
        ("dead_letter",),
        "in the dead letter queue",
    ),
    (("failed", "fail", "failing", "failure", "broke", "went wrong", "error"), _FAILED, "that failed"),
    (("pending", "waiting", "queue", "queued", "backlog"), ("pending",), "waiting"),
    (("running", "run now", "in progress", "working on", "being done"), ("in_progress",), "running"),
    (("cancelled", "canceled", "cancel"), ("cancelled",), "cancelled"),
    (("completed", "finished", "done", "succeeded", "success"), ("completed",), "completed"),
)


async def answer(ask: Asking) -> Found | None:
    """One task where one is named, else those that fit."""
    q = ask.question
    if ask.named.task is not None and not (
        (q.counts and not q.has("times", "tries", "attempts", "often")) or q.has("which", "list", "all", "any")
    ):
        return await _one(ask, ask.named.task)
    wanted = next((entry for entry in _STATUSES if q.has(*entry[0])), None)
    denied = wanted is not None and q.denies(*wanted[0])
    if wanted is None and q.counts and q.period is None:
        counts = await queries.counts(ask.session)
        text = (
            f"There are {sum(counts.values())} tasks: "
            + ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in counts.items() if n)
            + "."
        )
        return Found(text=text, citations=[cited("Tasks", "/tasks", text)])
    statuses: tuple[str, ...] = wanted[1] if wanted else ("pending", "in_progress")
    words = wanted[2] if wanted else "waiting or running"
    if wanted is not None and denied:
        others = {status for entry in _STATUSES for status in entry[1]} - {*wanted[1]}
        statuses, words = tuple(sorted(others)), f"but such as are {wanted[2].removeprefix('that ')}"
    if wanted is None and q.period is not None:
        statuses, words = (), ""
    found = await _read(ask, statuses, q.period)
    for operator in ask.named.operators[:1]:
        found = [one for one in found if one.requested_by == f"operator:{operator.id}"]
    when = f" {q.period.words}" if q.period else ""
    which = f" {words}" if words else ""
    text = listed(
        found,
        lambda one: (
            f"{one.name} ({one.task_type}): {one.status.replace('_', ' ')}"
            f" {at(one.ended_at or one.started_at or one.created_at)}" + (f": {one.error}" if one.error else "")
        ),
        none=f"There are no tasks{which}{when}.",
        one=f"There is 1 task{which}{when}:",
        many=f"There are {{n}} tasks{which}{when}:",
        more=len(found) == _READ_LIMIT,
    )
    citations = [cited(one.name, f"/tasks/{one.id}", f"{one.name}: {one.status}") for one in found[:3]]
    address = f"/tasks?status={statuses[0]}" if statuses else "/tasks"
    return Found(text=text, citations=citations or [cited("Tasks", address, text)], denied=denied)


async def _read(ask: Asking, statuses: tuple[str, ...], period: Period | None) -> list[TaskInfo]:
    """The newest first: a task of the period was not made after it."""
    found: list[TaskInfo] = []
    for status in statuses or (None,):
        before: UUID | None = first_id_at(period.until) if period is not None else None
        for _ in range(_PAGES_LIMIT):
            page = await queries.page(ask.session, status=status, before=before, limit=_READ_LIMIT)
            found += [
                one for one in page if period is None or period.holds(one.ended_at or one.started_at or one.created_at)
            ]
            over = period is not None and page and page[-1].created_at < period.since
            if over or len(page) < _READ_LIMIT or len(found) >= _READ_LIMIT:
                break
            before = page[-1].id
    return found[:_READ_LIMIT]


async def _one(ask: Asking, task: TaskInfo) -> Found:
    q = ask.question
    who = (await actors_of(ask.session, [task.requested_by]))(task.requested_by)
    status = task.status.replace("_", " ")
    if q.who and not q.has("why", "how"):
        text = f"The task {task.name} was asked for by {who.told} at {at(task.created_at)}."
    else:
        text = f"The task {task.name} ({task.task_type}) is {status}"
        text += (
            f" since {at(task.ended_at)}" if task.ended_at else f", {task.progress} % done" if task.started_at else ""
        )
        text += "."
        if task.started_at and task.ended_at:
            text += f" It took {lasting((task.ended_at - task.started_at).total_seconds())}."
        if task.error:
            text += f" Error: {task.error}."
        if task.retry_count:
            text += f" It was tried {task.retry_count + 1} times."
        if task.progress_message and not task.ended_at:
            text += f" {task.progress_message}"
    return Found(text=text, citations=[cited(task.name, f"/tasks/{task.id}", text)], denied=True)


async def schedules(ask: Asking) -> Found | None:
    """Which schedules there are, and when they fire."""
    q = ask.question
    found = await ask.sources.schedules.page(ask.session)
    named = list(ask.named.schedules)
    if not named and q.has(*_PAUSED):
        found = [one for one in found if one.paused is not q.denies(*_PAUSED)]
    if not named and q.has(*_ERRORS):
        found = [one for one in found if bool(one.last_error) is not q.denies(*_ERRORS)]
    found = named or sorted(found, key=lambda one: one.next_at)
    if q.has("next") and not named and found:
        found = [one for one in found if not one.paused][:1]
    text = listed(
        found, _schedule, none="There are no such schedules.", one="The schedule:" if named else "There is 1 schedule:",

        many="There are {n} schedules:",
    )  # fmt: skip
    citations = [cited("Schedules", "/schedules", text.split("\n")[0])]
    return Found(text=text, citations=citations, denied=len(named) == 1 or q.denies(*_PAUSED, *_ERRORS))


def _schedule(one: ScheduleInfo) -> str:
    when = "paused" if one.paused else f"next at {at(one.next_at)}"
    last = f", last at {at(one.last_at)}" if one.last_at else ""
    failed = f", last error: {one.last_error}" if one.last_error else ""
    return f"{one.name} ({one.cron}, {one.timezone}): {when}{last}{failed}"
