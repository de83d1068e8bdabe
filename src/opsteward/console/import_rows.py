"""An import of users as it is shown: who asked for it, whether it still runs, and what it did in short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.languages import N_, _, ngettext
from opsteward.console.names import Names
from opsteward.console.wording import TASK, look_of
from opsteward.core.errors import NotFound
from opsteward.directory.imports.jobs import ImportInfo
from opsteward.tasks import queries as task_queries
from opsteward.tasks.types import TaskStatus

_ENDED_BADLY = {TaskStatus.CANCELLED, TaskStatus.FAILED, TaskStatus.DEAD_LETTER}
#: What becomes of the people in a file: its name, and what it does.
MODES = {
    "create": (N_("Add"), N_("Who is here already is an error.")),
    "upsert": (N_("Add and change"), N_("Who is here already is changed to what the file says.")),
    "full": (N_("The file is everybody"), N_("As above; and who is not in the file leaves, if that is not too many.")),
}
FORMATS = {
    "": N_("as its name says"),
    "text/csv": "CSV",
    "application/x-ndjson": N_("NDJSON, one object a line"),
    "application/json": N_("JSON, a list of objects"),
    "text/ldif": "LDIF",
    "application/xml": "XML",
    "text/vcard": "vCard",
}


@dataclass(frozen=True, kw_only=True)
class JobRow:
    """An import with the name of who asked for it; `stopped` is why it will not end by itself."""

    info: ImportInfo
    by: str
    stopped: str = ""

    @classmethod
    async def read(cls, session: AsyncSession, info: ImportInfo, names: Names) -> JobRow:
        """From a job that may still run: its task says whether it does."""
        stopped = ""
        if info.ended_at is None and info.task_id is not None:
            try:
                task = await task_queries.get(session, task_id=info.task_id)
            except NotFound:
                stopped = _("its task is gone")
            else:
                if task.status in _ENDED_BADLY:
                    stopped = task.error or _("its task is %(status)s", status=look_of(TASK, task.status).word)
        return cls(info=info, by=names.actor(info.requested_by), stopped=stopped)

    @property
    def status(self) -> str:
        """As it is shown."""
        return "failed" if self.stopped else self.info.status

    @property
    def short(self) -> str:
        """What it did, or would do."""
        return _in_short(self.info)

    @property
    def mode(self) -> str:
        """What was to become of the people in the file."""
        return _(MODES[self.info.mode][0])

    @property
    def figures(self) -> list[tuple[str, int, str]]:
        """Words, number and tone."""
        return _figures(self.info)


def _figures(info: ImportInfo) -> list[tuple[str, int, str]]:
    would = info.dry_run
    figures = [
        (_("rows"), info.rows, ""),
        (_("would be added") if would else _("added"), info.created, "good"),
        (_("would be changed") if would else _("changed"), info.changed, "info"),
        (_("as they are"), info.unchanged, ""),
        (_("refused"), info.failed_imports, "bad"),
    ]
    if info.skipped:
        figures.append((_("no users"), info.skipped, ""))
    if info.mode == "full":
        figures.insert(4, (_("would leave") if would else _("left"), info.left, "warn"))
    return figures


def _in_short(info: ImportInfo) -> str:
    if info.ended_at is None:
        return ngettext(
            "%(num)s row so far, %(percent)s %%",
            "%(num)s rows so far, %(percent)s %%",
            info.rows,
            percent=info.progress,
        )
    told = [(info.created, _("added")), (info.changed, _("changed")), (info.left, _("left")),
            (info.failed_imports, _("refused")), (info.skipped, _("no users"))]  # fmt: skip
    words = ", ".join(f"{number} {word}" for number, word in told if number)
    if words and info.dry_run:
        return _("would be: %(words)s", words=words)
    return words or ngettext("%(num)s row, nothing to do", "%(num)s rows, nothing to do", info.rows)


def value_in_words(value: Any) -> str:
    """A value of a field before or after."""
    if value is None or value in ("", [], {}):
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
