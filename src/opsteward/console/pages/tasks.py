"""The tasks: where they all stand, those that one looks for, dead letters, and the schedules that submit them."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from urllib.parse import urlencode

from nicegui import ui
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from opsteward.accounts.types import Identity
from opsteward.console.addresses import cursor_of
from opsteward.console.elements import advice, at, button, chip, link, section, select, tag, text
from opsteward.console.keyed import KeyedList, one
from opsteward.console.live import LivePage
from opsteward.console.names import Names
from opsteward.console.services import ConsoleServices
from opsteward.console.shares import draw_legend, draw_shares
from opsteward.console.sheet import Sheet
from opsteward.console.tasks import TaskRow, draw_task_row
from opsteward.console.wording import PAUSED, TASK, counted, look_of
from opsteward.core.errors import Invalid
from opsteward.core.feed import Notice
from opsteward.tasks import commands as task_commands
from opsteward.tasks import queries as task_queries
from opsteward.tasks.types import CHANGED, PRIORITIES, REDRIVABLE, SCHEDULES, ScheduleInfo, TaskStatus

_PAGE = 50
_MAX_SCHEDULES = 50


@dataclass(frozen=True)
class Filter:
    """What one looks for, as it stands in the page's address."""

    status: str = ""
    type: str = ""
    priority: str = ""
    before: str = ""

    def address(self, **changed: str) -> str:
        """The page with some of it changed; another filter begins at the newest again."""
        query = {"status": self.status, "type": self.type, "priority": self.priority, **changed}
        given = urlencode({name: value for name, value in query.items() if value})
        return f"/tasks?{given}" if given else "/tasks"

    def check(self) -> None:
        """Raises Invalid for what an address of ours never holds."""
        if self.status and self.status not in set(TaskStatus):
            raise Invalid.field("status", f"{self.status[:40]!r} is none", f"use one of {', '.join(TaskStatus)}")
        if self.priority and self.priority not in PRIORITIES:
            raise Invalid.field("priority", f"{self.priority[:40]!r} is none", f"use one of {', '.join(PRIORITIES)}")
        if "\x00" in self.type or len(self.type) > 100:
            raise Invalid.field("type", "is no task type", "choose one of the list")


