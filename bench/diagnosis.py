"""What the PostgreSQL diagnosis costs a server under pgbench's load (aim: under 1 % of its throughput): pairs of runs
with and without it, in turns, and the processor time that its session takes on the server, which noise does not hide.

    python -m bench.diagnosis [pairs] [seconds of a run] [seconds between two diagnoses]
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from uuid import UUID

import psutil
import psycopg

from opsteward.contracts.connector import SystemRef
from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.core.postgres_programs import server_account, usable_programs
from opsteward.integrations.postgresql.connector import PostgresConnector
from opsteward.integrations.postgresql.diagnosis.check import DiagnosisCheck

SCALE = 10  # a million accounts
CLIENTS = 4


def pgbench(server: EmbeddedPostgres, *arguments: str) -> subprocess.Popen[str]:
    programs = usable_programs(server.home, server_account())
    command = [str(programs / "pgbench"), "-h", str(server.sockets), "-U", "postgres", *arguments, "load"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


async def one_diagnosis(server: EmbeddedPostgres) -> float:
    """Seconds of processor time that one takes on the server."""
    target = SystemRef(
        id=UUID(int=1), tenant_id=UUID(int=1), name="load", type="database",
        endpoint=f"postgresql:///load?host={server.sockets}",
    )  # fmt: skip
    via = PostgresConnector(PostgresConnector.config_for(target, {"username": "watcher"}))
    try:
        row = (await via.rows("select pg_backend_pid() as pid", shape=dict[str, int]))[0]
        result = await DiagnosisCheck().run(via, target)
        assert not result.findings, result.findings
        used = psutil.Process(row["pid"]).cpu_times()
        return float(used.user + used.system)
    finally:
        await via.close()


async def run(server: EmbeddedPostgres, seconds: int, every: float, costs: list[float] | None) -> float:
    """Transactions a second of one run; with diagnoses where `costs` takes what each costs."""
    load = pgbench(server, "-n", "-c", str(CLIENTS), "-T", str(seconds))
    while load.poll() is None:
        if costs is not None:
            costs.append(await one_diagnosis(server))
        await asyncio.sleep(every if costs is not None else 0.2)
    told = load.communicate()[0]
    found = re.search(r"tps = ([\d.]+)", told)
    assert found, told
    return float(found[1])


async def measure(server: EmbeddedPostgres, pairs: int, seconds: int, every: float) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        admin.execute("create database load")
        admin.execute("create role watcher login in role pg_monitor, pg_signal_backend")
    pgbench(server, "-i", "-s", str(SCALE), "-q").communicate()
    ratios, costs = [], []
    for pair in range(pairs):
        tps = {}
        for diagnosed in (False, True) if pair % 2 else (True, False):
            tps[diagnosed] = await run(server, seconds, every, costs if diagnosed else None)
        ratios.append(tps[True] / tps[False])
        print(f"{tps[False]:.0f} tps without, {tps[True]:.0f} with: {100 * (1 - ratios[-1]):+.1f} %", flush=True)
    share = statistics.mean(costs) / every / (os.cpu_count() or 1)
    print(f"throughput with a diagnosis every {every:g} s: {100 * (1 - statistics.median(ratios)):+.1f} % (median)")
    print(f"processor time of one on the server: {1000 * statistics.mean(costs):.0f} ms, {share:.2%} of the machine")
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")


def main(pairs: int = 5, seconds: int = 30, every: float = 15.0) -> None:
    folder = Path(tempfile.mkdtemp(prefix="ops-bench-", dir="/tmp"))
    folder.chmod(0o711)
    server = EmbeddedPostgres(folder)
    server.ensure_running()
    try:
        asyncio.run(measure(server, pairs, seconds, every))
    finally:
        server.stop_if_last()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
