"""One task: where it stands, what it waits for, its tries, what it was given and what it gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nicegui import ui
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from opsteward.accounts.types import Identity
from opsteward.console.addresses import id_of
from opsteward.console.elements import advice, ago, as_json, at, button, link, section, tag, text
from opsteward.console.keyed import KeyedList, one
from opsteward.console.live import LivePage
from opsteward.console.names import Names
from opsteward.console.services import ConsoleServices
from opsteward.console.sheet import Sheet, storable
from opsteward.console.tasks import (
    Around,
    Moment,
    TaskRow,
    draw_around,
    draw_moment,
    draw_progress,
    draw_task_chips,
    nearest,
    story_of,
)
from opsteward.console.wording import counted, duration_in_words
from opsteward.core.clock import now
from opsteward.core.feed import Notice
from opsteward.tasks import commands as task_commands
from opsteward.tasks import queries as task_queries
from opsteward.tasks.types import CHANGED, REDRIVABLE, TaskInfo, TaskStatus

_MAX_BEFORE = 200


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that the page of a task shows."""

    row: TaskRow
    around: Around
    story: list[Moment]


def install(services: ConsoleServices) -> None:
    """Serve the page at `/tasks/{id}`."""

    @ui.page("/tasks/{task_id}")
    async def task(request: Request, task_id: str) -> Response | None:
        return await TaskPage(services, request, task_id).open()


class TaskPage(LivePage[Seen]):
    """One task, and what can be done with it."""

    needs = ("tasks.read",)

    def __init__(self, services: ConsoleServices, request: Request, task_id: str) -> None:
        super().__init__(services, request)
        self._id_given = task_id

    def concerns(self, notice: Notice) -> bool:
        return notice.kind == CHANGED and notice.id in ("", self._id_given.lower())

    async def read(self, session: AsyncSession) -> Seen:
        task = await task_queries.get(session, task_id=id_of(self._id_given, "task"))
        names = await Names.read(session, ())
        before = await task_queries.several(session, ids=task.dependencies[:_MAX_BEFORE])
        after = await task_queries.dependents_of(session, task_id=task.id)
        shown_before, shown_after = nearest(before), nearest(after)
        row = TaskRow.of(task, names, self.pauses)
        return Seen(
            row=row,
            around=Around(
                task=task,
                before=shown_before,
                after=shown_after,
                more_before=len(task.dependencies) - len(shown_before),
                more_after=len(after) - len(shown_after),
            ),
            story=story_of(row),
        )

    def lay_out(self, data: Seen) -> None:
        self._sheet = Sheet()
        ui.page_title(f"{data.row.task.name[:80]} - Opsteward")
        with tag("section", "card head"):
            link("← Tasks", "/tasks", "back")
            text(data.row.task.name, name="h1")
            self._state = one(_draw_state)
            self._buttons = one(self._draw_buttons)
        with tag("div", "panes"):
            with tag("div", "pane"):
                self._around = one(_draw_around_card)
                self._error = one(_draw_error)
                self._result = one(_draw_result)
                with section("Parameters", "data_object", "late"):
                    _draw_data(data.row.task.parameters, "It was given none.")
                    if data.row.task.metadata:
                        text("Metadata", "label", name="p")
                        _draw_data(data.row.task.metadata, "")
            with tag("div", "pane"), section("What happened", "timeline"):
                self._story = KeyedList[Moment](
                    key=lambda moment: (moment.at, moment.look.word),
                    render=draw_moment,
                    empty=lambda: advice("Nothing yet."),
                    name="ol",
                    classes="timeline",
                )

    def show(self, data: Seen) -> None:
        task = data.row.task
        self._state.show([data.row])
        self._buttons.show([(task.status, task.cancel_requested, self.identity.may("tasks.write"))])
        around = data.around
        self._around.show([around] if around.before or around.after or around.more_before else [])
        self._error.show([data.row.error] if data.row.error else [])
        self._result.show([task] if task.status == TaskStatus.COMPLETED else [])
        self._story.show(data.story)

    def _draw_buttons(self, state: tuple[str, bool, bool]) -> None:
        status, told_to_stop, may_write = state
        can_cancel = status in (TaskStatus.PENDING, TaskStatus.IN_PROGRESS)
        if not may_write:
            text("You may read this. To act on it you need the role operator, admin or owner.", "quiet", name="p")
            return
        with tag("div", "buttons"):
            if can_cancel:
                why_not = "It was told to stop." if told_to_stop else ""
                button("Cancel", self._cancel, picture="block", kind="bad", why_not=why_not)
            if status in REDRIVABLE:
                button("Run it anew", self._redrive, picture="replay", kind="main")

    async def _cancel(self) -> None:
        reason = await self._sheet.ask(
            "Cancel this task?",
            fill=lambda: text("What waits for it is cancelled with it. What it has done already stays done.", name="p"),
            yes="Cancel the task",
            no="Keep it",
            picture="block",
            kind="bad",
        )
        if reason is None:
            return

        async def work(session: AsyncSession, by: Identity) -> object:
            return await task_commands.cancel(
                session, task_id=id_of(self._id_given, "task"), actor=by.actor, reason=storable(reason)
            )

        await self.act("tasks.write", work, done="Cancelled, or told to stop")

    async def _redrive(self) -> None:
        async def work(session: AsyncSession, by: Identity) -> object:
            return await task_commands.redrive(session, task_id=id_of(self._id_given, "task"), actor=by.actor)

        await self.act("tasks.write", work, done="It is run anew")


def _draw_around_card(around: Around) -> None:
    with section("Before and after", "account_tree"):
        draw_around(around)


def _draw_state(row: TaskRow) -> None:
    task = row.task
    draw_task_chips(row)
    with tag("p", "why"):
        text(task.task_type)
        text(f"by {row.requested_by}")
        ago(task.created_at)
        text(f"try {task.retry_count + 1} of {task.max_retries + 1}")
        if task.started_at is not None and task.ended_at is not None:
            text(f"took {duration_in_words(max(0.0, (task.ended_at - task.started_at).total_seconds()))}")
        if task.dedup_key:
            text(f"key {task.dedup_key}")
    if task.description:
        text(task.description, "plan", name="p")
    draw_progress(task)
    if task.status == TaskStatus.PENDING:
        _draw_waiting(task, held=row.held)


def _draw_waiting(task: TaskInfo, *, held: bool) -> None:
    with tag("p", "why"):
        if held:
            text("held back by a pause")
        if task.waiting_on:
            text(f"waits for {counted(task.waiting_on, 'other task')}")
        if task.run_at > now():
            at(task.run_at, "not before")


def _draw_error(error: str) -> None:
    with section("Error", "error"):
        text(error, "data bad-words", name="pre")


def _draw_result(task: TaskInfo) -> None:
    with section("Result", "output"):
        _draw_data(task.result_data, "It gave none.")


def _draw_data(value: Any, nothing: str) -> None:
    if value:
        text(as_json(value), "data", name="pre")
    elif nothing:
        text(nothing, "quiet", name="p")
