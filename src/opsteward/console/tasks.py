"""How a task is shown: as a row, as a picture of what it waits for, and as the story of its tries. No reading here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from opsteward.console.elements import ago, at, bar, chip, icon, tag, text
from opsteward.console.names import Names
from opsteward.console.pauses import PauseRow
from opsteward.console.wording import PAUSED, PRIORITY, TASK, Look, counted, duration_in_words, look_of
from opsteward.core.clock import now
from opsteward.tasks.controls import pause_of
from opsteward.tasks.types import TaskInfo, TaskStatus

_MAX_WORDS = 300  # characters of an error in a row
_MAX_NODES = 12  # tasks drawn on each side of the picture
_NODE = 64  # height of a task in the picture, in pixels


@dataclass(frozen=True, kw_only=True)
class TaskRow:
    """A task with what its drawing needs: names for the actors, and whether a pause holds it back."""

    task: TaskInfo
    requested_by: str
    error: str
    held: bool

    @classmethod
    def of(cls, task: TaskInfo, names: Names, pauses: Sequence[PauseRow]) -> TaskRow:
        """From a task, with the names of who asked for it and who cancelled it."""
        held = pause_of([row.pause for row in pauses], task_type=task.task_type) is not None
        error = "" if task.status == TaskStatus.COMPLETED else task.error or ""
        return cls(
            task=task,
            requested_by=names.actor(task.requested_by),
            error=names.in_text(error) if task.status == TaskStatus.CANCELLED else error,
            held=held and task.status == TaskStatus.PENDING,
        )


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One line of a task's story."""

    at: datetime
    look: Look
    words: str
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Around:
    """A task, the tasks that it waits for and those that wait for it; `above` and `below` count all of them."""

    task: TaskInfo
    before: Sequence[TaskInfo]
    after: Sequence[TaskInfo]
    more_before: int
    more_after: int


def draw_task_row(row: TaskRow) -> None:
    """A task in short, as a link to its page."""
    task = row.task
    with tag("a", "row-link") as whole:
        with tag("div", "row-head"):
            text(task.name, "title")
            draw_task_chips(row)
        with tag("p", "why"):
            if task.name != task.task_type:
                text(task.task_type)
            text(f"by {row.requested_by}")
            ago(task.created_at)
            for words in _more_words(task):
                text(words)
        draw_progress(task)
        if row.error:
            text(row.error[:_MAX_WORDS], "quiet" if task.status == TaskStatus.CANCELLED else "bad-words", name="p")
    whole.props["href"] = f"/tasks/{task.id}"


def draw_task_chips(row: TaskRow) -> None:
    """Where it stands, what holds it back, and its priority if it is an unusual one."""
    task = row.task
    with tag("div", "chips"):
        chip(look_of(TASK, task.status))
        if row.held:
            chip(PAUSED)
        if task.cancel_requested and task.status == TaskStatus.IN_PROGRESS:
            chip(Look("block", "told to stop", "warn"))
        if task.priority != "normal":
            chip(look_of(PRIORITY, task.priority))


def draw_progress(task: TaskInfo) -> None:
    """A bar for what runs, and for what stopped on the way."""
    if task.status == TaskStatus.IN_PROGRESS or 0 < task.progress < 100:
        with tag("div", "progress"):
            bar(task.progress, f"{task.progress} percent")
            text(f"{task.progress} %", "seconds")
        if task.progress_message:
            text(task.progress_message, "quiet", name="p")


def _more_words(task: TaskInfo) -> list[str]:
    words = []
    if task.status == TaskStatus.PENDING and task.waiting_on:
        words.append(f"waits for {counted(task.waiting_on, 'other task')}")
    if task.status == TaskStatus.PENDING and task.run_at > now():
        seconds = (task.run_at - now()).total_seconds()
        again = "tried again" if task.retry_count else "starts"
        words.append(f"{again} {task.run_at:%Y-%m-%d %H:%M:%S} UTC" if seconds > 60 else f"{again} within a minute")
    failed = task.retry_count + (task.status in (TaskStatus.FAILED, TaskStatus.DEAD_LETTER))
    if failed:
        words.append(counted(failed, "failed try", "failed tries"))
    if task.started_at is not None and task.ended_at is not None and task.ended_at >= task.started_at:
        words.append(f"took {duration_in_words((task.ended_at - task.started_at).total_seconds())}")
    return words


