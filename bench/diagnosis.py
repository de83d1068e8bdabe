"""What the PostgreSQL diagnosis costs a server under pgbench's load (aim: under 1 % of its throughput): pairs of runs
with and without it, in turns, with the 95 % confidence interval of their mean, and the processor time that its session
takes on the server, which noise does not hide. Ends within five minutes.

    python -m bench.diagnosis [pairs] [seconds of a run] [seconds between two diagnoses]
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
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
_ENDS_WITHIN = 285.0  # seconds; pairs that would end later are left out


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
    began = time.monotonic()
    pgbench(server, "-i", "-s", str(SCALE), "-q").communicate()
    await run(server, 2, every, None)  # warm
    ratios, costs = [], []
    for pair in range(pairs):
        if time.monotonic() - began + 2 * seconds + 2 > _ENDS_WITHIN:
            print(f"{pairs - pair} pairs were left out: the time is over")
            break
        tps = {}
        for diagnosed in (False, True) if pair % 2 else (True, False):
            tps[diagnosed] = await run(server, seconds, every, costs if diagnosed else None)
        ratios.append(tps[True] / tps[False])
        print(f"{tps[False]:.0f} tps without, {tps[True]:.0f} with: {100 * (1 - ratios[-1]):+.1f} %", flush=True)
    share = statistics.mean(costs) / every / (os.cpu_count() or 1)
    mean, low, high = confidence([100 * (1 - ratio) for ratio in ratios])
    print(
        f"cost in throughput with a diagnosis every {every:g} s: {mean:+.2f} % [{low:+.2f}, {high:+.2f}] (mean, 95 %),"
    )
    print(f"median {100 * (1 - statistics.median(ratios)):+.2f} % of {len(ratios)} pairs")
    print(f"processor time of one on the server: {1000 * statistics.mean(costs):.0f} ms, {share:.2%} of the machine")
    print(f"load average {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores")


def confidence(values: Sequence[float]) -> tuple[float, float, float]:
    """Their mean, and between what it lies with 95 % certainty, by resampling; the same for the same values."""
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, -math.inf, math.inf
    dice = random.Random(0)
    means = sorted(statistics.fmean(dice.choices(values, k=len(values))) for _ in range(10_000))
    return mean, means[250], means[9749]


def main(pairs: int = 11, seconds: int = 12, every: float = 15.0) -> None:
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
