"""README and guides as a reader types them: in a shell, in order, on a fresh instance and again on the one then used.

The reader's part is played where a page says so: the address and home that their own `up` printed, and an id that they
copy from the list before it (`ID`).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.guide_pages import Example, examples
from support.live import Live, running_instance
from support.typed_command import typed_command

_ROOT = Path(__file__).parents[2]
_GUIDES = sorted((_ROOT / "docs" / "guides").glob("*.md"))
#: In a reader's order; `python.md` has a test of its own, with an instance of the program's own.
_PAGES = [
    _ROOT / "README.md",
    *(page for page in _GUIDES if page.name != "python.md"),
    *sorted((_ROOT / "docs" / "concepts").glob("*.md")),
]

#: What is not typed here, by its beginning, and why.
NOT_TYPED = {
    "make ": "sets up or runs the whole tests; tests/installation and .ci run them",
    ".venv/bin/python -m hatchling": "tests/installation builds and installs the wheel",
    "env/bin/pip": "tests/installation builds and installs the wheel",
    ". .venv/bin/activate": "the test's own environment is on the path already",
    "opsteward worker": "runs until it is ended; tests/workflows run it",
    "opsteward lab ": "breaks a real shop for a minute; tests/lab run it",
    "opsteward bench ": "loads the machine; test_load_tools runs it smaller",
    "opsteward soak": "loads the machine; test_load_tools runs it smaller",
    "opsteward approvals approve": "needs the lab's broken shop; tests/api/test_approvals_api.py",
    "opsteward approvals show": "needs the lab's broken shop; tests/api/test_approvals_api.py",
    "opsteward approvals refuse": "needs the lab's broken shop; tests/api/test_approvals_api.py",
    "curl -X POST http://127.0.0.1:8080/api/v1/approvals/ID": "needs the lab; tests/api/test_approvals_api.py",
    "curl -X POST http://127.0.0.1:8080/api/v1/approvals/decide": "needs the lab; tests/api/test_approvals_api.py",
    "curl -X POST http://127.0.0.1:8080/api/v1/actions": "needs the lab's shop; tests/workflows/test_the_door.py",
    "opsteward incidents show NUMBER": "the incident of the lab's shop; `incidents show 1` is typed",
    "opsteward systems register orders-db.json": "needs a database of the reader's; tests/integrations",
    "opsteward diagnose orders-db": "needs the database registered before it; tests/integrations",
    "opsteward operators password": "asks on a terminal; tests/e2e/test_sign_in.py",
    "curl -c cookies": "needs the password that grace has set; tests/api/test_password_sign_in.py",
    "opsteward notifications test": "needs a service of the reader's; tests/oncall send to real ones",
    "opsteward runbooks run": "needs the lab's broken shop; tests/api/test_runbooks.py",
    "opsteward sync decide": "needs a conflict; tests/workflows/test_sync_by_an_operator.py",
    "opsteward accounts excess": "needs a database of the reader's; tests/workflows/test_kept_access.py",
    "opsteward accounts remove-access": "needs a database of the reader's; tests/workflows/test_kept_access.py",
    "opsteward accounts adopt-access": "needs a database of the reader's; tests/workflows/test_kept_access.py",
    "opsteward sources map": "needs a sample of the reader's; tests/api/test_intake_api.py",
    "DATABASE_URL=": "needs a server of the reader's; tests/database",
    "OTEL_EXPORTER_OTLP_ENDPOINT=": "starts a further instance; tests/workflows/test_traces.py",
}
#: Where the ids of a group of commands are looked up, if not by its `list`.
_LISTED_BY = {"sync": "status"}
#: Words with which a used instance refuses to make a second thing of the same name.
_THERE_ALREADY = re.compile(r"taken|already|exists|can't approve two stages", re.IGNORECASE)
_MAKES = re.compile(
    r"opsteward (operators|tenants|schedules|sources dsn) create|opsteward (agents|systems) register"
    r"|opsteward users import|opsteward inhibitions add|opsteward incidents acknowledge"
    r"|opsteward enrollments approve|curl -X POST"
)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Somebody at a shell beside a running instance, in a folder of their own."""

    live: Live
    folder: Path
    variables: dict[str, str]

    def types(self, command: str) -> subprocess.CompletedProcess[str]:
        """One command; what it exports stays for the next ones of the page."""
        script = f"{self._own(command)}\nstatus=$?\nexport -p > .exported\nexit $status\n"
        return subprocess.run(
            ["timeout", "60", "bash", "-c", f"[ -f .exported ] && . ./.exported; cd {self.folder}; {script}"],
            cwd=self.folder,
            env=self.variables,
            input="y\n",
            capture_output=True,
            text=True,
            check=False,
        )

    def in_own_places(self, text: str) -> str:
        """With the reader's address, home and folder for those that the page shows."""
        for shown, own in (
            ("http://127.0.0.1:8080", self.live.url),
            ("/home/you/.local/share/opsteward", str(self.live.home)),
            ("/srv/lists", str(self.folder)),
        ):
            text = text.replace(shown, own)
        return text

    def _own(self, command: str) -> str:
        """The reader's address and home for those that the page shows, and an id that they have looked up."""
        command = self.in_own_places(command)
        of = re.match(r"opsteward (\w+) \w+ ID\b", command)
        if of:
            listed = self.types(f"opsteward {of[1]} {_LISTED_BY.get(of[1], 'list')} --json")
            found = json.loads(listed.stdout)
            rows = found if isinstance(found, list) else next(v for v in found.values() if isinstance(v, list))
            command = re.sub(r"\bID\b", str(rows[0]["id"]), command)
        return command


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("reader")
    (folder / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")  # an answer of 4xx is an exit code
    settings = {"OPSTEWARD_FILE_FOLDERS": json.dumps([str(folder)])}
    with running_instance(settings) as live, typed_command(tmp_path_factory.mktemp("typed")) as program:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("OPSTEWARD_") and k != "DATABASE_URL"}
        own = {"OPSTEWARD_HOME": str(live.home), "HOME": str(folder), "CURL_HOME": str(folder)}
        path = f"{program}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        yield Reader(live=live, folder=folder, variables=kept | own | {"PATH": path})


