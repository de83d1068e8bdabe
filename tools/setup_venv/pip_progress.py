"""Runs pip and says how far it is: one moving line on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import threading
import time
from collections import deque
from pathlib import Path
from typing import TextIO

#: How the index is reached is the user's affair. Every other setting of pip's (user, target, constraint, ...) is about
#: other installations, and could lead this one astray.
CONNECTION = {
    "index-url",
    "extra-index-url",
    "find-links",
    "no-index",
    "cert",
    "client-cert",
    "trusted-host",
    "proxy",
    "timeout",
    "default-timeout",
    "retries",
    "resume-retries",
    "cache-dir",
    "no-cache-dir",
    "keyring-provider",
    "use-feature",
}
QUIET = ["--disable-pip-version-check", "--no-input", "--progress-bar=off"]
LINE_EVERY = 5.0  # seconds, where no line can be written over
LOOK_EVERY = 0.25  # seconds
LINES_KEPT = 400


class CommandFailed(Exception):
    """A program ended with an error. `lines` is what it said at last."""

    def __init__(self, program: str, lines: list[str]) -> None:
        super().__init__(program)
        self.program = program
        self.lines = lines

    def last_words(self) -> list[str]:
        """Its errors, or else its last lines."""
        said = [line for line in self.lines if line.strip()]
        return [line for line in said if line.lstrip().startswith(("ERROR", "error:"))][-4:] or said[-6:]


class Progress:
    """Writes to a terminal or to a file."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._moving = out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._shown = ""
        self._shown_at = time.monotonic()

    def say(self, text: str) -> None:
        """A line that stays."""
        self._write(f"\r\x1b[K{text}\n" if self._moving else f"{text}\n")

    def show(self, text: str) -> None:
        """How far it is: written over the last one, or as a line every few seconds."""
        now = time.monotonic()
        if self._moving and text != self._shown:
            self._write(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}")
        elif not self._moving and now - self._shown_at >= LINE_EVERY * (1 if text != self._shown else 4):
            self._write(f"{text}\n")
        else:
            return
        self._shown, self._shown_at = text, now

    def end(self) -> None:
        """Remove the moving line."""
        if self._moving and self._shown:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except BrokenPipeError:
            self._out = Path(os.devnull).open("w")  # noqa: SIM115  the reader went away: the set-up goes on


def without_python_variables() -> dict[str, str]:
    """The environment without what steers Python from outside, such as PYTHONPATH."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def pip_environment(python: Path) -> dict[str, str]:
    """The environment for pip: of its settings, in files and variables, those that say how the index is reached."""
    variables = without_python_variables()
    variables.pop("PIP_QUIET", None)
    asked = subprocess.run(
        [python, "-I", "-m", "pip", "-vvv", *QUIET[:1], "config", "list"],  # a file may say quiet, and it would be
        env=variables,
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if asked.returncode:
        raise CommandFailed("pip config", asked.stderr.splitlines())
    kept = {name: value for name, value in variables.items() if not name.startswith("PIP_")}
    kept["PIP_CONFIG_FILE"] = os.devnull
    by_section: dict[str, dict[str, str]] = {}
    for line in asked.stdout.splitlines():
        found = re.fullmatch(r"(global|install|:env:)\.([\w-]+)=(.+)", line)
        if found:
            by_section.setdefault(found[1], {})[found[2]] = str(ast.literal_eval(found[3]))
    for section in ("global", "install", ":env:"):  # the later is the stronger
        for name, value in by_section.get(section, {}).items():
            if name in CONNECTION and value:
                kept[f"PIP_{name.upper().replace('-', '_')}"] = value
    return kept


def run_pip(
    python: Path, arguments: list[str], environment: dict[str, str], progress: Progress, packages: int = 1
) -> None:
    """Install with pip and show how far it is. Raises CommandFailed."""
    pip = subprocess.Popen(
        [python, "-I", "-m", "pip", "install", *QUIET, *arguments],
        env=environment,
        cwd=python.parent.parent.parent,
        close_fds=False,  # the set-up's lock is kept as long as pip lives
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    watch = _Watch(packages, python.parent.parent)
    reader = threading.Thread(target=watch.read, args=(pip.stdout,), daemon=True)
    reader.start()
    try:
        while pip.poll() is None:
            progress.show(watch.text())
            reader.join(LOOK_EVERY)
            if not reader.is_alive():
                pip.wait()
    finally:
        if pip.poll() is None:
            pip.terminate()
        pip.wait()
        progress.end()
    reader.join(5)
    if pip.returncode:
        raise CommandFailed("pip", list(watch.lines))


class _Watch:
    """Reads what pip says, and counts."""

    def __init__(self, packages: int, venv: Path) -> None:
        self.lines: deque[str] = deque(maxlen=LINES_KEPT)
        self._packages = packages
        self._venv = venv
        self._begun = time.time()
        self._at = 0
        self._name = "packages"
        self._to_install = 0
        self._trouble = False

    def read(self, out: TextIO) -> None:
        """Take pip's lines until it ends."""
        for line in out:
            self.lines.append(line.rstrip())
            word, _, rest = line.strip().partition(" ")
            if word in ("Collecting", "Obtaining") or line.startswith("Requirement already satisfied: "):
                self._at += 1
                self._name = re.split(r"[=\s(\[]", rest.removeprefix("already satisfied: "))[0]
                self._trouble = False
            elif word == "Ignoring":  # for another kind of machine
                self._packages -= 1
            elif line.startswith("WARNING: Retrying"):
                self._trouble = True
            elif line.startswith("Installing collected packages:"):
                self._to_install = rest.count(",") + 1

    def text(self) -> str:
        """How far it is, in a line."""
        if self._to_install:
            return f"  installing: {min(self._installed() + 1, self._to_install)} of {self._to_install}"
        trouble = " (the network fails, trying again)" if self._trouble else ""
        return f"  fetching: {max(self._at, 1)} of {max(self._packages, self._at, 1)}, {self._name}{trouble}"

    def _installed(self) -> int:
        folders = self._venv.glob("lib/python3*/site-packages/*.dist-info/INSTALLER")
        return sum(1 for one in folders if _changed_at(one) >= self._begun)


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # just removed for a newer one
        return 0.0
