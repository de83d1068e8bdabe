"""PostgreSQL servers that a test may break: of the wheel, or of Debian's packages."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from real_parts import free_port, system

from opsteward.contracts.check import CheckResult, Finding
from opsteward.core.postgres_programs import Account, give_to, run_as, server_account, usable_programs
from opsteward.integrations.postgresql.connector import PostgresConnector
from opsteward.integrations.postgresql.diagnosis.check import DiagnosisCheck

ROLES = """
create role monitor login;
grant pg_monitor, pg_signal_backend to monitor;
create role blind login;
create role shop login;
create role boss login superuser;
create database museum;
create database healthy;
create database fresh"""


@dataclass(kw_only=True)
class Server:
    """Its files, and how to start, stop and ask it. Signs everybody in from loopback."""

    folder: Path
    programs: Path
    account: Account | None
    port: int = field(default_factory=free_port)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def program(self, name: str, *arguments: str, check: bool = True) -> str:
        done = run_as((self.programs / name, *arguments), self.account, self.folder)
        assert not check or done.returncode == 0, (name, done.told)
        return done.told

    def configure(self, settings: Mapping[str, str]) -> None:
        """Write settings into its file, where ALTER SYSTEM can overrule them."""
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def start(self, *, wait: bool = True, **settings: str) -> None:
        given = {"port": str(self.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.folder)}
        words = [f"-c {name}={value}" for name, value in (given | settings).items()]
        flags = ("-w",) if wait else ("-W",)
        log = str(self.folder / "log")
        self.program(
            "pg_ctl", *flags, "-s", "-D", str(self.data), "-l", log, "-o", " ".join(words), "start", check=wait
        )

    def stop(self, how: str = "fast", *, wait: bool = True) -> None:
        self.program("pg_ctl", "-w" if wait else "-W", "-s", "-D", str(self.data), "-m", how, "stop", check=False)

    def connect(self, database: str = "postgres", role: str = "postgres", **options: Any) -> psycopg.Connection[Any]:
        dsn = psycopg.conninfo.make_conninfo("", host="127.0.0.1", port=self.port, user=role, dbname=database)
        return psycopg.connect(dsn, autocommit=True, **options)

    def run(self, statements: str, database: str = "postgres", role: str = "postgres") -> None:
        """Each statement by itself; they are divided by semicolons at the end of a line."""
        with self.connect(database, role) as connection:
            for statement in statements.split(";\n"):
                if statement.strip():
                    connection.execute(statement.encode())

    def one(self, query: str, database: str = "postgres") -> Any:
        with self.connect(database) as connection:
            row = connection.execute(query.encode()).fetchone()
            return row[0] if row else None

    def via(
        self, database: str = "healthy", role: str = "monitor", password: str = "", **limits: Any
    ) -> PostgresConnector:
        target = system(f"postgresql://127.0.0.1:{self.port}/{database}", diagnosis=limits)
        return PostgresConnector(PostgresConnector.config_for(target, {"username": role, "password": password}))

    async def diagnose(self, database: str = "healthy", role: str = "monitor", **limits: Any) -> Told:
        """One diagnosis, without a watch unless it is asked for."""
        via = self.via(database, role, **{"watch_seconds": 0.0, **limits})
        try:
            return Told(await DiagnosisCheck().run(via, system(f"postgresql://127.0.0.1:{self.port}/{database}")))
        finally:
            await via.close()


@dataclass(frozen=True)
class Told:
    """What a diagnosis said."""

    result: CheckResult

    @property
    def findings(self) -> list[Finding]:
        return [*self.result.findings, *self.result.advice]

    def of(self, rule: str) -> list[Finding]:
        return [finding for finding in self.findings if finding.type == rule]

    def about(self, rule: str, component: str) -> Finding:
        """The finding of this rule about this component."""
        found = {finding.component: finding for finding in self.of(rule)}
        assert component in found, (rule, component, list(found), [u for u in self.result.unseen if rule in u])
        return found[component]

    def unseen(self, rule: str) -> str:
        return "; ".join(told for told in self.result.unseen if told.startswith(f"{rule}: "))


@functools.cache
def _fresh_files(programs: Path, account: Account | None) -> Path:
    """The files of a new server, made once for a run; its log comes in files of 1 MB."""
    folder = Path(tempfile.mkdtemp(prefix="owfresh", dir="/tmp"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o755)
    give_to(folder, account)
    words = ("-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--wal-segsize=1")
    done = run_as((programs / "initdb", "-D", str(folder / "data"), *words), account, folder)
    assert done.returncode == 0, done.told
    return folder / "data"


@contextmanager
def new_server(programs: Path | None = None) -> Iterator[Server]:
    """A server's files, not started; stopped and removed at the end. `programs`: of the wheel unless they are given."""
    folder = Path(tempfile.mkdtemp(prefix="owdiag", dir="/tmp"))
    account = server_account()
    folder.chmod(0o755)
    give_to(folder, account)
    server = Server(folder=folder, programs=programs or usable_programs(folder, account), account=account)
    try:
        copied = run_as(("cp", "-a", _fresh_files(server.programs, account), folder), account, folder)
        assert copied.returncode == 0, copied.told
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


def worded(settings: Mapping[str, str]) -> str:
    """ALTER SYSTEM for each setting."""
    return "".join(f"alter system set {name} = '{value}';\n" for name, value in settings.items())