@dataclass(frozen=True, kw_only=True)
class ScheduleRow:
    schedule: ScheduleInfo
    may_change: bool


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that the page shows."""

    counts: dict[str, int]
    tasks: list[TaskRow]
    older: str
    schedules: list[ScheduleRow]


def install(services: ConsoleServices) -> None:
    """Serve the page at `/tasks`."""

    @ui.page("/tasks")
    async def tasks(request: Request) -> Response | None:
        return await TasksPage(services, request).open()


class TasksPage(LivePage[Seen]):
    """The newest tasks that fit a filter, the counts of all, and the schedules."""

    needs = ("tasks.read",)

    def __init__(self, services: ConsoleServices, request: Request) -> None:
        super().__init__(services, request)
        self._filter = Filter(*(request.query_params.get(f.name, "") for f in fields(Filter)))

    def concerns(self, notice: Notice) -> bool:
        return notice.kind in (CHANGED, SCHEDULES)

    async def read(self, session: AsyncSession) -> Seen:
        wanted = self._filter
        wanted.check()
        found = await task_queries.page(
            session,
            status=wanted.status or None,
            task_type=wanted.type or None,
            priority=wanted.priority or None,
            before=cursor_of(wanted.before, "before"),
            limit=_PAGE,
        )
        names = await Names.read(session, ())
        may_write = self.identity.may("tasks.write")
        schedules = await self.services.schedules.page(session)
        return Seen(
            counts=await task_queries.counts(session),
            tasks=[TaskRow.of(task, names, self.pauses) for task in found],
            older=wanted.address(before=str(found[-1].id)) if len(found) == _PAGE else "",
            schedules=[ScheduleRow(schedule=s, may_change=may_write) for s in schedules],
        )

    def lay_out(self, data: Seen) -> None:
        ui.page_title("Tasks - Opsteward")
        self._sheet = Sheet()
        with tag("div", "headline"):
            self._headline = text("", name="h1")
            self._headline.props["aria-live"] = "polite"
        with tag("section", "card head"):
            self._picture = one(partial(draw_shares, TASK))
            self._legend = one(self._draw_legend)
        with tag("div", "panes"):
            with tag("div", "pane"), section("Tasks", "task_alt"):
                self._lay_out_filter()
                self._redrive = one(self._draw_redrive)
                self._tasks = KeyedList[TaskRow](key=lambda row: row.task.id, render=draw_task_row, empty=self._nothing)
                self._pager = one(self._draw_pager)
            with tag("div", "pane"), section("Schedules", "event_repeat", "late"):
                self._schedules = KeyedList[ScheduleRow](
                    key=lambda row: row.schedule.id, render=self._draw_schedule, empty=_no_schedule
                )
                self._more_schedules = text("", "quiet", name="p")

    def _lay_out_filter(self) -> None:
        types = sorted({*self.services.task_types.types, *([self._filter.type] if self._filter.type else [])})
        with tag("div", "filters"):
            select(
                "Type",
                [("", "all types"), *((slug, slug) for slug in types)],
                lambda value: self._client.open(self._filter.address(type=value)),
                chosen=self._filter.type,
            )
            select(
                "Priority",
                [("", "all priorities"), *((name, name) for name in PRIORITIES)],
                lambda value: self._client.open(self._filter.address(priority=value)),
                chosen=self._filter.priority,
            )

    def show(self, data: Seen) -> None:
        self._headline.set_text(_headline(data.counts))
        self._picture.show([tuple(data.counts.items())])
        self._legend.show([tuple(data.counts.items())])
        ended = data.counts.get(self._filter.status, 0) if self._filter.status in REDRIVABLE else 0
        self._redrive.show([ended if self.identity.may("tasks.write") else 0])
        self._tasks.show(data.tasks)
        self._pager.show([data.older])
        self._schedules.show(data.schedules[:_MAX_SCHEDULES])
        hidden = len(data.schedules) - _MAX_SCHEDULES
        self._more_schedules.set_text(f"and {hidden} more: opsteward schedules list" if hidden > 0 else "")

    def _draw_legend(self, counts: tuple[tuple[str, int], ...]) -> None:
        draw_legend(
            TASK, counts, chosen=self._filter.status, address=lambda status: self._filter.address(status=status)
        )

    def _draw_pager(self, older: str) -> None:
        with tag("div", "buttons"):
            if self._filter.before:
                link("Newest", self._filter.address(), "button small")
            if older:
                link("Older", older, "button small")

    def _nothing(self) -> None:
        if self._filter == Filter():
            advice(
                "No task was submitted yet. To see one run:", "opsteward tasks submit opsteward.echo --params seconds=5"
            )
        else:
            advice("No task fits.")
            link("Show all", "/tasks")

    # -- what one can do ---------------------------------------------------------------------------------------

    def _draw_redrive(self, count: int) -> None:
        if count:
            all_of_them = f"Run all {count} anew" if not self._filter.type else "Run them all anew"
            with tag("div", "buttons"):
                button(all_of_them, self._redrive_all, picture="replay", kind="main")

    async def _redrive_all(self) -> None:
        wanted = self._filter
        kind = f" of the type {wanted.type}" if wanted.type else ""
        what = look_of(TASK, wanted.status).word
        answer = await self._sheet.ask(
            f"Run all tasks{kind} anew that ended as “{what}”?",
            fill=lambda: text("Each begins again, with all its tries; at most 10,000 at once.", name="p"),
            yes="Run them anew",
            picture="replay",
            kind="main",
            with_reason=False,
        )
        if answer is None:
            return

        async def work(session: AsyncSession, by: Identity) -> object:
            return await task_commands.redrive_all(
                session, status=wanted.status, task_type=wanted.type or None, actor=by.actor
            )

        await self.act("tasks.write", work, done="They are run anew")

    def _draw_schedule(self, row: ScheduleRow) -> None:
        schedule = row.schedule
        with tag("div", "row-head"):
            text(schedule.name, "title")
            if schedule.paused:
                chip(PAUSED)
        with tag("p", "why"):
            text(schedule.cron, name="code")
            text(schedule.timezone)
            text(str(schedule.task.get("task_type", "")))
        with tag("p", "why"):
            if not schedule.paused:
                at(schedule.next_at, "next")
            if schedule.last_at is not None:
                at(schedule.last_at, "last")
        if schedule.last_error:
            text(schedule.last_error, "bad-words", name="p")
        if row.may_change:
            words, picture = ("Resume", "play_arrow") if schedule.paused else ("Pause", "pause")
            with tag("div", "buttons"):
                button(words, partial(self._change, schedule), picture=picture)

    async def _change(self, schedule: ScheduleInfo) -> None:
        async def work(session: AsyncSession, by: Identity) -> object:
            return await self.services.schedules.set_paused(
                session, schedule_id=schedule.id, paused=not schedule.paused, actor=by.actor
            )

        done = f"{schedule.name} fires again" if schedule.paused else f"{schedule.name} is paused"
        await self.act("tasks.write", work, done=done)


def _headline(counts: dict[str, int]) -> str:
    running, waiting = counts[TaskStatus.IN_PROGRESS], counts[TaskStatus.PENDING]
    dead = counts[TaskStatus.DEAD_LETTER]
    parts = [
        counted(running, "task runs", "tasks run") if running else "",
        counted(waiting, "task waits", "tasks wait") if waiting else "",
        counted(dead, "dead letter") if dead else "",
    ]
    return ", ".join(part for part in parts if part) or "No task runs or waits"


def _no_schedule() -> None:
    advice("A schedule submits a task again and again:")
    advice("Every morning at six:", "opsteward schedules create morning '0 6 * * *' opsteward.echo")
