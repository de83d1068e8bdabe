"""Homes for tests with a real database of their own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from opsteward.core.db import APPLICATION_NAME
from opsteward.core.embedded import EmbeddedPostgres


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A folder directly below /tmp (root's database server must be able to reach it), with its server stopped after."""
    home = Path(tempfile.mkdtemp(prefix="ops-test-", dir="/tmp"))
    home.chmod(0o711)
    try:
        yield home
    finally:
        EmbeddedPostgres(home).stop_if_last(APPLICATION_NAME)
        shutil.rmtree(home, ignore_errors=True)
