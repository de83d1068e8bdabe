"""Import of users: a file tried out, then taken; how far it is, what was wrong; and the imports before it."""

from __future__ import annotations

from dataclasses import dataclass

from nicegui import ui
from nicegui.events import GenericEventArguments
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from opsteward.console.addresses import id_of
from opsteward.console.elements import advice, link, section, tag, text
from opsteward.console.imports import (
    ERRORS_SHOWN,
    JobRow,
    draw_diff,
    draw_form,
    draw_job,
    draw_job_row,
    draw_problems,
)
from opsteward.console.keyed import KeyedList, one
from opsteward.console.live import LivePage
from opsteward.console.names import Names
from opsteward.console.services import ConsoleServices
from opsteward.core.errors import NotFound
from opsteward.core.feed import Notice
from opsteward.directory.enrollment_rules.service import rules_of
from opsteward.directory.imports import jobs
from opsteward.directory.imports.jobs import Announcement
from opsteward.directory.imports.writing import IMPORT

_JOBS = 20


@dataclass(frozen=True, kw_only=True)
class Seen:
    """All that the page shows. `job` is the one that is opened."""

    job: JobRow | None
    problems: tuple[Announcement, ...]
    before: list[JobRow]
    rules: list[str]


def install(services: ConsoleServices) -> None:
    """Serve the page at `/users/import`."""

    @ui.page("/users/import")
    async def imports(request: Request) -> Response | None:
        return await ImportsPage(services, request).open()


class ImportsPage(LivePage[Seen]):
    """The form, one import in full, and those before. The browser sends the file to the API itself."""

    needs = ("users.read",)

    def __init__(self, services: ConsoleServices, request: Request) -> None:
        super().__init__(services, request)
        self._job_given = request.query_params.get("job", "")

    def concerns(self, notice: Notice) -> bool:
        return notice.kind == IMPORT

    async def read(self, session: AsyncSession) -> Seen:
        names = await Names.read(session, ())
        job, problems = None, []
        if self._job_given:
            info = await jobs.get(session, job_id=id_of(self._job_given, "import"))
            job = await JobRow.read(session, info, names)
            problems = await jobs.problems(session, job_id=info.job_id, limit=ERRORS_SHOWN)
        found = await jobs.page(session, limit=_JOBS)
        return Seen(
            job=job,
            problems=tuple(problems),
            before=[JobRow(info=info, by=names.actor(info.requested_by)) for info in found],
            rules=sorted((await rules_of(session)).by_name),
        )

    def lay_out(self, data: Seen) -> None:
        ui.page_title("Import users - Opsteward")
        with tag("div", "headline"):
            link("← Users", "/users", "back")
            text("Import users", name="h1")
        with tag("div", "panes"):
            with tag("div", "pane"):
                with section("A file of users", "upload_file"):
                    if self.identity.may("users.write"):
                        form = draw_form(data.rules)
                        form.on("begun", self._begun, js_handler="(e) => emit(e.detail)")
                    else:
                        words = "You may look at imports. To import you need the role operator, admin or owner."
                        text(words, "quiet", name="p")
                self._card = one(lambda _: self._lay_out_job())
            with tag("div", "pane"), section("Imports so far", "history"):
                self._before = KeyedList[JobRow](
                    key=lambda row: row.info.job_id,
                    render=draw_job_row,
                    empty=lambda: advice("None yet. The command line does the same:", "opsteward users import FILE"),
                )

    def _lay_out_job(self) -> None:
        with section("This import", "fact_check", "job"):
            self._job = one(draw_job)
            self._diff = one(draw_diff)
            self._problems = one(draw_problems)

    def show(self, data: Seen) -> None:
        self._card.show([0] if data.job is not None else [])
        if data.job is not None:
            info = data.job.info
            ended = info.ended_at is not None
            self._job.show([data.job])
            self._diff.show([info.diff] if ended and info.diff else [])
            self._problems.show([(info, data.problems)] if data.problems else [])
        self._before.show(data.before)

    async def _begun(self, event: GenericEventArguments) -> None:
        """The browser has sent a file: show what becomes of it."""
        given = str(event.args)[:64]
        try:
            job_id = id_of(given, "import")
        except NotFound as error:
            self.tell(error.detail, picture="error")
            return
        self._job_given = str(job_id)
        await self.look_again()
