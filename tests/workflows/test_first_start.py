"""A first start that is cut off anywhere leaves a home that the next start brings up, and no server that nobody owns;
and any number of processes can make their first start together.

Each round makes a database's files and kills programs, some of it twice: the whole file takes about a minute.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from opsteward.core.embedded_postgres import EmbeddedPostgres
from support.homes import temporary_home
from support.preloaded import Forked, clean_environment, first_start, started_command_line

#: What is there at some moment of a first start, in the order in which it comes.
_MOMENTS = (
    "*",
    "locks/start",
    "secret.key",
    "postgres.new.*/PG_VERSION",
    "postgres.new.*/global/pg_control",
    "postgres.new.*/base/5",
    "postgres/PG_VERSION",
    "postgres/postmaster.pid",
    "run/.s.PGSQL.5432",
    "postgres/base/1638*",
)


def _first_start(home: Path, settings: dict[str, object] | None = None) -> Forked:
    return Forked(first_start, settings or {}, environment=clean_environment(OPSTEWARD_HOME=str(home)))


def _at_work_in(home: Path) -> list[psutil.Process]:
    """The programs whose folder or arguments lie in the home: the server's, and those that make it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if str(home) in process.cwd() or any(str(home) in word for word in process.cmdline()):
                found.append(process)
    return found


def _wait_for(home: Path, moment: str, starting: Forked) -> None:
    while not any(home.glob(moment)) and not starting.ended():
        time.sleep(0.001)


@pytest.fixture
def home() -> Iterator[Path]:
    with temporary_home(empty=True) as folder:
        yield folder


@pytest.mark.parametrize("seed", range(len(_MOMENTS)))
def test_a_first_start_cut_off_anywhere_is_made_good_by_the_next(home: Path, seed: int) -> None:
    dice = random.Random(seed)
    moment = _MOMENTS[seed]
    for with_all_programs in dice.sample((True, False), 2):  # as by a power loss, and as by the kernel or an operator
        first = _first_start(home)
        _wait_for(home, moment, first)
        time.sleep(dice.uniform(0, 0.6))
        first.kill()
        for process in _at_work_in(home) if with_all_programs else ():
            with suppress(psutil.Error):
                process.kill()
    second = _first_start(home)
    assert second.wait(120) == 0, second.told()
    assert EmbeddedPostgres(home).pid() is None, "the last one out stops the server"
    assert not _at_work_in(home)
    assert not list(home.glob("postgres.*")), "nothing half made is left"


def test_processes_that_start_together_on_a_fresh_home_all_come_up(home: Path) -> None:
    commands = [("up", "--port", "0"), ("worker",), ("up", "--port", "0"), ("worker",)]
    environment = clean_environment(OPSTEWARD_HOME=str(home))
    started = [started_command_line(list(command), environment) for command in commands]
    try:
        for process in started:
            deadline = time.monotonic() + 60
            while "is up" not in process.told()[0]:
                assert not process.ended() and time.monotonic() < deadline, process.told()
                time.sleep(0.02)
        started[0].end(30)
        assert EmbeddedPostgres(home).pid() is not None, "others still use it"
    finally:
        for process in started:
            process.send(signal.SIGTERM)
        for process in started:
            process.wait(60)
    assert EmbeddedPostgres(home).pid() is None


def test_a_process_that_fails_does_not_take_the_server_from_the_others(home: Path) -> None:
    server = EmbeddedPostgres(home)
    server.ensure_running()
    failing = _first_start(home, {"notify_users": ["mailtos://nowhere"]})
    assert failing.wait(120) == 1, failing.told()
    assert server.pid() is not None
    assert server.stop_if_last()


def test_a_database_half_made_by_an_earlier_version_is_put_aside(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres" / "PG_VERSION").write_text("18\n")
    (home / "secret.key").write_text("a" * 43 + "=")
    started = _first_start(home)
    assert started.wait(120) == 0, started.told()
    (aside,) = home.glob("postgres.incomplete.*")
    assert (aside / "PG_VERSION").exists(), "nothing is deleted"
