"""A task as it is shown: its row in words, what it waits for, and the story of its tries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from opsteward.console.languages import N_, _, ngettext
from opsteward.console.names import Names
from opsteward.console.wording import TASK, Look, duration_in_words, look_of, who
from opsteward.core.clock import now
from opsteward.tasks.controls import pause_of
from opsteward.tasks.types import PauseInfo, TaskInfo, TaskStatus

_NODES_LIMIT = 12  # tasks shown on each side of one


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """A task with what its drawing needs: names for the actors, and whether a pause holds it back."""

    task: TaskInfo
    requested_by: str
    error: str
    held: bool

    @classmethod
    def of(cls, task: TaskInfo, names: Names, pauses: Sequence[PauseInfo]) -> TaskRow:
        """From a task, with the names of who asked for it and who cancelled it."""
        held = pause_of(pauses, task_type=task.task_type) is not None
        error = "" if task.status == TaskStatus.COMPLETED else task.error or ""
        return cls(
            task=task,
            requested_by=who(task.requester) if task.requester else names.actor(task.requested_by),
            error=names.in_text(error) if task.status == TaskStatus.CANCELLED else error,
            held=held and task.status == TaskStatus.PENDING,
        )

    @property
    def words(self) -> list[str]:
        """What is worth knowing of it in short."""
        return _more_words(self.task)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One line of a task's story."""

    at: datetime
    look: Look
    words: str
    error: str = ""


def _more_words(task: TaskInfo) -> list[str]:
    words = []
    if task.status == TaskStatus.PENDING and task.waiting_on:
        words.append(ngettext("waits for %(num)s other task", "waits for %(num)s other tasks", task.waiting_on))
    if task.status == TaskStatus.PENDING and task.run_at > now():
        seconds = (task.run_at - now()).total_seconds()
        again = _("tried again") if task.retry_count else _("starts")
        at = f"{task.run_at:%Y-%m-%d %H:%M:%S} UTC"
        words.append(f"{again} {at}" if seconds > 60 else _("%(again)s within a minute", again=again))
    failed = task.retry_count + (task.status in (TaskStatus.FAILED, TaskStatus.DEAD_LETTER))
    if failed:
        words.append(ngettext("%(num)s failed try", "%(num)s failed tries", failed))
    if task.started_at is not None and task.ended_at is not None and task.ended_at >= task.started_at:
        words.append(_("took %(time)s", time=duration_in_words((task.ended_at - task.started_at).total_seconds())))
    return words


def nearest(tasks: Sequence[TaskInfo]) -> list[TaskInfo]:
    """The few that are drawn: what has not completed comes first, for that is what one looks for."""
    return sorted(tasks, key=lambda task: task.status == TaskStatus.COMPLETED)[:_NODES_LIMIT]


def story_of(row: TaskRow) -> list[Moment]:
    """What happened to it, oldest first: asked for, started, each failed try, its end."""
    task = row.task
    asked = Moment(
        at=task.created_at, look=Look("add_task", "submitted", "info"), words=_("by %(name)s", name=row.requested_by)
    )
    found = [asked]
    if task.started_at is not None:
        found.append(
            Moment(at=task.started_at, look=Look("play_circle", "started", "info"), words=_("for the first time"))
        )
    for one in task.tries:
        found.append(
            Moment(
                at=datetime.fromisoformat(str(one["at"])),
                look=Look("heart_broken", N_("try %(number)s failed"), "bad", {"number": one["try"]}),
                words="",
                error=str(one["error"]),
            )
        )
    if task.ended_at is not None:
        told = bool(task.tries) and str(task.tries[-1]["error"]) == row.error[: len(str(task.tries[-1]["error"]))]
        why = "" if told else row.error
        found.append(Moment(at=task.ended_at, look=look_of(TASK, task.status), words=_end_in_words(task), error=why))
    return found


def _end_in_words(task: TaskInfo) -> str:
    if task.status == TaskStatus.DEAD_LETTER:
        return _("all its tries are used up; it waits for somebody to run it anew")
    if task.status == TaskStatus.FAILED:
        return _("trying again would not mend it")
    return ""
