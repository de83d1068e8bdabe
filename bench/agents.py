"""1,000 background agents in one process, and what becomes of them when it is killed.

Aims: with 1,000 agents that run every 10 s and beat every 10 s, CPU under 15 % of one core over 60 s, about a statement
a second for all of them; after `kill -9` of one of two processes its agents run on the other within three beats.

A run does next to nothing: what is measured is the runtime. The same process without agents is measured first, and
what the database server itself spends is shown beside it.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from bench.idle import cpu, statements
from bench.instance import temporary_folder
from opsteward.accounts.tenants import create_tenant
from opsteward.agents.types import NewAgent
from opsteward.app.process import Process, running
from opsteward.app.services import Services, build_services
from opsteward.app.settings import load_settings
from opsteward.contracts.agent import AgentContext, BackgroundAgent, NoAgentParams
from opsteward.contracts.integration import Integration
from opsteward.core import log
from opsteward.core.embedded_postgres import EmbeddedPostgres

AGENTS = 1000
SETTLE = 25.0  # seconds
WINDOW = 60.0


class Ticker(BackgroundAgent[NoAgentParams]):
    """Counts its runs."""

    kind = "bench.ticker"
    purpose = "Counts its runs"
    interval = 10.0

    def __init__(self) -> None:
        self.runs = 0

    async def run_once(self, ctx: AgentContext[NoAgentParams]) -> None:
        self.runs += 1


BENCH = Integration(slug="bench", title="Agents to measure", agents=[Ticker])


async def work(home: Path) -> None:
    """A worker with the bench's kind of agent, until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with running(Process(build_services(load_settings(home=home), [BENCH]), kind="worker")):
        await stop.wait()


@contextmanager
def worker(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-W", "ignore", "-m", "bench.agents", str(home)])
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


async def register(services: Services) -> float:
    """A tenant with all agents; gives how long the registration took."""
    tenant = await create_tenant(services.web, name="bench", operator="ada", actor="system:bench")
    began = time.monotonic()
    async with services.web.unit_of_work(tenant.id) as session:
        for number in range(AGENTS):
            new = NewAgent(kind=Ticker.kind, name=f"ticker-{number:04}")
            await services.agents.register(session, new=new, actor="system:bench")
    return time.monotonic() - began


class Look:
    """At the database, as its superuser."""

    def __init__(self, home: Path) -> None:
        self.server = EmbeddedPostgres(home)
        self.admin = psycopg.connect(self.server.url("opsteward"), autocommit=True)

    def owners(self) -> Counter[str]:
        rows = self.admin.execute("select process_id::text, count(*) from opsteward.agents group by 1").fetchall()
        return Counter({str(owner): int(count) for owner, count in rows})

    def runs(self) -> int:
        row = self.admin.execute("select coalesce(sum(runs), 0) from opsteward.agents").fetchone()
        return int(row[0]) if row else 0

    def last_run_elsewhere(self, since: float) -> int:
        """How many agents have run after that instant (seconds since 1970)."""
        row = self.admin.execute(
            "select count(*) from opsteward.agents where last_run_at > to_timestamp(%s)", [since]
        ).fetchone()
        return int(row[0]) if row else 0

    def server_cpu(self) -> float:
        pid = self.server.pid()
        return sum(cpu(one) for one in psutil.Process(pid).children()) if pid else 0.0

    def wait(self, holds: object, *, seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():  # type: ignore[operator]
            if time.monotonic() > deadline:
                raise TimeoutError("it did not come about")
            time.sleep(0.05)


def window(pid: int, look: Look) -> tuple[float, float, Counter[str], float]:
    """CPU share of the process and of the server's sessions, statements, seconds, over WINDOW."""
    own, file = psutil.Process(pid), look.server.data / "server.log"
    offset, began = file.stat().st_size, time.monotonic()
    before, before_server = cpu(own), look.server_cpu()
    time.sleep(WINDOW)
    spent = time.monotonic() - began
    share, server = (cpu(own) - before) / spent, (look.server_cpu() - before_server) / spent
    return share, server, statements(file, offset), spent


def main() -> None:
    console = Console()
    log.configure(level="ERROR")
    with temporary_folder() as folder:
        home = folder / "ops"
        services = build_services(load_settings(home=home), [BENCH])
        look = Look(home)
        look.admin.execute("alter system set log_statement = 'all'")
        look.admin.execute("select pg_reload_conf()")
        with worker(home) as first:
            time.sleep(SETTLE)
            empty, server_empty, _, _ = window(first.pid, look)
            registration = asyncio.run(register(services))
            look.wait(lambda: look.runs() >= AGENTS)
            time.sleep(SETTLE)
            runs = look.runs()
            share, server, counted, spent = window(first.pid, look)
            ran = look.runs() - runs
            ours = Counter({what: n for what, n in counted.items() if "agent" in what or "figures" in what})
            table = Table("1,000 agents, each running and beating every 10 s", "measured", "aim")
            table.add_row("CPU of the process, % of a core", f"{share:.2%}", "15 %")
            table.add_row("  without agents", f"{empty:.2%}", "")
            table.add_row("CPU of the database's sessions (without agents)", f"{server:.2%} ({server_empty:.2%})", "")
            table.add_row("runs a second", f"{ran / spent:.1f}", "100")
            table.add_row("statements a second for agents", f"{ours.total() / spent:.2f}", "about 1")
            table.add_row("statements a second, all", f"{counted.total() / spent:.1f}", "")
            table.add_row("registration of all, s", f"{registration:.1f}", "")
            console.print(table)
            for statement, count in ours.most_common(6):
                console.print(f"{count / spent:6.2f}/s  {statement}", markup=False, highlight=False)
            killed(look, home, first, console)
        look.admin.close()


def killed(look: Look, home: Path, first: subprocess.Popen[bytes], console: Console) -> None:
    """Kill -9 one of two: how long until its agents are owned and run by the other."""
    with worker(home) as second:
        look.wait(lambda: sorted(look.owners().values()) == [AGENTS // 2, AGENTS // 2])
        time.sleep(15)
        by_pid = look.admin.execute("select pid, id::text from opsteward.processes").fetchall()
        heir = next(str(one) for pid, one in by_pid if pid == second.pid)
        at, began = time.time(), time.monotonic()
        os.kill(first.pid, signal.SIGKILL)
        look.wait(lambda: look.owners()[heir] == AGENTS)
        owned = time.monotonic() - began
        look.wait(lambda: look.last_run_elsewhere(at) == AGENTS)
        table = Table("kill -9 of one of two processes with 500 agents each", "seconds", "aim")
        table.add_row("until the other owns all", f"{owned:.2f}", "")
        table.add_row("until every agent has run there (as its beats say)", f"{time.monotonic() - began:.2f}", "30")
        console.print(table)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        log.configure(level="ERROR")
        asyncio.run(work(Path(sys.argv[1])))
    else:
        main()
