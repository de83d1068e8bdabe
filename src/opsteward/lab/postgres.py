"""The shop's own PostgreSQL server: a throw-away one, built anew at each start of the lab.

How its programs are found and whom they run as is `core.postgres_programs`.
"""

from __future__ import annotations

from pathlib import Path

import psycopg
from psycopg import sql

from opsteward.core.errors import Unavailable
from opsteward.core.postgres_programs import Account, check_reach, give_to, run_as, server_account, usable_programs
from opsteward.lab.folder import ROLE_LIMIT, ConnectArgs, LabFacts, LabFolder, write_private

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
        account = server_account()
        check_reach(self._folder.home, account, field="home")
        binaries = usable_programs(self._folder.home, account)
        self._folder.postgres.mkdir(mode=0o700)
        password_file = self._folder.postgres / "password"
        write_private(password_file, facts.admin_password)
        give_to(self._folder.postgres, account)
        give_to(password_file, account)
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
        account = server_account()
        binaries = usable_programs(self._folder.home, account)
        for mode in ("fast", "immediate"):
            command = ("-D", "data", "-w", "-t", "10", "-m", mode, "stop")
            done = run_as((binaries / "pg_ctl", *command), account, self._folder.postgres)
            if done.returncode == 0 or not (self._data / "postmaster.pid").exists():
                return

    # Paths are given relative to the folder: pg_ctl hands them to a shell without quoting them.
    def _run(self, *command: str | Path, account: Account | None) -> None:
        done = run_as(command, account, self._folder.postgres)
        if done.returncode != 0:
            told = done.told.strip()
            if self._log.exists():
                told = "\n".join([told, *self._log.read_text(errors="replace").splitlines()[-5:]])
            raise Unavailable(f"the shop's database did not start: {Path(command[0]).name}: {told}")


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
    shop: ConnectArgs = {**admin, "dbname": "shop"}
    with psycopg.connect(**shop) as connection:
        connection.execute(_SCHEMA)
