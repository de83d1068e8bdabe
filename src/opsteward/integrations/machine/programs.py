"""One program, run to its end: bounded in time and output, ended with all that it has started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from opsteward.core.errors import Timeout, Unreachable

_OUTPUT_LIMIT = 16 * 1024
#: What a program needs of our environment; the rest may hold secrets.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER")


@dataclass(frozen=True, kw_only=True)
class Ran:
    """How it ended (below 0: by this signal), and the beginning of what it wrote on either output."""

    exit_code: int
    output: str
    seconds: float


async def run_program(words: Sequence[str], timeout: float, *, about: Mapping[str, str] | None = None) -> Ran:
    """`about` is added to its environment. Raises Unreachable where it can't be started, Timeout where it does not end
    within `timeout` seconds."""
    began = time.monotonic()
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={name: os.environ[name] for name in _INHERITED if name in os.environ} | dict(about or {}),
            start_new_session=True,
        )
    except OSError as error:
        raise Unreachable(f"{Path(words[0]).name} can't be run: {error.strerror}") from None
    try:
        async with asyncio.timeout(timeout):
            output = await _read(process)
            exit_code = await process.wait()
    except TimeoutError:
        raise Timeout(f"{Path(words[0]).name} did not end within {timeout:g} s") from None
    finally:
        await _end(process)
    text = output.decode("utf-8", "replace").strip()
    return Ran(exit_code=exit_code, output=text, seconds=time.monotonic() - began)


async def _read(process: asyncio.subprocess.Process) -> bytes:
    """All of it is taken, so that the program can end; the beginning is kept."""
    kept = bytearray()
    assert process.stdout is not None
    while chunk := await process.stdout.read(8192):
        kept += chunk[: _OUTPUT_LIMIT - len(kept)]
    return bytes(kept)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # what it has left behind holds our pipe and its own time
    if process.returncode is None:
        await asyncio.shield(process.wait())
