"""Homes for tests with a real database of their own."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opsteward.core.db import APPLICATION_NAME
from opsteward.core.embedded import EmbeddedPostgres

_STOP_WITHIN = 20.0  # seconds


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A folder directly below /tmp (root's database server must be able to reach it), with its server stopped after,
    whoever is still connected."""
    home = Path(tempfile.mkdtemp(prefix="ops-test-", dir="/tmp"))
    home.chmod(0o711)
    try:
        yield home
    finally:
        server = EmbeddedPostgres(home)
        pid = server.pid()
        if pid is not None and not server.stop_if_last(APPLICATION_NAME):
            os.kill(pid, signal.SIGINT)  # PostgreSQL's fast shutdown
            deadline = time.monotonic() + _STOP_WITHIN
            while server.pid() is not None and time.monotonic() < deadline:
                time.sleep(0.05)
        shutil.rmtree(home, ignore_errors=True)
