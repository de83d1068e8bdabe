"""Worker processes for tests that kill them: forked from one parent that has imported everything, so they start fast.

Run as a program it is that parent: `nursery.py HOME`, commands as JSON lines on its standard input, answers on its
output. Every child is a real process with an engine of its own. Their tasks are `support.survival`'s.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_ENDS_WITHIN = 15.0  # seconds


class ForkedWorkers:
    """The parent process, seen from the test. `close()` kills all children that still live."""

    def __init__(self, home: Path) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("OPSTEWARD_") and k != "DATABASE_URL"}
        self._parent = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "support.forked_workers", str(home)],
            env=inherited | {"PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._living: set[int] = set()

    def start(self, name: str, **settings: Any) -> int:
        """A worker with these settings; its tasks sign with `name`. Gives its pid; it has yet to come up."""
        pid = self._ask({"start": name, "settings": settings})
        self._living.add(pid)
        return pid

    def kill(self, pid: int) -> None:
        """With SIGKILL, and wait for its end."""
        os.kill(pid, signal.SIGKILL)
        self.wait(pid)

    def wait(self, pid: int) -> int:
        """Its exit code; negative for a signal. A worker that does not end in time fails the test."""
        self._living.discard(pid)
        return self._ask({"wait": pid})

    def kill_all(self) -> None:
        for pid in list(self._living):
            self.kill(pid)

    def close(self) -> None:
        self.kill_all()
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.close()
        self._parent.wait(10)
        self._parent.stdout.close()

    def _ask(self, command: dict[str, Any]) -> int:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(command) + "\n")
        self._parent.stdin.flush()
        return int(self._parent.stdout.readline())


async def _work(home: Path, settings: dict[str, Any]) -> None:
    from opsteward.app.process import Process, running
    from opsteward.app.services import build_services
    from opsteward.app.settings import load_settings
    from support.survival import INTEGRATION

    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    services = build_services(load_settings(home=home, **settings), [INTEGRATION])
    async with running(Process(services, kind="worker")):
        await stop.wait()


def _ended(pid: int) -> int:
    """Its exit code, or that of SIGKILL, by which it is helped after a while."""
    deadline = time.monotonic() + _ENDS_WITHIN
    while True:
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def main() -> None:
    import importlib

    from opsteward.core import log

    for module in ("dbos", "opsteward.app.process", "support.survival"):
        importlib.import_module(module)
    log.configure(level="ERROR")
    home = Path(sys.argv[1])
    for line in sys.stdin:
        command = json.loads(line)
        if "wait" in command:
            print(_ended(command["wait"]), flush=True)
            continue
        child = os.fork()
        if child == 0:
            os.environ["WORKER_NAME"] = command["start"]
            asyncio.run(_work(home, command["settings"]))
            return  # as any program ends, with all that waits for its threads
        print(child, flush=True)


if __name__ == "__main__":
    main()