# -- the picture -----------------------------------------------------------------------------------------------


def draw_around(around: Around) -> None:
    """What it waits for on the left, itself in the middle, what waits for it on the right, joined by lines."""
    with tag("div", "graph"):
        _draw_side(around.before, around.more_before, "Waits for", "nothing")
        _draw_lines(len(around.before) + bool(around.more_before), into=True)
        with tag("div", "graph-middle"):
            _draw_node(around.task, here=True)
        _draw_lines(len(around.after) + bool(around.more_after), into=False)
        _draw_side(around.after, around.more_after, "Waited for by", "nothing")


def nearest(tasks: Sequence[TaskInfo]) -> list[TaskInfo]:
    """The few that are drawn: what has not completed comes first, for that is what one looks for."""
    return sorted(tasks, key=lambda task: task.status == TaskStatus.COMPLETED)[:_MAX_NODES]


def _draw_side(tasks: Sequence[TaskInfo], more: int, words: str, nothing: str) -> None:
    with tag("div", "graph-side"):
        text(words if tasks else f"{words} {nothing}", "label", name="p")
        with tag("ol", "plain"):
            for task in tasks:
                with tag("li"):
                    _draw_node(task)
            if more:
                with tag("li"):
                    text(f"and {more} more", "quiet")


def _draw_node(task: TaskInfo, *, here: bool = False) -> None:
    look = look_of(TASK, task.status)
    with tag("span" if here else "a", f"node tone-{look.tone}") as node:
        icon(look.icon)
        with tag("span", "node-words"):
            text(task.name, "title")
            text(look.word)
    node.props["title"] = task.name[:_MAX_WORDS]
    if not here:
        node.props["href"] = f"/tasks/{task.id}"


def _draw_lines(count: int, *, into: bool) -> None:
    """Curves between the middle of one side and each of `count` nodes of equal height on the other."""
    height = max(count, 1) * _NODE
    with tag("svg", "graph-lines") as drawn:
        for number in range(count):
            far, near = (number + 0.5) * _NODE, height / 2
            start, end = (far, near) if into else (near, far)
            path = tag("path")
            path.props["d"] = f"M 0 {start:g} C 50 {start:g} 50 {end:g} 100 {end:g}"
            path.props["vector-effect"] = "non-scaling-stroke"
    drawn.style(f"height: {height}px")
    drawn.props["viewBox"] = f"0 0 100 {height}"
    drawn.props["preserveAspectRatio"] = "none"
    drawn.props["aria-hidden"] = "true"


# -- the story -------------------------------------------------------------------------------------------------


def story_of(row: TaskRow) -> list[Moment]:
    """What happened to it, oldest first: asked for, started, each failed try, its end."""
    task = row.task
    asked = Moment(at=task.created_at, look=Look("add_task", "submitted", "info"), words=f"by {row.requested_by}")
    found = [asked]
    if task.started_at is not None:
        found.append(
            Moment(at=task.started_at, look=Look("play_circle", "started", "info"), words="for the first time")
        )
    for one in task.tries:
        found.append(
            Moment(
                at=datetime.fromisoformat(str(one["at"])),
                look=Look("heart_broken", f"try {one['try']} failed", "bad"),
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
        return "all its tries are used up; it waits for somebody to run it anew"
    if task.status == TaskStatus.FAILED:
        return "trying again would not mend it"
    return ""


def draw_moment(moment: Moment) -> None:
    """One line of the story."""
    with tag("div", f"mark tone-{moment.look.tone}"):
        icon(moment.look.icon)
    with tag("div", "line"):
        with tag("p", "why"):
            at(moment.at)
            text(moment.look.word, "kind")
            if moment.words:
                text(moment.words)
        if moment.error:
            text(moment.error, "bad-words", name="p")
