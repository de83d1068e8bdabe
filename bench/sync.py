"""The difference of 1,000,000 and 1,000,000 records, 1 % of which differ: read from two tables of another PostgreSQL
through their connectors and planned, against the same difference as one SQL statement over the two tables where they
lie (aim 2, at most 5), and the most memory that it takes (under 500 MB). The first sync, which pairs them, and a later
one, which finds them paired, each alone.

    python -m bench.sync [records]
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from uuid import UUID, uuid4

import psycopg

from opsteward.accounts.tenants import create_tenant
from opsteward.app.services import Services, build_services
from opsteward.app.settings import load_settings
from opsteward.contracts.task import TaskContext
from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.provisioning.sync import queries
from opsteward.provisioning.sync.operations import OfOperation, SyncTasks
from opsteward.provisioning.sync.types import SyncOperation
from opsteward.systems.record_connections import RecordConnections
from opsteward.systems.registration import NewSystem

_FILL = """
create table {name} (id int primary key, login text, name text, mail text, dept text);
insert into {name} select n, 'u' || n, 'Person ' || n, 'u' || n || '@example.com', 'dept' || n % 20
    from generate_series(1, {records}) n;
grant all on {name} to sync;
"""
_DIFFERENCE = """
select count(*) from ours s full join theirs t on s.login = t.login
where md5(row(s.login, s.name, s.mail, s.dept)::text) is distinct from md5(row(t.login, t.name, t.mail, t.dept)::text)
"""
FIELDS = ("login", "name", "mail", "dept")


def prepare(server: EmbeddedPostgres, records: int) -> str:
    dsn = f"postgresql:///postgres?host={server.sockets}"
    with psycopg.connect(f"host={server.sockets} dbname=postgres user=postgres", autocommit=True) as admin:
        admin.execute("create role sync login")
        for name in ("ours", "theirs"):
            for statement in _FILL.format(name=name, records=records).split(";"):
                if statement.strip():
                    admin.execute(statement.encode())
        admin.execute("update theirs set dept = 'other' where id % 100 = 0")
        admin.execute("vacuum analyze")
    return dsn


def in_one_statement(server: EmbeddedPostgres) -> float:
    with psycopg.connect(f"host={server.sockets} dbname=postgres user=postgres", autocommit=True) as admin:
        began = time.monotonic()
        row = admin.execute(_DIFFERENCE.encode()).fetchone()
        print(f"one statement over two local tables: {time.monotonic() - began:6.2f} s ({row and row[0]} differ)")
        return time.monotonic() - began


async def planned(services: Services, tasks: SyncTasks, tenant: UUID, mapping: UUID) -> SyncOperation:
    async def step(name: str, function: object) -> None:
        raise AssertionError(name)

    async with services.app.unit_of_work(tenant) as session:
        begun = await services.syncs.start(
            session, mapping_id=mapping, sync_type="full", dry_run=True, actor="system:bench"
        )
    context = TaskContext(task_id=uuid4(), tenant_id=tenant, attempt=0, progress=lambda *_: None, step=step)  # type: ignore[arg-type]
    await tasks.plan(context, OfOperation(operation_id=begun.id))
    async with services.app.unit_of_work(tenant) as session:
        return await queries.operation(session, begun.id)


async def measured(services: Services, dsn: str, alone: float) -> None:
    made = await create_tenant(services.web, name="bench", operator="ada", actor="system:bench", roles=("owner",))
    ids = []
    async with services.app.unit_of_work(made.id) as session:
        for name in ("ours", "theirs"):
            new = NewSystem(
                name=name, type="database", endpoint=dsn, credentials={"username": "sync"},
                settings={"resources": {name: {"table": name, "key": "id"}}},
            )  # fmt: skip
            ids.append((await services.inventory.register(session, new=new, actor="system:bench")).id)
        mapping = await services.syncs.keep_mapping(
            session, name="bench", source_id=ids[0], target_id=ids[1], actor="system:bench",
            definition={"source_resource": "ours", "target_resource": "theirs", "key": "login",
                        "fields": [{"source": name, "target": name} for name in FIELDS]},
        )  # fmt: skip
    systems = RecordConnections(services.app, services.inventory, services.registry)
    tasks = SyncTasks(services.app, systems, services.action_service)
    for what in ("first sync", "later sync"):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
        began = time.monotonic()
        operation = await planned(services, tasks, made.id, mapping.id)
        took = time.monotonic() - began
        cpu = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{what}: {took:6.2f} s ({cpu:.2f} s of it our CPU), {took / alone:.1f} times the statement;"
            f" {operation.counts.get('update', 0)} changes planned, status {operation.status};"
            f" peak memory {peak:.0f} MB; load {os.getloadavg()[0]:.1f}"
        )


def main() -> None:
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(prefix="ops-bench-", dir="/tmp") as folder:
        home, beside = Path(folder) / "home", Path(folder) / "systems"
        beside.mkdir(mode=0o711)
        Path(folder).chmod(0o711)
        server = EmbeddedPostgres(beside)
        server.ensure_running()
        services = build_services(load_settings(home=home))
        try:
            dsn = prepare(server, records)
            alone = in_one_statement(server)
            asyncio.run(measured(services, dsn, alone))
        finally:
            EmbeddedPostgres(home).stop_if_last()
            server.stop_if_last()


if __name__ == "__main__":
    main()
