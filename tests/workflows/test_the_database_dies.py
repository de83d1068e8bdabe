"""The embedded server is killed under a running instance: requests get a clear 503, and it comes back by itself."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from opsteward.core.embedded_postgres import EmbeddedPostgres
from support.live import announced
from support.preloaded import clean_environment, started_command_line


@pytest.fixture
def live(fresh_home: Path) -> Iterator[httpx.Client]:
    """`opsteward up` as a process of its own."""
    process = started_command_line(["up", "--port", "0"], clean_environment(OPSTEWARD_HOME=str(fresh_home)))
    try:
        url, token = announced(process), (fresh_home / "token").read_text()
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
            _until(lambda: client.get("/readyz").status_code == 200)
            yield client
    finally:
        process.end(30)


def _until(holds: object, within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_requests_get_503_and_then_it_goes_on(live: httpx.Client, fresh_home: Path) -> None:
    server = EmbeddedPostgres(fresh_home)
    first = server.pid()
    assert first is not None
    assert live.post("/api/v1/events", json={"message": "before"}).status_code == 202
    os.kill(first, signal.SIGKILL)

    seen = set()
    deadline = time.monotonic() + 30
    while 202 not in seen and time.monotonic() < deadline:
        answer = live.post("/api/v1/events", json={"message": "OutOfMemoryError: after"})
        seen.add(answer.status_code)
        if answer.status_code != 202:
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["retry-after"]
            time.sleep(0.02)
    assert seen <= {202, 503}, "a lost database is said as 503, never a 500"
    assert 202 in seen
    assert server.pid() not in (None, first)

    # the worker is back as well: an action goes through
    done = live.post(
        "/agent/execute-action/",
        json={"action": "log_only", "priority": 5, "event_type": "ignorable", "severity": "low", "message": "hello"},
    )
    assert done.json()["success"] is True
