"""What an idle instance costs for a minute: `opsteward up`, one system registered, no lab.

Aims: CPU under 3 % of a core, under 10 database statements a second (BEGIN, COMMIT, ROLLBACK and pings not
counted), memory under 400 MB in Opsteward's own processes. The statements are counted by the server's own log.
Limit: a bare asyncio process that sleeps.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from bench.instance import running, temporary_folder
from opsteward.core.embedded import EmbeddedPostgres

SETTLE = 30.0  # seconds after the start, in which the engine still looks around more often
WINDOW = 60.0
_NOT_COUNTED = re.compile(r"^(BEGIN|COMMIT|ROLLBACK|START TRANSACTION)\b|^select 1$|^$", re.IGNORECASE)
_STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*): (.*)")


def statements(log: Path, begin: int) -> Counter[str]:
    """The statements in the server's log from an offset on."""
    text = log.read_bytes()[begin:].decode("utf-8", "replace")
    found = (match.group(1).strip() for match in map(_STATEMENT.search, text.splitlines()) if match)
    return Counter(s[:110] for s in found if not _NOT_COUNTED.match(s))


def cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def main() -> None:
    console = Console()
    with temporary_folder() as folder, running(folder / "ops") as instance:
        instance.client.post(
            "/api/v1/systems",
            {"name": "itself", "type": "api", "endpoint": instance.client.url, "criticality": "critical",
             "health_check_url": f"{instance.client.url}/livez"},
        )  # fmt: skip
        server = EmbeddedPostgres(instance.home)
        with psycopg.connect(server.url("opsteward"), autocommit=True) as admin:
            admin.execute("alter system set log_statement = 'all'")
            admin.execute("select pg_reload_conf()")
        bare = subprocess.Popen([sys.executable, "-c", "import asyncio; asyncio.run(asyncio.sleep(600))"])
        try:
            time.sleep(SETTLE)
            own, sleeper = psutil.Process(instance.process.pid), psutil.Process(bare.pid)
            log = server.data / "server.log"
            offset, began = log.stat().st_size, time.monotonic()
            before, before_bare = cpu(own), cpu(sleeper)
            time.sleep(WINDOW)
            spent = time.monotonic() - began
            share, share_bare = (cpu(own) - before) / spent, (cpu(sleeper) - before_bare) / spent
            counted = statements(log, offset)
            memory = own.memory_info().rss / 1e6
            memory_bare = sleeper.memory_info().rss / 1e6
        finally:
            bare.kill()
            bare.wait()
    table = Table("what", "Opsteward", "bare asyncio process", "aim")
    table.add_row("CPU, % of a core", f"{share:.2%}", f"{share_bare:.2%}", "3 %")
    table.add_row("statements a second", f"{counted.total() / spent:.1f}", "0", "10")
    table.add_row("memory, MB", f"{memory:.0f}", f"{memory_bare:.0f}", "400")
    console.print(table)
    for statement, count in counted.most_common(12):
        console.print(f"{count / spent:6.2f}/s  {statement}", markup=False, highlight=False)


if __name__ == "__main__":
    main()
