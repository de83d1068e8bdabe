"""The embedded PostgreSQL server: its files, start, watch and stop.

How they are run is ours, because several processes share one server and any of them may die at any moment. Rules:
whoever needs the server starts it under a file lock; whoever finds it dead starts it again; the last one out stops
it. Which programs, and as whom, is `core.postgres_programs`.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsteward.core.errors import Invalid, Unavailable
from opsteward.core.log import get_logger
from opsteward.core.postgres_programs import check_reach, give_to, run_as, server_account, usable_programs

if TYPE_CHECKING:
    import psycopg

log = get_logger(__name__)

SUPERUSER = "postgres"
_CLOSING_WITHIN = 1.0  # seconds that sessions of ours which just ended may still be listed
_GOING_DOWN_WITHIN = 20.0
_MAX_SOCKET_PATH = 100  # bytes; the kernel's limit is 107 with the socket's name
_CONFIG = {
    "listen_addresses": "''",
    "max_connections": "200",
    "jit": "off",  # short statements: compiling them costs more than it gives
    "log_min_messages": "warning",
    "autovacuum_naptime": "30s",
}


class EmbeddedPostgres:
    """One data directory under the home, shared by all processes of this installation on this machine."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.data = home / "postgres"
        self.sockets = home / "run"

    def url(self, database: str, user: str = SUPERUSER) -> str:
        """A libpq URL over the private socket folder."""
        return f"postgresql://{user}@/{database}?host={self.sockets}"

    def ensure_running(self) -> None:
        """Make the files when they are missing and start the server when it is not up; safe from any process.

        Raises Invalid for a home that can't hold a server, Unavailable when it does not start.
        """
        prepare_home(self.home)
        if len(str(self.sockets / ".s.PGSQL.5432")) > _MAX_SOCKET_PATH:
            raise Invalid.field(
                "OPSTEWARD_HOME", "its path is too long for a database socket", "choose a path under 80 characters"
            )
        with self._locked():
            if self.pid() is not None:
                return
            if not (self.data / "PG_VERSION").exists():
                self._initialise()
            self._start()

    def pid(self) -> int | None:
        """The serving server's process id, or None; reads a file, asks no server."""
        pid, state = self._postmaster()
        return pid if state in ("ready", "starting") else None

    def _postmaster(self) -> tuple[int | None, str]:
        """The server's process id, also of one that is going down, and its state in its own word."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
            os.kill(pid, 0)
            with Path(f"/proc/{pid}/comm").open() as comm:
                if "postgres" not in comm.read():  # the number was given to another program since
                    return None, ""
        except (OSError, ValueError, IndexError):
            return None, ""
        return pid, lines[7].strip() if len(lines) >= 8 else ""

    def stop_if_last(self, application_name: str) -> bool:
        """Stop the server unless another session whose name starts so is connected. Returns whether it stopped."""
        import psycopg

        with self._locked():
            if self.pid() is None:
                return False
            try:
                with psycopg.connect(self.url("postgres"), connect_timeout=3, application_name="last-one-out") as conn:
                    conn.autocommit = True
                    deadline = time.monotonic() + _CLOSING_WITHIN
                    while _sessions(conn, application_name):
                        if time.monotonic() > deadline:
                            return False
                        time.sleep(0.1)
            except psycopg.Error:
                return False
            self._run("pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "stop")
            return True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self.home / "postgres.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    def _initialise(self) -> None:
        account = server_account()
        check_reach(self.home, account, field="OPSTEWARD_HOME")
        for folder in (self.data, self.sockets):
            folder.mkdir(mode=0o700, exist_ok=True)
            give_to(folder, account)
        self._run(
            "initdb", "--auth=trust", "--encoding=utf8", "--locale=C.UTF-8", "-U", SUPERUSER, "-D", str(self.data)
        )
        with (self.data / "postgresql.auto.conf").open("a") as config:
            config.writelines(f"{key} = {value}\n" for key, value in _CONFIG.items())

    def _start(self) -> None:
        deadline = time.monotonic() + _GOING_DOWN_WITHIN
        while self._postmaster()[0] is not None and time.monotonic() < deadline:
            time.sleep(0.05)  # one that is going down holds the data until it is gone
        # Said at each start, so that a copied home runs in its new place; pg_ctl hands it to a shell.
        sockets = f"-k {shlex.quote(str(self.sockets))}"
        log_file = str(self.data / "server.log")
        self._run("pg_ctl", "-D", str(self.data), "-l", log_file, "-w", "-t", "30", "-o", sockets, "start")
        log.info("core.postgres.started", home=str(self.home))

    def _run(self, program: str, *args: str) -> None:
        account = server_account()
        done = run_as((usable_programs(self.home, account) / program, *args), account, Path("/"))
        if done.returncode:
            raise Unavailable(
                f"{program} of the embedded PostgreSQL failed with code {done.returncode}: {done.told.strip()[-500:]}",
                remedy=f"see {self.data / 'server.log'}",
            )


def _sessions(conn: psycopg.Connection[Any], application_name: str) -> int:
    row = conn.execute(
        "select count(*) from pg_stat_activity where application_name like %s", [application_name + "%"]
    ).fetchone()
    return int(row[0]) if row else 0


def prepare_home(home: Path) -> None:
    """Make the home: closed to others; for root open to pass through (not to read), for the server's own user."""
    mode = 0o711 if os.geteuid() == 0 else 0o700
    if not home.exists():
        home.mkdir(mode=mode, parents=True)
        home.chmod(mode)
    elif not home.is_dir():
        raise Invalid.field("OPSTEWARD_HOME", "is not a folder", "name a folder, or a path that does not exist yet")
    elif os.geteuid() == 0 and home.stat().st_uid == 0:
        home.chmod(mode)