def left_out(command: str) -> str | None:
    """The beginning in `NOT_TYPED` that fits the command."""
    return next((start for start in NOT_TYPED if command.startswith(start)), None)


def read_through(reader: Reader, page: Path, *, used: bool) -> list[str]:
    """Everything on the page in order; what failed of it, each with what it said."""
    failed = []
    for example in examples(page):
        said = _try(reader, example, used=used)
        if said:
            failed.append(f"{example.text}\n{said}")
    (reader.folder / ".exported").unlink(missing_ok=True)
    for written in reader.folder.iterdir():
        if written.name != ".curlrc":
            written.unlink()
    return failed


def _try(reader: Reader, example: Example, *, used: bool) -> str:
    if example.kind == "file":
        (reader.folder / example.file).write_text(reader.in_own_places(example.text))
        return ""
    if example.kind == "python":
        done = reader.types(f"python - <<'END_OF_PYTHON'\n{example.text}\nEND_OF_PYTHON")
    elif left_out(example.text):
        return ""
    else:
        done = reader.types(example.text)
    said = done.stdout + done.stderr
    if "Traceback" in said and done.returncode:
        return said[-1500:]
    if done.returncode and not (used and _MAKES.match(example.text) and _THERE_ALREADY.search(said)):
        return f"ended with {done.returncode}: {said[-1500:]}"
    return ""


@pytest.mark.slow(reason="types a hundred commands, each a process of its own, twice")
@pytest.mark.parametrize("used", [False, True], ids=["fresh", "used"])
def test_every_page_runs_as_it_is_typed(reader: Reader, used: bool) -> None:
    failed = {page.name: read_through(reader, page, used=used) for page in _PAGES}
    told = "\n\n".join(f"{page}: {each}" for page, several in failed.items() for each in several)
    assert not told, told


def test_what_is_not_typed_is_little_and_still_there() -> None:
    commands = [one.text for page in _PAGES for one in examples(page) if one.kind == "command"]
    untyped = [left_out(command) for command in commands]
    assert set(untyped) - {None} == set(NOT_TYPED)
    assert untyped.count(None) > len(commands) / 2
