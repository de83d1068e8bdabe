"""Pid files of started processes, so that what a killed lab left behind can be found and ended.

A pid file holds the pid and the start time: a pid alone may meanwhile belong to somebody else.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

import psutil

from opsteward.lab.folder import write_private

_CLOCK_SLACK = 2.0  # seconds by which the start time may seem to shift when the wall clock is set


def write_pidfile(path: Path, pid: int | None = None) -> None:
    """Write the pid file of a process, by default our own."""
    pid = os.getpid() if pid is None else pid
    write_private(path, json.dumps({"pid": pid, "started": psutil.Process(pid).create_time()}))


def process_of_pidfile(path: Path) -> psutil.Process | None:
    """The process that a pid file names, or None when it is gone (a zombie counts as gone)."""
    try:
        content = json.loads(path.read_text())
        process = psutil.Process(content["pid"])
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        same = abs(process.create_time() - content["started"]) < _CLOCK_SLACK
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None
    return process if same else None


def wait_gone(process: psutil.Process, seconds: float) -> bool:
    """Wait until a process is gone; False when it is still there after `seconds`.

    A zombie counts as gone: where nobody reaps orphans, as in many containers, it stays one for ever.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def end_by_pidfile(path: Path, *, grace: float = 2.0) -> None:
    """End the process of a pid file, with force after `grace` seconds, and remove the file."""
    process = process_of_pidfile(path)
    if process is not None:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
            if not wait_gone(process, grace):
                # a stopped process takes no SIGTERM
                process.kill()
                wait_gone(process, grace)
    path.unlink(missing_ok=True)
