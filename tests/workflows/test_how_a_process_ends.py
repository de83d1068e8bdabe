"""A process whose part dies ends in order and says it failed; one whose start hangs still obeys; none leaves the
embedded server behind; and one whose database is away says it is not ready."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from opsteward.app.services import build_services
from opsteward.app.settings import load_settings
from opsteward.cli.start_processes import PART_DIED
from opsteward.core.database_setup import EMBEDDED_DATABASE
from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.core.home import HomeLocks
from support.instance import run_sql
from support.live import announced
from support.preloaded import Forked, clean_environment, started_command_line


@contextmanager
def _started(home: Path, *command: str, **settings: str) -> Iterator[Forked]:
    own = {"OPSTEWARD_HOME": str(home), "LOG_LEVEL": "WARNING"} | settings
    process = started_command_line(list(command), clean_environment(**own))
    try:
        yield process
    finally:
        process.end(20)


def _until(holds: Callable[[], object], within: float = 30.0) -> None:
    deadline = time.monotonic() + within
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
async def prepared(fresh_home: Path) -> Path:
    """A home whose database is ready, with nobody connected and no user of the server."""
    services = build_services(load_settings(home=fresh_home))
    await services.web.close()
    await services.app.close()
    locks = HomeLocks.of(fresh_home)
    with locks.starting():
        locks.leave()
    return fresh_home


@pytest.mark.parametrize("command", [("up", "--port", "0"), ("worker",)], ids=["up", "worker"])
def test_a_part_that_dies_ends_the_process_as_failed(prepared: Path, command: tuple[str, ...]) -> None:
    run_sql(prepared, "revoke insert on opsteward.processes from opsteward_app")
    with _started(prepared, *command) as process:
        assert process.wait(40) == PART_DIED
    assert EmbeddedPostgres(prepared).pid() is None, "the last one out stops the server"


def test_an_engine_that_does_not_start_ends_the_worker_as_failed(prepared: Path) -> None:
    run_sql(prepared, "revoke all on all tables in schema dbos from opsteward_app")
    with _started(prepared, "worker") as process:
        assert process.wait(40) == PART_DIED
    assert EmbeddedPostgres(prepared).pid() is None


def test_a_worker_whose_start_hangs_obeys(prepared: Path) -> None:
    server = EmbeddedPostgres(prepared)
    with closing(psycopg.connect(server.url(EMBEDDED_DATABASE))) as blocker:
        blocker.execute("lock table opsteward.processes in access exclusive mode")
        with _started(prepared, "worker") as process:
            waiting = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like '%%processes%%'"
            _until(lambda: run_sql(prepared, waiting))
            process.send(signal.SIGTERM)
            assert process.wait(20) == 0
    assert server.pid() is None


def test_a_database_that_can_not_be_made_ready_leaves_no_server_behind(prepared: Path) -> None:
    run_sql(prepared, "alter role opsteward_app nologin")
    assert EmbeddedPostgres(prepared).stop_if_last()
    with _started(prepared, "worker") as process:
        assert process.wait(40) == 1
    assert EmbeddedPostgres(prepared).pid() is None


def test_a_lost_database_of_ones_own_is_not_ready(prepared: Path, tmp_path: Path) -> None:
    server = EmbeddedPostgres(prepared)
    home = tmp_path / "home"
    own = {"DATABASE_URL": server.url(EMBEDDED_DATABASE), "OPSTEWARD_SECRET_KEY": (prepared / "secret.key").read_text()}
    with (
        _started(home, "up", "--port", "0", **own) as process,
        httpx.Client(base_url=announced(process), timeout=30) as client,
    ):
        _until(lambda: client.get("/readyz").status_code == 200)
        pid = server.pid()
        assert pid is not None
        os.kill(pid, signal.SIGINT)
        _until(lambda: client.get("/readyz").status_code == 503)
        assert client.get("/readyz").json()["parts"]["database"] is False
        _until(lambda: server.pid() is None)
        server.ensure_running()
        _until(lambda: client.get("/readyz").status_code == 200)
