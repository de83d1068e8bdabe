"""An instance of the program's own: `opsteward up` as a child that ends with it."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import tempfile
from typing import IO

import httpx

from opsteward.client.connection import Address

_UP = "Opsteward is up at "
_LOOK = 1.0  # seconds for an instance that may run here to answer
_END_WITHIN = 30.0  # seconds


def address_of(url: str | None, token: str | None) -> Address | None:
    """Where the instance is: as given, as the environment says, or here; None when one has to be started first."""
    if url or token or os.environ.get("OPSTEWARD_URL"):
        return Address.of(url, token)
    return _running_here()


def _running_here() -> Address | None:
    """The instance that runs here already and takes our token, if there is one."""
    address = Address.of(None, None)
    try:
        answer = httpx.get(f"{address.url}/api/v1/tasks", params={"limit": 1}, headers=address.headers, timeout=_LOOK)
    except httpx.HTTPError:
        return None
    # a 403 is an answer to who is known
    return address if answer.status_code in (200, 403) else None


class Embedded:
    """An instance in the home of these settings, on a free port. It ends with `end()`, and when the program ends."""

    def __init__(self) -> None:
        """Returns once requests are taken (some seconds). Raises RuntimeError that says why it does not start."""
        with tempfile.TemporaryFile("w+") as said:
            self._process = _start(said)
            assert self._process.stdout is not None
            line = next((line for line in self._process.stdout if line.startswith(_UP)), None)
            if line is None:
                self._process.wait()
                said.seek(0)
                raise RuntimeError(f"no instance could be started here: {said.read()[-2000:].strip()}")
        atexit.register(self.end)
        self.address = Address.of(line.removeprefix(_UP).strip(), None)

    def end(self) -> None:
        """Let it finish what it has begun; what is left waits for the next instance. Twice is no error."""
        atexit.unregister(self.end)
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait(_END_WITHIN)


def _start(said: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "opsteward", "up", "--port", "0", "--with-parent"],
        env={"LOG_LEVEL": "WARNING"} | os.environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=said,
        text=True,
        start_new_session=True,  # Ctrl-C is for the program, which ends this one in its own order
    )
