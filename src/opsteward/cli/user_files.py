"""Sending a file of users and following what becomes of it, with a progress bar on standard error."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from opsteward.cli import show
from opsteward.cli.client import CallFailed, Client, NoInstance
from opsteward.client import user_files
from opsteward.client.connection import Call
from opsteward.client.operations import users
from opsteward.client.types.users import ImportReport

_FIRST_PAUSE, _MAX_PAUSE = 0.05, 1.0  # seconds between looks
_PATIENCE = 60.0  # seconds that the instance may be away meanwhile
_ANSWER_WITHIN = 600.0  # seconds


def send_and_follow(call: Call[ImportReport], path: Path, *, whole: bool) -> ImportReport:
    """The import's report once it has ended; with all users and errors if it is to be `whole`.

    Raises CallFailed, NoInstance.
    """
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    client = Client(timeout=_ANSWER_WITHIN)
    with Progress(*columns, console=Console(stderr=True)) as bar:
        sent = bar.add_task("sent", total=path.stat().st_size)
        report = client.send(call, user_files.pieces(path, lambda size: bar.advance(sent, size)))
        done, pause = bar.add_task("imported", total=100), _FIRST_PAUSE
        while True:
            words = f"{report['rows']} rows, {report['failed_imports']} refused"
            bar.update(done, completed=report["progress"], description=show.plain(words))
            if user_files.ended(report):
                break
            time.sleep(pause)
            pause = min(_MAX_PAUSE, pause * 1.3)
            report = _look(client, report["job_id"])
    return _whole(client, report) if whole else report


def _whole(client: Client, report: ImportReport) -> ImportReport:
    """The report with all of its users and errors."""
    if user_files.lacks_ids(report):
        ids: list[str] = []
        after: str | None = None
        while page := client.send(users.imported_users(report["job_id"], after=after, limit=user_files.MAX_IDS))[
            "items"
        ]:
            ids += [one["id"] for one in page]
            after = ids[-1]
        report["user_ids"] = ids
    if user_files.lacks_errors(report):
        report["errors"] = user_files.errors_of(client.send(users.import_errors(report["job_id"], format="ndjson")))
    return report


def _look(client: Client, job_id: str) -> ImportReport:
    """The import as it stands; an instance that is away for a moment is waited for."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return client.send(user_files.get_import(job_id))
        except (CallFailed, NoInstance) as error:
            gone = isinstance(error, CallFailed) and error.status not in (429, 502, 503, 504)
            if gone or time.monotonic() > deadline:
                raise
            time.sleep(_MAX_PAUSE)
