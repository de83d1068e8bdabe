"""A real instance to measure: started as a user would, in a temporary home, ended by its own process id."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from opsteward.cli.client import Client

#: Percent of a core; an idle instance takes 2.
QUIET = 10


@dataclass
class Instance:
    """`announced` and `ready` are seconds from the start of the process."""

    process: subprocess.Popen[str]
    home: Path
    client: Client
    announced: float
    ready: float


def clean_environment() -> dict[str, str]:
    """That of the caller without settings of theirs, and without what has Python compile all modules at each start."""
    ours = ("DATABASE_URL", "PYTHONDONTWRITEBYTECODE")
    return {k: v for k, v in os.environ.items() if not k.startswith("OPSTEWARD_") and k not in ours}


@contextmanager
def running(home: Path, **settings: object) -> Iterator[Instance]:
    """`opsteward up` in this home until the end of the block."""
    environment = clean_environment()
    environment |= {"OPSTEWARD_HOME": str(home)} | {f"OPSTEWARD_{k.upper()}": str(v) for k, v in settings.items()}
    log = (home.parent / f"{home.name}.log").open("wb")
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "opsteward", "up", "--port", "0"],
        env=environment, stdout=subprocess.PIPE, stderr=log, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        url = next(line for line in process.stdout if "is up at" in line).split("is up at ")[1].strip()
        announced = time.monotonic() - started
        while httpx.get(f"{url}/readyz", timeout=5).status_code != 200:
            time.sleep(0.01)
        ready = time.monotonic() - started
        yield Instance(process, home, Client(url, (home / "token").read_text()), announced, ready)
    finally:
        process.terminate()
        process.wait(30)


def settle(instance: Instance) -> None:
    """Wait until nothing is left of the start: the engine is loaded after the first requests are taken."""
    process = psutil.Process(instance.process.pid)
    while process.cpu_percent(interval=1) > QUIET:
        pass


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Directly below /tmp: root's database server must be able to reach it."""
    folder = Path(tempfile.mkdtemp(prefix="opsteward-bench-", dir="/tmp"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def quantile(values: list[float], share: float) -> float:
    """The value that `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered)) - 1))]
