"""The program of a process that computes for another: jobs come on its input, results go to its output.

It holds no secret, no connection and no setting. Who has no more jobs for it closes its input, and it ends.
"""

from __future__ import annotations

import importlib
import os
import pickle
import resource
import signal
import sys
from typing import BinaryIO

_LENGTH = 8  # bytes in front of a message
_MEMORY = 400 * 1024 * 1024  # bytes of addresses, of which what libraries reserve is a quarter
_NICE = 15


def main() -> None:
    """One job after the other, until the input ends."""
    jobs, results = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no result
    os.nice(_NICE)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is the parent's to end us
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # the budget is used up: the kernel ends us, wherever we are
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    while (size := jobs.read(_LENGTH)) and len(size) == _LENGTH:
        _answer(results, _done(pickle.loads(jobs.read(int.from_bytes(size)))))  # noqa: S301 -- our parent wrote it


def _done(job: tuple[str, str, tuple[object, ...], dict[str, object], float]) -> tuple[str, object]:
    module, name, args, kwargs, seconds = job
    function = getattr(importlib.import_module(module), name)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return "result", function(*args, **kwargs)
    except MemoryError:
        os._exit(1)
    except Exception as error:  # a boundary: it is raised where the job came from
        return "error", error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _answer(results: BinaryIO, outcome: tuple[str, object]) -> None:
    message = pickle.dumps(outcome)
    results.write(len(message).to_bytes(_LENGTH) + message)
    results.flush()


if __name__ == "__main__":
    main()
