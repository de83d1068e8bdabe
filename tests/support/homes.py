"""Homes for tests with a real database of their own.

Making a database's files and migrating it takes two of the three seconds that a home costs, so it is done once per
test process; every further home is a copy of those files, with a server of its own. These servers do not wait for
the disk at each commit, which no test could tell: what a killed process wrote is there, only a power loss takes it.
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from opsteward.app.database import prepare_database
from opsteward.app.settings import load_settings
from opsteward.core.crypto import SecretBox
from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.core.secret_key import load_secret

_STOP_WITHIN = 20.0  # seconds


@contextmanager
def temporary_home(*, empty: bool = False) -> Iterator[Path]:
    """A home directly below /tmp (root's database server must be able to reach it), with its server stopped after,
    whoever is still connected.

    It is as a first start leaves it whose database has just become ready: nobody is in it, no server runs. An empty
    one has nothing at all, for tests of the first start itself.
    """
    home = _folder()
    try:
        if not empty:
            _copy(_provisioned(), home)
        yield home
    finally:
        server = EmbeddedPostgres(home)
        pid = server.pid()
        if pid is not None and not server.stop_if_last():
            os.kill(pid, signal.SIGINT)  # PostgreSQL's fast shutdown
            deadline = time.monotonic() + _STOP_WITHIN
            while server.pid() is not None and time.monotonic() < deadline:
                time.sleep(0.05)
        shutil.rmtree(home, ignore_errors=True)


def without_settings(patch: pytest.MonkeyPatch) -> None:
    """Whatever the caller's environment sets for an Opsteward of theirs is not for the tests'."""
    for name in list(os.environ):
        if name.startswith("OPSTEWARD_") or name in ("DATABASE_URL", "LOG_LEVEL"):
            patch.delenv(name)


def remove_provisioned() -> None:
    """At the end of a test process, what copies were made of goes too."""
    if _provisioned.cache_info().currsize:
        shutil.rmtree(_provisioned())
        _provisioned.cache_clear()


def _folder() -> Path:
    home = Path(tempfile.mkdtemp(prefix="ops-test-", dir="/tmp"))
    home.chmod(0o711)
    return home


@functools.cache
def _provisioned() -> Path:
    """The home that the others are copies of, with its server stopped; it stays until `remove_provisioned`."""
    home = _folder()
    with pytest.MonkeyPatch.context() as patch:
        without_settings(patch)
        prepare_database(load_settings(home=home).core, SecretBox(load_secret(None, home)))
    server = EmbeddedPostgres(home)
    assert server.stop_if_last()
    with (server.data / "postgresql.conf").open("a") as settings:
        settings.write("fsync = off\nfull_page_writes = off\n")
    return home


def _copy(source: Path, home: Path) -> None:
    """With owners and modes, which the server insists on."""
    subprocess.run(["cp", "-a", f"{source}/.", str(home)], check=True)
