"""What others notice during an attack: a process of its own that asks, and looks at the memory of the instance's."""

from __future__ import annotations

import multiprocessing
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from multiprocessing.connection import Connection
from typing import Any
from urllib.parse import urlsplit

import psutil

from bench.instance import quantile

_EVERY = 0.05  # seconds between two questions
_PATIENCE = 30.0


@dataclass
class Seen:
    """Seconds, and megabytes. `errors` are answers to the other tenant that were none."""

    livez: list[float] = field(default_factory=list)
    other: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    memory: float = 0.0

    @property
    def worst_livez(self) -> float:
        return max(self.livez, default=_PATIENCE)

    @property
    def p95_other(self) -> float:
        return quantile(self.other, 0.95) if self.other else _PATIENCE


class Probe:
    """Asks from `with` to its end; `seen` is filled then."""

    def __init__(self, url: str, token: str, pid: int) -> None:
        self.seen = Seen()
        self._ours, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(target=_ask, args=(url, token, pid, theirs))

    def __enter__(self) -> Probe:
        self._process.start()
        self._ours.recv()
        return self

    def __exit__(self, *_: Any) -> None:
        self._ours.send("over")
        if self._ours.poll(3 * _PATIENCE):
            self.seen = self._ours.recv()
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()


def _ask(url: str, token: str, pid: int, pipe: Connection) -> None:
    seen, over = Seen(), threading.Event()
    threads = [
        threading.Thread(target=_livez, args=(url, seen, over)),
        threading.Thread(target=_other, args=(url, token, seen, over)),
        threading.Thread(target=_memory, args=(pid, seen, over)),
    ]
    for thread in threads:
        thread.start()
    pipe.send("begun")
    pipe.recv()
    over.set()
    for thread in threads:
        thread.join(_PATIENCE)
    pipe.send(seen)


def _livez(url: str, seen: Seen, over: threading.Event) -> None:
    while not over.wait(_EVERY):
        began = time.monotonic()
        try:
            status = _status_of(url, "/livez", "")
        except (OSError, HTTPException):
            status = 0
        seen.livez.append(time.monotonic() - began if status == 200 else _PATIENCE)


def _other(url: str, token: str, seen: Seen, over: threading.Event) -> None:
    while not over.wait(_EVERY):
        began = time.monotonic()
        try:
            status = _status_of(url, "/api/v1/incidents?limit=1", token)
            seen.other.append(time.monotonic() - began)
            if status != 200:
                seen.errors.append(str(status))
        except (OSError, HTTPException) as error:
            seen.errors.append(type(error).__name__)
            seen.other.append(_PATIENCE)


def _status_of(url: str, path: str, token: str) -> int:
    """On a connection of its own, with as little work on this side as can be."""
    connection = HTTPConnection(urlsplit(url).netloc, timeout=_PATIENCE)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def _memory(pid: int, seen: Seen, over: threading.Event) -> None:
    """Of the instance and the processes that it computes in; the database server's is the database's."""
    while not over.wait(_EVERY):
        try:
            up = psutil.Process(pid)
            family = [up, *(one for one in up.children(recursive=True) if "postgres" not in one.name())]
            seen.memory = max(seen.memory, sum(one.memory_info().rss for one in family) / 1_000_000)
        except psutil.Error:
            continue
