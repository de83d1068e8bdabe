"""How an import of users is shown: how far it is, what it did or would do, what was wrong. And the form for a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.elements import ago, bar, chip, icon, link, select, tag, text
from opsteward.console.names import Names
from opsteward.console.wording import IMPORT, PROBLEM, Look, counted, duration_in_words, look_of
from opsteward.core.errors import NotFound
from opsteward.directory.imports.jobs import Announcement, ImportInfo
from opsteward.tasks import queries as task_queries
from opsteward.tasks.types import TaskStatus

ERRORS_SHOWN = 50
_DRY = Look("science", "dry run", "info")
_ENDED_BADLY = {TaskStatus.CANCELLED, TaskStatus.FAILED, TaskStatus.DEAD_LETTER}
_MODES = {
    "create": ("Add", "Who is here already is an error."),
    "upsert": ("Add and change", "Who is here already is changed to what the file says."),
    "full": ("The file is everybody", "As above; and who is not in the file leaves, if that is not too many."),
}
_FORMATS = {
    "": "as its name says",
    "text/csv": "CSV",
    "application/x-ndjson": "NDJSON, one object a line",
    "application/json": "JSON, a list of objects",
    "text/ldif": "LDIF",
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
                stopped = "its task is gone"
            else:
                if task.status in _ENDED_BADLY:
                    stopped = task.error or f"its task is {task.status.replace('_', ' ')}"
        return cls(info=info, by=names.actor(info.requested_by), stopped=stopped)

    @property
    def status(self) -> str:
        """As it is shown."""
        return "failed" if self.stopped else self.info.status


def address_of(info: ImportInfo) -> str:
    """The page with this import opened."""
    return f"/users/import?job={info.job_id}"


# -- one import ------------------------------------------------------------------------------------------------


def draw_job(row: JobRow) -> None:
    """What it is, how far it is, and its figures."""
    info = row.info
    with tag("div", "chips"):
        chip(look_of(IMPORT, row.status))
        if info.dry_run:
            chip(_DRY)
    with tag("p", "why"):
        text(_MODES[info.mode][0])
        text(info.format.upper())
        text(f"by {row.by}")
        ago(info.created_at)
        if info.started_at is not None and info.ended_at is not None:
            text(f"took {duration_in_words((info.ended_at - info.started_at).total_seconds())}")
    if info.ended_at is None and not row.stopped:
        with tag("div", "progress"):
            bar(info.progress, f"{info.progress} % done")
            text(f"{info.progress} %", "seconds")
    if row.stopped:
        text(f"It stopped: {row.stopped}", "bad-words", name="p")
        link("See its task; run anew, it goes on where it stopped", f"/tasks/{info.task_id}")
    if info.error:
        text(info.error, "bad-words", name="p")
    _draw_figures(info)
    for note in info.notes:
        with tag("p", f"proof tone-{'bad' if note.startswith('nobody leaves') else 'info'}"):
            icon("shield" if note.startswith("nobody leaves") else "info")
            text(note)
    if info.dry_run and info.ended_at is not None:
        text("Nothing was written. If this is what you want, press Import.", "quiet", name="p")


def _draw_figures(info: ImportInfo) -> None:
    would = "would be " if info.dry_run else ""
    figures = [
        ("rows", info.rows, ""),
        (f"{would}added", info.created, "good"),
        (f"{would}changed", info.changed, "info"),
        ("as they are", info.unchanged, ""),
        ("refused", info.failed_imports, "bad"),
    ]
    if info.skipped:
        figures.append(("no users", info.skipped, ""))
    if info.mode == "full":
        figures.insert(4, ("would leave" if info.dry_run else "left", info.left, "warn"))
    with tag("dl", "figures"):
        for words, number, tone in figures:
            with tag("div", f"figure tone-{tone}" if tone and number else "figure"):
                text(words, "label", name="dt")
                text(f"{number:,}".replace(",", "\u202f"), "value", name="dd")


def draw_diff(diff: dict[str, Any]) -> None:
    """What a dry run has found that it would do: the first of each kind."""
    for kind, title, draw in (
        ("created", "Would be added", _draw_added),
        ("changed", "Would be changed", _draw_changed),
        ("left", "Would leave", lambda one: text(str(one.get("username", "")), "title")),
    ):
        found = diff.get(kind) or []
        if not found:
            continue
        with tag("details", "more") as drawn:
            text(f"{title}: the first {len(found)}" if len(found) > 1 else title, name="summary")
            with tag("ul", "plain rows"):
                for one in found:
                    with tag("li"):
                        draw(one)
        drawn.props["open"] = len(found) <= 10


def _draw_added(one: dict[str, Any]) -> None:
    with tag("p", "why"):
        text(f"row {one.get('row')}")
        text(str(one.get("username", "")), "title")
        text(str(one.get("role", "")))


def _draw_changed(one: dict[str, Any]) -> None:
    with tag("p", "why"):
        text(f"row {one.get('row')}")
        text(str(one.get("username", "")), "title")
    fields = one.get("fields")
    for name, values in sorted(fields.items()) if isinstance(fields, dict) else ():
        before, after = values if isinstance(values, list) and len(values) == 2 else (None, values)
        with tag("p", "before-after"):
            text(f"{name.replace('_', ' ')} ")
            text(_in_words(before), "before", name="del")
            icon("arrow_right_alt")
            text(_in_words(after), "after", name="ins")


def _in_words(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "none"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def draw_problems(state: tuple[ImportInfo, tuple[Announcement, ...]]) -> None:
    """The first errors and warnings by row, and the whole as a file."""
    info, problems = state
    number = info.error_count + info.warning_count
    with tag("div", "with-buttons"):
        words = f"{counted(info.error_count, 'error')}, {counted(info.warning_count, 'warning')}"
        text(f"{words}. The rows of errors were left out; warnings were taken.", "quiet", name="p")
        if info.ended_at is not None:
            with tag("div", "buttons"), tag("a", "button small") as press:
                icon("download")
                text("All as CSV")
            press.props["href"] = f"/api/v1/users/imports/{info.job_id}/errors"
            press.props["download"] = f"import-{info.job_id}-errors.csv"
    with tag("ul", "plain rows"):
        for one in problems:
            with tag("li", "problem"):
                chip(look_of(PROBLEM, one.kind))
                text("the file" if not one.row else f"row {one.row}", "place")
                with tag("span", "words"):
                    text(one.field, "title")
                    text(f" {one.reason} ")
                    if one.value:
                        text(one.value, name="code")
    if number > len(problems):
        text(f"These are the first {len(problems)} of {number}.", "quiet", name="p")


def draw_job_row(row: JobRow) -> None:
    """An import in short, as a link to it."""
    info = row.info
    with tag("a", "row-link") as whole:
        with tag("div", "row-head"):
            text(_in_short(info), "title")
            with tag("div", "chips"):
                if info.dry_run:
                    chip(_DRY)
                chip(look_of(IMPORT, row.status))
        with tag("p", "why"):
            text(_MODES[info.mode][0])
            text(f"by {row.by}")
            ago(info.created_at)
            if info.error_count:
                text(counted(info.error_count, "error"), "bad-words")
    whole.props["href"] = address_of(info)


def _in_short(info: ImportInfo) -> str:
    if info.ended_at is None:
        return f"{counted(info.rows, 'row')} so far, {info.progress} %"
    told = [(info.created, "added"), (info.changed, "changed"), (info.left, "left"), (info.failed_imports, "refused"),
            (info.skipped, "no users")]  # fmt: skip
    words = ", ".join(f"{number} {word}" for number, word in told if number)
    if words and info.dry_run:
        return f"would be: {words}"
    return words or f"{counted(info.rows, 'row')}, nothing to do"


# -- the form: console.js sends it ------------------------------------------------------------------------------


def draw_form(rules: Sequence[str]) -> Any:
    """A file, what is to become of it, and two buttons. It tells `begun` with the id of the job."""
    with tag("form", "import") as form:
        with tag("label", "drop"):
            icon("upload_file")
            text("Choose a file, or drop it here", "chosen title")
            text("CSV, NDJSON, JSON or LDIF; a million rows are fine", "quiet")
            given = tag("input")
        given.props["type"], given.props["name"] = "file", "file"
        given.props["accept"] = ".csv,.tsv,.txt,.ndjson,.jsonl,.json,.ldif,.ldf"
        with tag("fieldset", "choices"):
            text("What becomes of it", "label", name="legend")
            for value, (words, does) in _MODES.items():
                with tag("label", "choice"):
                    choice = tag("input")
                    with tag("span"):
                        text(words, "title")
                        text(does, "quiet")
                choice.props["type"], choice.props["name"], choice.props["value"] = "radio", "mode", value
                if value == "upsert":
                    choice.props["checked"] = True
        _draw_options(rules)
        with tag("div", "buttons"):
            _draw_press("Try it out", "science", "main", "dry")
            _draw_press("Import", "upload", "", "real")
        said = text("", "said", name="p")
        said.props["role"] = "status"
    form.props["data-import"] = "true"
    return form


def _draw_options(rules: Sequence[str]) -> None:
    with tag("details", "more"):
        text("Format, columns and roles", name="summary")
        with tag("div", "filters"):
            _name(select("Format", list(_FORMATS.items()), _nothing), "format")
            offered = [("", "each one's role"), *((name, name) for name in rules)]
            _name(select("Enrol all as", offered, _nothing), "enrollment_type")
        with tag("label", "field"):
            text("Columns that bear other names, one a line: column = field (or - to leave it out)", "label")
            columns = tag("textarea")
        columns.props["name"], columns.props["rows"], columns.props["maxlength"] = "mapping", "3", "15000"
        columns.props["placeholder"], columns.props["spellcheck"] = "Kürzel = username\nCost centre = -", "false"
        text(
            "Known without this: username, email, full_name (or first and last name), role, department, manager, "
            "external_id, tags, expires_at, and what HR systems and directories usually call them.",
            "quiet",
            name="p",
        )


def _nothing(_: str) -> None:
    """The form is read when it is sent."""


def _name(field: Any, name: str) -> None:
    field.default_slot.children[1].props["name"] = name


def _draw_press(words: str, picture: str, kind: str, send: str) -> None:
    with tag("button", f"button {kind}") as press:
        icon(picture)
        text(words)
    press.props["type"], press.props["data-send"] = "button", send
