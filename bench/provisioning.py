"""Joiners carried to local targets: N people (default 4,000; `--full` 20,000) who may use 8 PostgreSQL databases, from
the first byte of their import until each is a member of the access role of each. Aim: at least 250 people a second,
however many are in the directory already (`--directory`; put there by SQL: how they came is not what is measured).

    python -m bench.provisioning [--people N | --full] [--targets N] [--directory N]
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import httpx
import psutil
import psycopg

from bench.instance import Instance, running, settle, temporary_folder
from bench.people import FILL_USERS
from opsteward.core.database_setup import EMBEDDED_DATABASE
from opsteward.core.embedded_postgres import EmbeddedPostgres

TIME_LIMIT = 300.0  # seconds


def made_targets(server: EmbeddedPostgres, count: int) -> None:
    with admin_of(server) as admin:
        admin.execute("create role keeper login createrole")
        for number in range(count):
            admin.execute(f"create role readers_{number}".encode())
            admin.execute(f"grant readers_{number} to keeper with admin option".encode())
            admin.execute(f"create database target_{number}".encode())


def admin_of(server: EmbeddedPostgres) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(f"host={server.sockets} dbname=postgres user=postgres", autocommit=True)


def members(server: EmbeddedPostgres) -> int:
    """Memberships in all access roles."""
    with admin_of(server) as admin:
        row = admin.execute(
            "select count(*) from pg_auth_members m"
            " join pg_roles r on r.oid = m.roleid join pg_roles p on p.oid = m.member"
            " where r.rolname like 'readers_%' and p.rolname like 'person.%'"
        ).fetchone()
    return int(str(row[0])) if row else 0


def prepare(instance: Instance, server: EmbeddedPostgres, targets: int) -> None:
    rules = {"standard_user": {"permissions": ["read"], "all_systems": True, "auto_approve": True}}
    instance.client.put("/api/v1/enrollment-rules", {"rules": rules})
    for number in range(targets):
        system = {
            "name": f"target-{number}", "type": "database", "credentials": {"username": "keeper"},
            "endpoint": f"postgresql:///target_{number}?host={server.sockets}",
            "settings": {"access_role": f"readers_{number}", "check_interval": 3600},
        }  # fmt: skip
        instance.client.post("/api/v1/systems", system)


def people_file(path: Path, people: int) -> None:
    with path.open("w") as file:
        for number in range(people):
            user = {
                "username": f"person.{number:06}", "email": f"person.{number}@example.com",
                "full_name": f"Person {number}", "role": "standard_user",
            }  # fmt: skip
            file.write(json.dumps(user) + "\n")


def fill_directory(instance: Instance, people: int) -> None:
    """So many who have none of the targets."""
    server = EmbeddedPostgres(instance.home)
    with psycopg.connect(server.url(EMBEDDED_DATABASE), autocommit=True) as admin:
        for first in range(0, people, 100_000):
            admin.execute(FILL_USERS, [first, first + min(100_000, people - first)])
        admin.execute("vacuum analyze opsteward.users")


def rows_scanned(instance: Instance) -> dict[str, int]:
    """Rows that were read by going through a whole table, by table: what must not grow with the directory."""
    with psycopg.connect(EmbeddedPostgres(instance.home).url(EMBEDDED_DATABASE), autocommit=True) as admin:
        found = admin.execute("select relname, seq_tup_read from pg_stat_user_tables where seq_tup_read > 0")
        return {str(name): int(rows) for name, rows in found}


def measured(instance: Instance, server: EmbeddedPostgres, people: int, targets: int, path: Path) -> None:
    scanned = rows_scanned(instance)
    worker = psutil.Process(instance.process.pid)
    before, began = worker.cpu_times(), time.monotonic()
    headers = {**instance.client.headers, "Content-Type": "application/x-ndjson"}
    with path.open("rb") as body:
        url = f"{instance.client.url}/api/v1/users/bulk-import"
        httpx.post(url, params={"mode": "create"}, headers=headers, content=body, timeout=300).raise_for_status()
    wanted, shown = people * targets, 0.0
    while (done := members(server)) < wanted:
        spent = time.monotonic() - began
        if spent - shown > 15:
            shown = spent
            print(f"  {spent:5.0f} s: {done} of {wanted} memberships, {done / targets / spent:.0f} people a second")
        if spent > TIME_LIMIT:
            raise SystemExit("gave up")
        time.sleep(0.2)
    took, after = time.monotonic() - began, worker.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    print(
        f"{people} people to {targets} targets in {took:.1f} s: {people / took:.0f} people a second (aim 250),"
        f" {1000 * cpu / people:.1f} ms of our CPU each; load {os.getloadavg()[0]:.1f}"
    )
    time.sleep(1.5)  # backends tell their statistics once a second
    more = {name: rows - scanned.get(name, 0) for name, rows in rows_scanned(instance).items()}
    most = sorted(more.items(), key=lambda one: -one[1])[:5]
    print("rows read through whole tables:", ", ".join(f"{name} {rows:,}" for name, rows in most))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=4000)
    parser.add_argument("--targets", type=int, default=8)
    parser.add_argument("--directory", type=int, default=0, help="people who are there already")
    parser.add_argument("--full", action="store_true", help="20,000 people")
    options = parser.parse_args()
    people = 20_000 if options.full else options.people
    with temporary_folder() as folder:
        beside = folder / "targets"
        beside.mkdir(mode=0o711)
        server = EmbeddedPostgres(beside)
        server.ensure_running()
        try:
            made_targets(server, options.targets)
            people_file(folder / "people.ndjson", people)
            with running(folder / "home") as instance:
                if options.directory:
                    fill_directory(instance, options.directory)
                prepare(instance, server, options.targets)
                settle(instance)
                measured(instance, server, people, options.targets, folder / "people.ndjson")
        finally:
            server.stop_if_last()


if __name__ == "__main__":
    main()
