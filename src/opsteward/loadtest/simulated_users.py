"""Simulated users: clients of a running instance that are timed, and what their requests took.

Each has a connection of its own, as real ones do. Whatever is not answered with success is an error and is counted;
nothing is tried again, so that a table tells what a caller would have seen.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from time import perf_counter
from typing import Any

import httpx

from opsteward.client.connection import Address
from opsteward.loadtest.types import Report, TaskState

ENDED = frozenset({"completed", "failed", "cancelled", "dead_letter"})


@cache
def _certificates() -> ssl.SSLContext:
    return ssl.create_default_context()  # once: each takes 10 ms


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not exceeded by this share of them (0 to 1); 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def spread(values: Sequence[float], *, scale: float = 1000.0) -> dict[str, float]:
    """p50, p95 and p99 of seconds, in milliseconds unless told otherwise."""
    return {f"p{int(share * 100)}": round(percentile(values, share) * scale, 1) for share in (0.5, 0.95, 0.99)}


class Recorder:
    """What requests took, and what went wrong, by operation."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, list[float]] = defaultdict(list)
        self.errors: defaultdict[str, Counter[str]] = defaultdict(Counter)

    @property
    def requests(self) -> int:
        return sum(len(values) for values in self.seconds.values())

    @property
    def failed(self) -> int:
        return sum(sum(kinds.values()) for kinds in self.errors.values())

    def rows(self) -> list[Report]:
        """One for each operation; times in milliseconds."""
        return [
            {
                "operation": operation,
                "requests": len(values),
                "errors": sum(self.errors[operation].values()),
                **{f"{name}_ms": value for name, value in spread(values).items()},
            }
            for operation, values in self.seconds.items()
        ]

    def told_errors(self) -> dict[str, int]:
        """How often each kind of error was seen."""
        return {f"{operation}: {kind}": n for operation, kinds in self.errors.items() for kind, n in kinds.items()}


class User:
    """One simulated user: a client with one connection and somebody's token."""

    def __init__(self, at: Address, recorder: Recorder) -> None:
        self.recorder = recorder
        self._http = httpx.AsyncClient(
            base_url=at.url,
            headers=at.headers,
            timeout=60,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
            verify=_certificates(),
            trust_env=False,
        )

    async def call(self, operation: str, method: str, path: str, *, since: float | None = None, **options: Any) -> Any:
        """The decoded answer, None after an error. `since`: when it should have been sent (perf_counter)."""
        began = perf_counter() if since is None else since
        wrong = ""
        try:
            answer = await self._http.request(method, path, **options)
            if answer.status_code >= 400:
                wrong = str(answer.status_code)
        except httpx.HTTPError as error:
            wrong = type(error).__name__
        self.recorder.seconds[operation].append(perf_counter() - began)
        if wrong:
            self.recorder.errors[operation][wrong] += 1
            return None
        return answer.json() if answer.content else {}

    async def close(self) -> None:
        await self._http.aclose()


async def ends_of(user: User, ids: Iterable[str], *, patience: float, pause: float = 1.0) -> dict[str, TaskState]:
    """Follow these tasks to their ends, page by page of the list; those that ended within `patience` seconds."""
    waiting, ended = set(ids), dict[str, TaskState]()
    deadline = perf_counter() + patience
    while waiting and perf_counter() < deadline:
        floor, before = min(waiting), None  # ids grow with time: below the lowest there is nothing of ours
        while True:
            query = {"limit": 200} | ({"before": before} if before else {})
            page = await user.call("follow tasks", "GET", "/api/v1/tasks", params=query)
            items = page["items"] if page else []
            for task in items:
                if task["id"] in waiting and task["status"] in ENDED:
                    ended[task["id"]] = task
                    waiting.discard(task["id"])
            before = items[-1]["id"] if items else None
            if len(items) < 200 or before is None or before <= floor:
                break
        if waiting:
            await asyncio.sleep(pause)
    return ended


def seconds_between(start: str, end: str) -> float:
    """Between two instants as the API writes them."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
