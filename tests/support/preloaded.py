"""Processes of ours that are forked from one which has imported Opsteward already: importing is most of what a short
one costs, and the tests start hundreds."""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    [
        "opsteward.cli.main",
        "opsteward.cli.client",
        "opsteward.app.serve",
        "opsteward.app.work",
        "alembic.command",
        "dbos",
    ]
)


class Forked:
    """A process that calls `function(*arguments)` and ends; what it writes goes to files, which `told` reads."""

    def __init__(
        self,
        function: Callable[..., None],
        *arguments: object,
        environment: Mapping[str, str],
        errors: Path | None = None,
    ) -> None:
        """`errors` is the file of its standard error; without one, it is kept until the process is forgotten."""
        self._folder = tempfile.TemporaryDirectory(prefix="ops-forked-")
        folder = Path(self._folder.name)
        self._outputs = [folder / "stdout", errors or folder / "stderr"]
        self._process = _context.Process(
            target=_call, args=(function, arguments, dict(environment), [str(path) for path in self._outputs])
        )
        self._process.start()

    def ended(self) -> bool:
        return not self._process.is_alive()

    def send(self, number: signal.Signals) -> None:
        """Send it this signal, if it still runs."""
        if self._process.is_alive() and self._process.pid is not None:
            os.kill(self._process.pid, number)

    def end(self, seconds: float) -> None:
        """With SIGTERM; with SIGKILL when that has not ended it in time."""
        self._process.terminate()
        self._process.join(seconds)
        self.kill()

    def kill(self) -> None:
        """With SIGKILL, and wait for its end."""
        self._process.kill()
        self._process.join()

    def wait(self, seconds: float) -> int:
        """Its exit code; negative for a signal. One that does not end in time fails the test."""
        self._process.join(seconds)
        code = self._process.exitcode
        if code is None:
            self.kill()
            raise AssertionError(f"it did not end in {seconds:g} s: {self.told()}")
        return code

    def told(self) -> list[str]:
        """Its standard output and standard error so far."""
        return [path.read_text() if path.exists() else "" for path in self._outputs]


def command_line(
    arguments: list[str], environment: Mapping[str, str], *, seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """`opsteward ...`, run to its end."""
    forked = started_command_line(arguments, environment)
    code = forked.wait(seconds)
    out, errors = forked.told()
    return subprocess.CompletedProcess(["opsteward", *arguments], code, out, errors)


def started_command_line(
    arguments: list[str], environment: Mapping[str, str], *, errors: Path | None = None, anew: bool = False
) -> Forked:
    """`opsteward ...`, running; `anew` by an interpreter of its own, for what is to be seen of the imports."""
    return Forked(_anew if anew else _command_line, arguments, environment=environment, errors=errors)


def program(file: Path, *arguments: object, environment: Mapping[str, str] | None = None) -> Forked:
    """A program of the tests, running as by `python FILE ARGUMENTS`."""
    given = environment or clean_environment()
    return Forked(_program, str(file), [str(one) for one in arguments], environment=given)


def clean_environment(**own: str) -> dict[str, str]:
    """The caller's without settings of an Opsteward of theirs, and with these."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("OPSTEWARD_") and k != "DATABASE_URL"}
    return inherited | own


def first_start(settings: dict[str, object]) -> None:
    """Make a home ready, as the start of an instance does, and leave it again."""
    from opsteward.app.services import build_services, leave_server
    from opsteward.app.settings import load_settings

    loaded = load_settings(**settings)
    build_services(loaded)
    leave_server(loaded.core)


def _command_line(arguments: list[str]) -> None:
    from opsteward.cli.main import main

    sys.argv = ["opsteward", *arguments]
    main()


def _anew(arguments: list[str]) -> None:
    os.execv(sys.executable, [sys.executable, "-m", "opsteward", *arguments])


def _program(file: str, arguments: list[str]) -> None:
    sys.argv = [file, *arguments]
    sys.path.insert(0, str(Path(file).parent))
    runpy.run_path(file, run_name="__main__")


def _call(
    function: Callable[..., None], arguments: tuple[object, ...], environment: dict[str, str], outputs: list[str]
) -> None:
    os.chdir("/")
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [folder for folder in environment.get("PYTHONPATH", "").split(os.pathsep) if folder]
    for stream, path in zip((sys.stdout, sys.stderr), outputs, strict=True):
        opened = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(opened, stream.fileno())
        os.close(opened)
    function(*arguments)
