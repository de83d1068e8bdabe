"""The embedded PostgreSQL server: its files, start, watch and stop.

How they are run is ours, because several processes share one server and any of them may die at any moment. Rules:
whoever needs the server starts it under the home's lock; whoever finds it dead starts it again; the last one out
stops it. The files are made in a folder beside and get their name when they are whole. Which programs, and as whom,
is `core.postgres_programs`.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shlex
import shutil
import time
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from opsteward.core.errors import Invalid, OpsError, Unavailable
from opsteward.core.home import HomeLocks, home_troubles, prepare_home, sync_folder
from opsteward.core.log import get_logger
from opsteward.core.postgres_programs import (
    VERSION,
    Account,
    check_reach,
    give_to,
    run_as,
    server_account,
    usable_programs,
)

log = get_logger(__name__)

SUPERUSER = "postgres"
_GOING_DOWN_WITHIN = 20.0  # seconds
_READY_WITHIN = 300.0  # seconds; after a crash the server first goes through its log
_MAX_SOCKET_PATH = 100  # bytes; the kernel's limit is 107 with the socket's name
_LOW_SPACE = 64_000_000  # bytes; with less free, a failed start is told as that
_CONFIG = {
    "listen_addresses": "",
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
        return f"postgresql://{user}@/{database}?host={quote(os.fsencode(self.sockets))}"

    def ensure_running(self) -> None:
        """Make the files when they are missing, start the server when it is not up, and count this process among its
        users; safe from any process.

        Raises Invalid for a home that can't hold a server, Unavailable when it does not start.
        """
        prepare_home(self.home)
        self._check_path()
        locks = HomeLocks.of(self.home)
        with home_troubles(self.home), locks.starting() as lock:
            if self.pid() is None:
                account = server_account()
                check_reach(self.home, account, field="OPSTEWARD_HOME")
                self._prepare_files(account, lock)
                self._start()
            self._wait_until_ready()
            locks.join()

    def pid(self) -> int | None:
        """The serving server's process id, or None; reads a file, asks no server."""
        pid, state = self._postmaster()
        return pid if state in ("ready", "starting") else None

    def stop_if_last(self) -> bool:
        """This process uses the server no longer; stop it unless another process does. Returns whether it stopped."""
        locks = HomeLocks.of(self.home)
        with locks.starting():
            if not locks.leave() or self.pid() is None:
                return False
            try:
                self._run("pg_ctl", "-D", str(self.data), "-m", "fast", "-w", "stop")
            except OpsError as error:
                log.warning("core.postgres.not_stopped", error=error.detail)
                return False
            return True

    def _postmaster(self) -> tuple[int | None, str]:
        """The server's process id, also of one that is going down, and its state in its own word."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            pid = int(lines[0])
        except (OSError, ValueError, IndexError):
            return None, ""
        if not self._serves_here(pid):  # the number was given to another program since, or the home is a copy
            return None, ""
        return pid, lines[7].strip() if len(lines) >= 8 else "starting"

    def _serves_here(self, pid: int) -> bool:
        """Whether it is a process of a server on these files: each of them works in their folder."""
        try:
            process = Path(f"/proc/{pid}")
            return "postgres" in (process / "comm").read_text() and (process / "cwd").samefile(self.data)
        except OSError:
            return False

    def _check_path(self) -> None:
        path = os.fsencode(self.sockets / ".s.PGSQL.5432")
        problem = ""
        if len(path) > _MAX_SOCKET_PATH:
            problem = "its path is too long for a database socket"
        elif any(byte < 32 or byte in b',"$`\\' for byte in path):
            # libpq splits at commas, and pg_ctl hands the path to a shell between double quotes
            problem = 'its path has one of , " $ ` \\ or a control character in it, which the database can not have'
        else:
            try:
                path.decode()
            except UnicodeDecodeError:
                problem = "its path is not valid UTF-8"
        if problem:
            raise Invalid.field("OPSTEWARD_HOME", problem, "choose a path under 80 characters, of letters and digits")

    def _prepare_files(self, account: Account | None, lock: int) -> None:
        """The data and the socket's folder, as the server insists on having them."""
        for left in self.home.glob("postgres.new.*"):  # by a start that was cut off
            shutil.rmtree(left, ignore_errors=True)
        if self._is_missing():
            self._initialise(account, lock)
        version = (self.data / "PG_VERSION").read_text().strip()
        if version != str(VERSION):
            raise Invalid.field(
                "OPSTEWARD_HOME",
                f"its database is of PostgreSQL {version}, and this Opsteward brings {VERSION}",
                "start it with the version of Opsteward that made it, or restore a backup that fits",
            )
        owner, ours = self.data.stat().st_uid, os.geteuid() if account is None else account.uid
        if owner != ours:
            raise Invalid.field(
                "OPSTEWARD_HOME",
                f"its database belongs to {_name_of(owner)}, and the server would run as {_name_of(ours)}",
                f"run Opsteward as the user it ran as, or give it the files: chown -R {_name_of(ours)} {self.data}",
            )
        if self.data.stat().st_mode & 0o077:
            self.data.chmod(0o700)
        self.sockets.mkdir(mode=0o700, exist_ok=True)
        give_to(self.sockets, account)

    def _is_missing(self) -> bool:
        """Whether the files are yet to be made; what a first start of an earlier version left half made is put aside.

        Raises Invalid when files of a database that was in use are incomplete.
        """
        if not self.data.exists() or not any(self.data.iterdir()):
            return True
        present = [self.data / "PG_VERSION", self.data / "global" / "pg_control", self.data / "base" / "5"]
        if all(path.exists() for path in present):
            return False
        if (self.home / "token").exists() or any(int(p.name) >= 16384 for p in self.data.glob("base/[0-9]*")):
            missing = next(path for path in present if not path.exists())
            raise Invalid.field(
                "OPSTEWARD_HOME", f"its database is incomplete: {missing} is missing", "restore the home from a backup"
            )
        aside = self.home / f"postgres.incomplete.{secrets.token_hex(4)}"
        self.data.rename(aside)
        log.warning("core.postgres.incomplete_files_put_aside", folder=str(aside))
        return True

    def _initialise(self, account: Account | None, lock: int) -> None:
        half = self.home / f"postgres.new.{secrets.token_hex(4)}"
        half.mkdir(mode=0o700)
        try:
            give_to(half, account)
            settings = [word for key, value in _CONFIG.items() for word in ("--set", f"{key}={value}")]
            # initdb writes all of it through to the disk; it holds the lock, should we be killed meanwhile
            self._run(
                *("initdb", "--auth=trust", "--encoding=utf8", "-U", SUPERUSER, *settings, "-D", str(half)),
                # PostgreSQL's own locale: the system's compares texts three times slower, in every index of them
                *("--locale=C.UTF-8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                keep=(lock,),
            )
            half.rename(self.data)
        except BaseException:
            shutil.rmtree(half, ignore_errors=True)
            raise
        sync_folder(self.home)

    def _start(self) -> None:
        self._remove_stale_pid_file()
        # Said at each start, so that a copied home runs in its new place; pg_ctl hands it to a shell.
        folder = '"' + str(self.sockets).replace('"', '""') + '"'
        log_file = str(self.data / "server.log")
        try:
            self._run(
                *("pg_ctl", "-D", str(self.data), "-l", log_file, "-w", "-t", "30"),
                *("-o", f"-k {shlex.quote(folder)}", "start"),
            )
        except Unavailable:
            # One that was killed may have begun to start the server before us; and one that has much to recover
            # takes its time: either way it is there.
            if self._postmaster()[0] is None:
                raise
        log.info("core.postgres.started", home=str(self.home))

    def _remove_stale_pid_file(self) -> None:
        """The server would take any process of that number for another server on its files. Call it with the lock.

        Raises Unavailable while processes of an earlier server are still at work on the files.
        """
        deadline = time.monotonic() + _GOING_DOWN_WITHIN
        while here := [int(p.name) for p in Path("/proc").glob("[0-9]*") if self._serves_here(int(p.name))]:
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"process {here[0]} of an earlier database server still works on {self.data}",
                    remedy=f"wait until it has ended, or end it: kill {here[0]}",
                )
            time.sleep(0.05)
        for left in (self.data / "postmaster.pid", *self.sockets.glob(".s.PGSQL.*")):
            left.unlink(missing_ok=True)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _READY_WITHIN
        while (found := self._postmaster())[1] != "ready":
            if found[0] is None or time.monotonic() > deadline:
                raise self._failure("the embedded PostgreSQL ended while it started")
            time.sleep(0.05)

    def _run(self, program: str, *args: str, keep: tuple[int, ...] = ()) -> None:
        account = server_account()
        done = run_as((usable_programs(self.home, account) / program, *args), account, Path("/"), keep=keep)
        if done.returncode:
            words = " ".join(done.told.split())[-300:]
            raise self._failure(f"{program} of the embedded PostgreSQL failed with code {done.returncode}: {words}")

    def _failure(self, what: str) -> Unavailable:
        free = shutil.disk_usage(self.home).free
        if free < _LOW_SPACE:
            return Unavailable(
                f"the disk of {self.home} is full ({free // 1_000_000} MB are free), so its database can't start",
                remedy="free space there, or give Opsteward a larger disk",
            )
        said = ""
        with suppress(OSError):
            lines = (self.data / "server.log").read_text(errors="replace")[-20_000:].splitlines()
            said = next((line for line in reversed(lines) if "FATAL" in line or "PANIC" in line), "")
        return Unavailable(f"{what}{': ' if said else ''}{said}", remedy=f"see {self.data / 'server.log'}")


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
