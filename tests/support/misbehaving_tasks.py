"""What tests of tasks at odds with the rules share."""

from __future__ import annotations

from typing import Any

from opsteward.tasks.types import NewTask
from support.task_harness import WORK


def job(label: str = "", **more: Any) -> NewTask:
    return NewTask(task_type=WORK, name=label, params={"label": label}, **more)
