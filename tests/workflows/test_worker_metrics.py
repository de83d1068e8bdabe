"""A worker shows its own metrics where a setting says so, and says that it is not ready while it drains."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator

import httpx
import pytest

from opsteward.lab.ports import free_port
from support.live import Live, running_instance
from support.preloaded import Forked, clean_environment, started_command_line
from support.prometheus import samples

#: Long enough to be found draining, and within the grace that a worker gives it.
_TASK_SECONDS = 4


@pytest.fixture(scope="module")
def own() -> Iterator[Live]:
    with running_instance({"OPSTEWARD_TASK_SLOTS": "2", "OPSTEWARD_TASK_SLOTS_SPARE": "0"}) as one:
        yield one


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _status(client: httpx.Client, path: str) -> int:
    try:
        return client.get(path).status_code
    except httpx.TransportError:
        return 0


def _worker(live: Live, port: int) -> Forked:
    own = {"OPSTEWARD_HOME": str(live.home), "OPSTEWARD_METRICS_PORT": str(port), "LOG_LEVEL": "WARNING"}
    return started_command_line(["worker"], clean_environment(**own))


@pytest.mark.slow(reason="starts a worker, and waits until others take it for lost")
def test_it_shows_itself_and_its_end(own: Live) -> None:
    port = free_port()
    worker = _worker(own, port)
    try:
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)
        _until(lambda: _status(client, "/readyz") == 200)
        assert _status(client, "/livez") == 200
        assert _status(client, "/metrics") == 401
        assert client.get("/api/v1/tasks", headers={"Authorization": "Bearer x"}).status_code == 401
        headers = {"Authorization": f"Bearer {own.admin.token}"}
        tasks = [{"task_type": "opsteward.echo", "parameters": {"seconds": _TASK_SECONDS}} for _ in range(12)]
        own.admin.http.post("/api/v1/tasks/bulk", json={"tasks": tasks}).raise_for_status()

        def seen() -> dict[str, float]:
            return samples(client.get("/metrics", headers=headers).raise_for_status().text)

        _until(lambda: seen().get('opsteward_tasks_claimed_total{task_type="opsteward.echo"}', 0) > 0)
        shown = seen()
        assert shown["process_resident_memory_bytes"] > 1_000_000
        # told by `up` alone: added up over the processes they would be told too often
        assert not [name for name in shown if name.startswith(("opsteward_tasks{", "opsteward_processes"))]

        worker.send(signal.SIGTERM)
        _until(lambda: _status(client, "/readyz") == 503)
        assert not worker.ended()
        assert worker.wait(40) == 0
        assert _status(client, "/livez") == 0
    finally:
        worker.kill()


def test_a_port_that_is_taken_is_named(own: Live) -> None:
    worker = _worker(own, int(own.url.rpartition(":")[2]))
    assert worker.wait(60) == 1
    said = worker.told()[1]
    assert "OPSTEWARD_METRICS_PORT" in said and "can't listen" in said
