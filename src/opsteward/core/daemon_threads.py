"""Threads that don't hold up the end of the process: what hangs in one ends with it.

The standard pool's threads are waited for at the interpreter's end, however long they take, so that one function that
never returns keeps a process from obeying its SIGTERM.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class DaemonThreads(Executor):
    """At most `most` threads, started when there is need for them, and kept."""

    def __init__(self, most: int, *, name: str) -> None:
        self._most = most
        self._name = name
        self._waiting: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._idle = threading.Semaphore(0)
        self._lock = threading.Lock()
        self._started = 0

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run it on the next free thread."""
        future: Future[T] = Future()
        self._waiting.put((future, lambda: fn(*args, **kwargs)))
        if not self._idle.acquire(blocking=False):
            with self._lock:
                if self._started < self._most:
                    self._started += 1
                    threading.Thread(target=self._run, name=f"{self._name}-{self._started}", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Never waits; with `cancel_futures` what has not begun does not begin."""
        while cancel_futures:
            try:
                self._waiting.get_nowait()[0].cancel()
            except queue.Empty:
                return

    def _run(self) -> None:
        while True:
            future, call = self._waiting.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # the future's, like in the standard pool
                    future.set_exception(error)
            del future, call
            self._idle.release()
