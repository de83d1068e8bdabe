"""A home of its own for tests that kill processes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opsteward.core.db import APPLICATION_NAME
from opsteward.core.embedded import EmbeddedPostgres


@pytest.fixture
def fresh_home() -> Iterator[Path]:
    """A home for one test."""
    with _home() as home:
        yield home


@pytest.fixture(scope="module")
def module_home() -> Iterator[Path]:
    """A home for the tests of one module."""
    with _home() as home:
        yield home


@contextmanager
def _home() -> Iterator[Path]:
    """A folder directly below /tmp (root's database server must be able to reach it), with its server stopped after."""
    home = Path(tempfile.mkdtemp(prefix="ops-kill-", dir="/tmp"))
    home.chmod(0o711)
    yield home
    EmbeddedPostgres(home).stop_if_last(APPLICATION_NAME)
    shutil.rmtree(home, ignore_errors=True)
