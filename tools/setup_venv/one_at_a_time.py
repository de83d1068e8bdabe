"""No two set-ups in one folder at the same time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def only_one_in(folder: Path, *, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a folder's lock, which needs no file of its own; waits while another process holds it.

    Children keep it: the installer of a killed set-up is waited for too.
    """
    held = os.open(folder, os.O_RDONLY)
    try:
        os.set_inheritable(held, True)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait()
            fcntl.flock(held, fcntl.LOCK_EX)
        except OSError:
            pass  # a file system that knows no locks
        yield
    finally:
        os.close(held)
