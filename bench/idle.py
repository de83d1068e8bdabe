"""What idle processes cost for a minute: `opsteward up` with one system registered, alone and beside three workers.

Aims for each process: CPU under 3 % of a core, under 10 database statements a second (BEGIN, COMMIT, ROLLBACK and
pings not counted), memory under 400 MB. The statements are counted by the server's own log; what the workers add,
divided by their number, is a worker's. Limit: a bare asyncio process that sleeps.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from bench.instance import Instance, clean_environment, running, temporary_folder
from opsteward.core.embedded_postgres import EmbeddedPostgres

SETTLE = 30.0  # seconds after the start, in which the engine still looks around more often
WINDOW = 60.0
WORKERS = 3
_NOT_COUNTED = re.compile(r"^(BEGIN|COMMIT|ROLLBACK|START TRANSACTION)\b|^select 1$|^$", re.IGNORECASE)
_STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): (.*)")


def statements(log: Path, begin: int) -> Counter[str]:
    """The statements in the server's log from an offset on."""
    text = log.read_bytes()[begin:].decode("utf-8", "replace")
    found = (match.group(1).strip() for match in map(_STATEMENT.search, text.splitlines()) if match)
    return Counter(s[:110] for s in found if not _NOT_COUNTED.match(s))


@dataclass
class Look:
    """One minute: each process's share of a core, and the statements of all of them."""

    seconds: float
    shares: list[float]
    counted: Counter[str]

    @property
    def rate(self) -> float:
        return self.counted.total() / self.seconds


def look(processes: list[psutil.Process], log: Path) -> Look:
    time.sleep(SETTLE)
    offset, began, before = log.stat().st_size, time.monotonic(), [cpu(one) for one in processes]
    time.sleep(WINDOW)
    spent = time.monotonic() - began
    shares = [(cpu(one) - was) / spent for one, was in zip(processes, before, strict=True)]
    return Look(spent, shares, statements(log, offset))


def cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def log_all_statements(server: EmbeddedPostgres) -> Path:
    """Where they are logged from now on."""
    with psycopg.connect(server.url("opsteward"), autocommit=True) as admin:
        admin.execute("alter system set log_statement = 'all'")
        admin.execute("select pg_reload_conf()")
    return server.data / "server.log"


def main() -> None:
    console = Console()
    with temporary_folder() as folder, running(folder / "ops") as instance:
        instance.client.post(
            "/api/v1/systems",
            {"name": "itself", "type": "api", "endpoint": instance.client.url, "criticality": "critical",
             "health_check_url": f"{instance.client.url}/livez"},
        )  # fmt: skip
        log = log_all_statements(EmbeddedPostgres(instance.home))
        bare = subprocess.Popen([sys.executable, "-c", "import asyncio; asyncio.run(asyncio.sleep(3600))"])
        workers = []
        try:
            up, sleeper = psutil.Process(instance.process.pid), psutil.Process(bare.pid)
            alone = look([up, sleeper], log)
            workers = [start_worker(instance) for _ in range(WORKERS)]
            processes = [psutil.Process(one.pid) for one in workers]
            together = look([up, *processes], log)
            memory = [one.memory_info().rss / 1e6 for one in (up, *processes, sleeper)]
        finally:
            bare.kill()
            bare.wait()
            for worker in workers:
                worker.terminate()
            for worker in workers:
                worker.wait(30)
    of_a_worker = (together.rate - alone.rate) / WORKERS
    table = Table("process", "CPU, % of a core", "statements a second", "memory, MB")
    table.add_row("up, alone", f"{alone.shares[0]:.2%}", f"{alone.rate:.1f}", "")
    table.add_row(f"up, with {WORKERS} workers", f"{together.shares[0]:.2%}", "", f"{memory[0]:.0f}")
    for number, share in enumerate(together.shares[1:], 1):
        table.add_row(f"worker {number}", f"{share:.2%}", f"{of_a_worker:.1f}", f"{memory[number]:.0f}")
    table.add_row("a bare asyncio process", f"{alone.shares[1]:.2%}", "0", f"{memory[-1]:.0f}")
    table.add_row("aim, each", "3 %", "10", "400")
    console.print(table)
    for name, one in (("up, alone", alone), (f"up and {WORKERS} workers", together)):
        console.print(f"{name}: {one.rate:.1f} statements a second", highlight=False)
        for statement, count in one.counted.most_common(14):
            console.print(f"{count / one.seconds:6.2f}/s  {statement}", markup=False, highlight=False)


def start_worker(instance: Instance) -> subprocess.Popen[str]:
    """A worker beside it, once it is up."""
    worker = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "opsteward", "worker"],
        env=clean_environment() | {"OPSTEWARD_HOME": str(instance.home)},
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    assert worker.stdout is not None
    worker.stdout.readline()
    return worker


if __name__ == "__main__":
    main()
