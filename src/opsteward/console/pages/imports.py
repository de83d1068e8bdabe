"""Import of users: a file tried out, then taken; how far it is, what was wrong; and the imports before it."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncSession

from opsteward.console.addresses import id_of
from opsteward.console.import_rows import FORMATS, MODES, JobRow, value_in_words
from opsteward.console.languages import N_, _, said
from opsteward.console.names import Names
from opsteward.console.page import Page, Route, Visit, shows
from opsteward.console.wording import PROBLEM
from opsteward.directory.enrollment_rules.service import rules_of
from opsteward.directory.imports import jobs
from opsteward.directory.imports.batch_writing import IMPORT

_JOBS_SHOWN = 20
_ERRORS_SHOWN = 50
_DIFF = (("created", N_("Would be added")), ("changed", N_("Would be changed")), ("left", N_("Would leave")))


async def imports(visit: Visit, session: AsyncSession) -> Page:
    """The form, one import in full, and those before. The browser sends the file to the API itself."""
    names, given = await Names.read(session), visit.query("job", limit=64)
    job, problems, diff = None, [], []
    if given:
        info = await jobs.get(session, job_id=id_of(given, "import"))
        job = await JobRow.read(session, info, names)
        problems = list(await jobs.problems(session, job_id=info.job_id, limit=_ERRORS_SHOWN))
        if info.ended_at is not None and info.diff:
            diff = [(kind, _(title), info.diff[kind]) for kind, title in _DIFF if info.diff.get(kind)]
    found = await jobs.page(session, limit=_JOBS_SHOWN)
    return Page(
        template="imports.html",
        title=_("Import users"),
        about=(IMPORT,),
        values={
            "job": job,
            "problems": problems,
            "diff": diff,
            "in_words": value_in_words,
            "problem_looks": PROBLEM,
            "before": [JobRow(info=one, by=names.actor(one.requested_by)) for one in found],
            "rules": sorted((await rules_of(session)).by_name),
            "modes": {name: (_(title), _(does)) for name, (title, does) in MODES.items()},
            "formats": said(FORMATS),
            "may_write": visit.identity.may("users.write"),
        },
    )


ROUTES: tuple[Route, ...] = (shows("/users/import", imports, "users.read"),)
