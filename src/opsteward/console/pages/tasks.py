"""Tasks: counts, the list with its filters, one task, and what can be done with them."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.accounts.named_actors import Said, with_actors
from opsteward.console.languages import _, ngettext, said
from opsteward.console.names import Names
from opsteward.console.page import Done, Page, Route, Visit, does, shows
from opsteward.console.sorting import sorting
from opsteward.console.task_rows import TaskRow, nearest, story_of
from opsteward.console.wording import PRIORITY, TASK
from opsteward.core.clock import now
from opsteward.core.errors import Invalid
from opsteward.tasks import commands as task_commands
from opsteward.tasks import controls
from opsteward.tasks import queries as task_queries
from opsteward.tasks.types import CHANGED, REDRIVABLE, NewTask, TaskStatus

REQUESTER = Said("requested_by", "created_at", "requester")
_PAGE = 50
_BEFORE_LIMIT = 200
STATUSES = {status.value: TASK[status].english for status in TaskStatus}
PRIORITIES = {name: look.english for name, look in PRIORITY.items()}


async def tasks(visit: Visit, session: AsyncSession) -> Page:
    """The newest that fit, and how many there are of each status."""
    status, priority = visit.choice("status", STATUSES), visit.choice("priority", PRIORITIES)
    task_type, called = visit.query("type", limit=100), visit.query("ref", limit=100)
    order = sorting(visit, {"submitted": True})
    found = await task_queries.page(
        session,
        status=status or None,
        task_type=task_type or None,
        priority=priority or None,
        ref=called or None,
        before=visit.cursor("before"),
        oldest_first=not order.descending,
        limit=_PAGE + 1,
    )
    found = await with_actors(session, found, REQUESTER)
    names, pauses = await Names.read(session), await controls.in_force(session)
    counts = await task_queries.counts(session)
    types = {slug: slug for slug in sorted({*visit.services.task_types.types, *([task_type] if task_type else [])})}
    may_write = visit.identity.may("tasks.write")
    return Page(
        template="tasks.html",
        title=_("Tasks"),
        about=(CHANGED,),
        values={
            "headline": _headline(counts),
            "rows": [TaskRow.of(task, names, pauses) for task in found[:_PAGE]],
            "everything": (sum(counts.values()), visit.address(status="")),
            "counts": [(name, number, visit.address(status=name)) for name, number in counts.items()],
            "filters": [
                ("status", _("State"), said(STATUSES), status),
                ("type", _("Type"), types, task_type),
                ("priority", _("Priority"), said(PRIORITIES), priority),
            ],
            "by": order.heads,
            "sorting": order,
            "types": sorted(visit.services.task_types.types),
            "priorities": said(PRIORITIES),
            "may_write": may_write,
            "called": called,
            "filtered": bool(status or task_type or priority or called),
            "redrivable": counts.get(status, 0) if status in REDRIVABLE and may_write else 0,
            "status": status,
            "task_type": task_type,
            "next": visit.address(before=str(found[_PAGE - 1].id)) if len(found) > _PAGE else "",
            "first": visit.address() if visit.query("before") else "",
        },
    )


def _headline(counts: dict[str, int]) -> str:
    running, waiting = counts[TaskStatus.IN_PROGRESS], counts[TaskStatus.PENDING]
    dead = counts[TaskStatus.DEAD_LETTER]
    parts = [
        ngettext("%(num)s task runs", "%(num)s tasks run", running) if running else "",
        ngettext("%(num)s task waits", "%(num)s tasks wait", waiting) if waiting else "",
        ngettext("%(num)s dead letter", "%(num)s dead letters", dead) if dead else "",
    ]
    return ", ".join(part for part in parts if part) or _("No task runs or waits")


async def one(visit: Visit, session: AsyncSession) -> Page:
    """Where it stands, what it waits for, its tries, what it was given and what it gave."""
    found = await task_queries.get(session, task_id=visit.id("task_id", "task"))
    (task,) = await with_actors(session, [found], REQUESTER)
    before = await task_queries.several(session, ids=task.dependencies[:_BEFORE_LIMIT])
    after = await task_queries.dependents_of(session, task_id=task.id)
    row = TaskRow.of(task, await Names.read(session), await controls.in_force(session))
    shown_before, shown_after = nearest(before), nearest(after)
    return Page(
        template="task.html",
        title=task.name[:80],
        about=(f"{CHANGED}:{task.id}", f"{CHANGED}:"),
        values={
            "row": row,
            "task": task,
            "story": story_of(row),
            "before": shown_before,
            "more_before": len(task.dependencies) - len(shown_before),
            "after": shown_after,
            "more_after": len(after) - len(shown_after),
            "later": task.run_at > now(),
            "may_write": visit.identity.may("tasks.write"),
            "can_cancel": task.status in (TaskStatus.PENDING, TaskStatus.IN_PROGRESS),
            "can_redrive": task.status in REDRIVABLE,
        },
    )


async def _cancel(visit: Visit, session: AsyncSession) -> Done:
    task_id = visit.id("task_id", "task")
    await task_commands.cancel(session, task_id=task_id, actor=visit.identity.actor, reason=visit.reason)
    return Done(to=f"/tasks/{task_id}", words=_("Cancelled, or told to stop"))


async def _redrive(visit: Visit, session: AsyncSession) -> Done:
    task_id = visit.id("task_id", "task")
    await task_commands.redrive(session, task_id=task_id, actor=visit.identity.actor)
    return Done(to=f"/tasks/{task_id}", words=_("It is run anew"))


async def _submit(visit: Visit, session: AsyncSession) -> Done:
    delay = visit.text("delay", limit=12)
    if delay and not (delay.isascii() and delay.isdecimal()):
        raise Invalid.field("delay", "is no number of seconds", "write digits, or nothing to begin at once")
    new = NewTask(
        task_type=visit.text("task_type", limit=100, required=True),
        name=visit.text("name", limit=200),
        params=visit.json_object("parameters"),
        priority=_priority(visit),
        delay=float(delay) if delay else None,
    )
    [told] = await visit.services.submission.submit(session, tasks=[new], actor=visit.identity.actor)
    return Done(to=f"/tasks/{told.id}", words=_("It is submitted"))


def _priority(visit: Visit) -> str:
    given = visit.text("priority") or "normal"
    if given not in PRIORITIES:
        raise Invalid.field("priority", f"{given[:40]!r} is none", f"use one of {', '.join(PRIORITIES)}")
    return given


async def _redrive_all(visit: Visit, session: AsyncSession) -> Done:
    status = visit.text("status")
    if status not in REDRIVABLE:
        raise Invalid.field("status", "is none that can be run anew", f"use one of {', '.join(sorted(REDRIVABLE))}")
    await task_commands.redrive_all(
        session, status=status, task_type=visit.text("type", limit=100) or None, actor=visit.identity.actor
    )
    return Done(to="/tasks", words=_("They are run anew"))


ROUTES: tuple[Route, ...] = (
    shows("/tasks", tasks, "tasks.read"),
    does("/tasks", _submit, "tasks.write"),
    does("/tasks/redrive", _redrive_all, "tasks.write"),
    shows("/tasks/{task_id}", one, "tasks.read"),
    does("/tasks/{task_id}/cancel", _cancel, "tasks.write"),
    does("/tasks/{task_id}/redrive", _redrive, "tasks.write"),
)
