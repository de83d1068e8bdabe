"""Following one task to its end, with a progress bar on standard error."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from opsteward.cli import show
from opsteward.cli.client import CallFailed, Client, NoInstance
from opsteward.client.choices import ENDED
from opsteward.client.operations import controls, tasks
from opsteward.client.types.tasks import TaskWithNeighbours

_FIRST_PAUSE, _MAX_PAUSE = 0.05, 1.0  # seconds between looks
_PATIENCE = 60.0  # seconds that the instance may be away meanwhile
_ASK_FOR_PAUSES = 2.0  # seconds of waiting after which one wants to know why


def follow(client: Client, task_id: str) -> TaskWithNeighbours:
    """The task once it has ended, however that was. Raises CallFailed, NoInstance."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        shown = bar.add_task("pending", total=100)
        pause, why, asked_at = _FIRST_PAUSE, "", time.monotonic()
        while True:
            task = _look(client, task_id)
            if task["status"] == "pending" and time.monotonic() - asked_at > _ASK_FOR_PAUSES:
                why, asked_at = _why_it_waits(client, task), time.monotonic()
            words = why if task["status"] == "pending" and why else task["progress_message"] or task["status"]
            bar.update(shown, completed=task["progress"], description=show.plain(words)[:60])
            if task["status"] in ENDED:
                return task
            time.sleep(pause)
            pause = min(_MAX_PAUSE, pause * 1.3)


def _look(client: Client, task_id: str) -> TaskWithNeighbours:
    """The task as it stands; an instance that is away for a moment is waited for."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return client.send(tasks.get_task(task_id))
        except (CallFailed, NoInstance) as error:
            gone = isinstance(error, CallFailed) and error.status not in (429, 502, 503, 504)
            if gone or time.monotonic() > deadline:
                raise
            time.sleep(_MAX_PAUSE)


def _why_it_waits(client: Client, task: TaskWithNeighbours) -> str:
    if task["error"]:
        return f"tried {task['retry_count']} times, waits to be tried again"
    if task["waiting_on"]:
        return f"waits for {task['waiting_on']} other tasks"
    try:
        pauses = client.send(controls.list_pauses())["pauses"]
    except CallFailed:  # who may submit need not be allowed to see this
        return ""
    held = [one for one in pauses if one["scope"] in ("everything", "tenant") or one["target"] == task["task_type"]]
    return f"paused: {held[0]['scope'].replace('_', ' ')}. {held[0]['reason']}" if held else ""
