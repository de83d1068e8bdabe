"""What can be wrong with new tasks, found before anything is written: times, unknown dependencies, circles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from graphlib import CycleError, TopologicalSorter
from uuid import UUID

from opsteward.core.errors import FieldProblem, Invalid
from opsteward.tasks.types import NewTask

#: Most problems that are named of one submission.
MAX_PROBLEMS = 20
#: Longest delay, and furthest start, in seconds: beyond it, use a schedule.
MAX_DELAY = 366 * 86_400.0


def time_problems(task: NewTask, at: datetime, where: str) -> Iterator[FieldProblem]:
    """What is wrong with when it is to run; `where` stands before the fields' names."""
    if task.delay is not None and task.run_at is not None:
        yield FieldProblem(field=f"{where}delay", problem="stands beside run_at", remedy="give one of them")
    if task.delay is not None and not 0 <= task.delay <= MAX_DELAY:
        yield FieldProblem(
            field=f"{where}delay", problem="is not between 0 and 366 days", remedy="give seconds from now"
        )
    if task.run_at is not None and task.run_at > at + timedelta(seconds=MAX_DELAY):
        yield FieldProblem(field=f"{where}run_at", problem="is over 366 days away", remedy="use a schedule")


def edges_of(tasks: Sequence[NewTask], refs: dict[str, int], ids: Sequence[UUID], *, single: bool) -> list[list[UUID]]:
    """The ids that each task depends on; `refs` are the tasks of this submission by their names. Raises Invalid."""
    edges: list[list[UUID]] = []
    problems: list[FieldProblem] = []
    for number, task in enumerate(tasks):
        field = "dependencies" if single else f"tasks.{number}.dependencies"
        found: dict[UUID, None] = {}
        for name in task.dependencies:
            if name in refs:
                found[ids[refs[name]]] = None
                continue
            try:
                found[UUID(name)] = None
            except ValueError:
                problem = f"{name[:80]!r} is neither a task's id nor a ref of this submission"
                problems.append(FieldProblem(field=field, problem=problem, remedy="name tasks that exist"))
                break
        if len(problems) >= MAX_PROBLEMS:
            break
        edges.append(list(found))
    if problems:
        raise Invalid(problems=problems)
    return edges


def refuse_circles(tasks: Sequence[NewTask], ids: Sequence[UUID], edges: Sequence[list[UUID]]) -> None:
    """What is there already can't depend on what is new, so only new tasks can stand in a circle."""
    number_of = {task_id: number for number, task_id in enumerate(ids)}
    inner = {n: [number_of[e] for e in targets if e in number_of] for n, targets in enumerate(edges) if targets}
    try:
        TopologicalSorter(inner).prepare()
    except CycleError as error:
        circle = [tasks[n].ref or tasks[n].name or f"tasks.{n}" for n in reversed(error.args[1])]
        shown = " -> ".join(name[:60] for name in circle[:10]) + (" -> ..." if len(circle) > 10 else "")
        raise Invalid.field("dependencies", f"go in a circle: {shown}", "remove one of them") from None
