"""A request's body while it comes: small ones are held, of large ones all but a piece lies in a file without a name.

So a body of which the rest never comes costs disk and no memory; how much of either all bodies may take up is the
caller's to bound. What is written and read goes over a thread.
"""

from __future__ import annotations

import errno
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import Unavailable

#: What of a body is held at most while it comes.
HELD_BYTES = 256 * 1024
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class SpooledBody:
    """Add the pieces in their order, `read` all of it once, and `close` it whatever happened."""

    def __init__(self, folder: Path | None) -> None:
        """`folder` is where the file lies; None: where the system keeps such."""
        self._folder = folder
        self._parts: list[bytes] = []
        self._held = 0
        self._file: IO[bytes] | None = None

    async def add(self, part: bytes) -> None:
        """Raises Unavailable when there is no room on the disk."""
        self._parts.append(part)
        self._held += len(part)
        if self._held > HELD_BYTES:
            await in_thread(self._spool)

    async def read(self) -> bytes:
        """All that was added."""
        if self._file is None:
            return b"".join(self._parts)
        return await in_thread(self._whole)

    def close(self) -> None:
        """Forget it, and give its room back."""
        self._parts = []
        if self._file is not None:
            with suppress(OSError):
                self._file.close()

    def _spool(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(dir=self._folder, buffering=0)  # noqa: SIM115 - close() does
            rest = memoryview(b"".join(self._parts))
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            why = "the disk is full" if error.errno in _FULL else "a large body can't be kept on disk"
            raise Unavailable(why, remedy="send less at once, or try again in a moment") from None
        self._parts, self._held = [], 0

    def _whole(self) -> bytes:
        self._spool()
        assert self._file is not None
        self._file.seek(0)
        return self._file.read()
