"""Computing over what others sent, where it can hurt nobody: in processes of its own that can be ended.

A job has a budget of processor time, which the kernel enforces even inside of a library, and of memory. A tenant has
one process at a time, so that its jobs hold up its own alone.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import ParamSpec, TypeVar, cast

from opsteward.core.blocking_calls import in_thread
from opsteward.core.errors import Invalid
from opsteward.core.fair_share import FairShare, current_party

P = ParamSpec("P")
T = TypeVar("T")

_PROCESSES = 2
_PATIENCE = 30.0  # seconds that a job waits for its turn
_WALL_SECONDS = 30.0  # beyond its budget: other work may slow it down, and the process has to start first
_PASSED_ON = ("PATH", "PYTHONPATH", "HOME", "LANG", "LC_ALL", "TZ", "PYTHONWARNINGS", "SYSTEMROOT")
_LENGTH = 8  # bytes in front of a message

_processes = FairShare(_PROCESSES, waiting_limit=50)
_threads = FairShare(_PROCESSES, waiting_limit=200)


class TooExpensive(Invalid):
    """What was sent takes more time or memory to look at than it may."""

    code = "too_expensive"
    title = "This takes too long to look at"


async def compute(seconds: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a function of a module gives, in another process and within so many seconds of processor time.

    Arguments and result are copied. Raises what it raises; TooExpensive; Busy when too much waits already.
    """
    job = (function.__module__, function.__qualname__, args, kwargs, seconds)
    return cast(T, await _shared(_processes, _ComputeProcess.run_on_any, job, seconds))


async def in_fair_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Like `in_thread`, for what keeps the interpreter busy: a few at once, and one for each tenant. Raises Busy."""
    return await _shared(_threads, function, *args, **kwargs)


async def _shared(share: FairShare, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    party = current_party.get()
    await share.acquire(party, patience=_PATIENCE)
    running = asyncio.ensure_future(in_thread(function, *args, **kwargs))
    # A caller who goes away frees no place: the work goes on until its end.
    running.add_done_callback(lambda _: share.release(party))
    return await asyncio.shield(running)


class _ComputeProcess:
    """One process that does one job after the other; see core.compute_worker."""

    _free: list[_ComputeProcess] = []  # noqa: RUF012 -- of this process; those that wait for a job
    _lock = threading.Lock()

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "opsteward.core.compute_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        )

    @classmethod
    def run_on_any(cls, job: tuple[object, ...], seconds: float) -> object:
        """Blocks until it is done."""
        with cls._lock:
            process = next((one for one in iter(cls._popped, None) if one._process.poll() is None), None)
        process = process or cls()
        try:
            outcome, result = process._do(job, seconds)
        except BaseException:
            process._end()
            raise
        with cls._lock:
            cls._free.append(process)
        if outcome == "error":
            assert isinstance(result, BaseException)
            raise result
        return result

    @classmethod
    def _popped(cls) -> _ComputeProcess | None:
        return cls._free.pop() if cls._free else None

    def _do(self, job: tuple[object, ...], seconds: float) -> tuple[str, object]:
        message = pickle.dumps(job)
        until = time.monotonic() + seconds + _WALL_SECONDS
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(len(message).to_bytes(_LENGTH) + message)
            self._process.stdin.flush()
            size = int.from_bytes(self._read(_LENGTH, until))
            return cast(tuple[str, object], pickle.loads(self._read(size, until)))  # noqa: S301 -- our own code wrote it
        except (EOFError, BrokenPipeError, TimeoutError):
            raise TooExpensive(
                f"looking at this takes more than {seconds:g} s, or too much memory", remedy="send something simpler"
            ) from None

    def _read(self, size: int, until: float) -> bytes:
        assert self._process.stdout is not None
        number, parts = self._process.stdout.fileno(), bytearray()
        while len(parts) < size:
            if not wait([number], max(0.0, until - time.monotonic())):
                raise TimeoutError
            part = os.read(number, size - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def _end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
