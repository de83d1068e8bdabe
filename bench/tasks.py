"""Tasks against their peers, one after the other on this machine, and how much of each other's speed they have.

- N no-op tasks through two worker processes, from the first submission until the last is done and recorded: ours
  (bulk submit through the API), raw DBOS at its best settings, Celery with Redis, Procrastinate. Aims: at least 0.9 of
  raw DBOS, at least twice the better of the other two.
- A task of 40 light steps, one after the other: ours, raw DBOS, Prefect. Ours and raw DBOS take turns, so that what
  else the machine does meets both; the ratio is the median of the pairs, with its quartiles. Aim: 0.8 of raw DBOS.
- Bulk submit against single submit through the API: at least ten times.
- A critical task submitted behind 10,000 background tasks: how long until it starts; within a second.

The peers are installed by `make bench-peers` into `.venv-peers`; what is missing is said and left out. Limit: one run
on a machine that does other things too; take the ratios, not the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.table import Table

from bench.instance import Instance, running, temporary_folder
from opsteward.core.embedded_postgres import EmbeddedPostgres

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-peers" / "bin" / "python"
PLUGINS = '["bench.tasks_plugin:INTEGRATION"]'
MAX_IN_A_REQUEST = 10_000
STEPS_WITHIN = 60.0  # seconds
console = Console()


@contextmanager
def ours(folder: Path) -> Iterator[Instance]:
    """`opsteward up` and one `opsteward worker`: two processes that work."""
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with running(folder / "ops", plugins=PLUGINS) as instance:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("OPSTEWARD_") and k != "DATABASE_URL"}
        worker = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "opsteward", "worker"],
            env=environment | {"OPSTEWARD_HOME": str(instance.home), "OPSTEWARD_PLUGINS": PLUGINS},
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        try:
            assert worker.stdout is not None
            worker.stdout.readline()
            yield instance
        finally:
            worker.terminate()
            worker.wait(30)


def submit(instance: Instance, count: int, task: dict[str, Any]) -> list[str]:
    ids: list[str] = []
    for begin in range(0, count, MAX_IN_A_REQUEST):
        tasks = [task] * min(MAX_IN_A_REQUEST, count - begin)
        ids += instance.client.post("/api/v1/tasks/bulk", {"tasks": tasks})["ids"]
    return ids


def wait_done(instance: Instance, count: int, *, every: float = 0.05) -> None:
    """Until so many are done, by a look `every` so many seconds; a failed one ends the measurement."""
    while (told := instance.client.get("/api/v1/tasks/counts"))["completed"] < count:
        if told["failed"] + told["dead_letter"]:
            raise SystemExit(f"tasks failed: {told}")
        time.sleep(every)


def done_now(instance: Instance) -> int:
    return int(instance.client.get("/api/v1/tasks/counts")["completed"])


def measure_ours(instance: Instance, count: int) -> dict[str, float]:
    before, began = done_now(instance), time.monotonic()
    submit(instance, count, {"task_type": "bench.nothing"})
    submitted = time.monotonic()
    wait_done(instance, before + count)
    return {"submit": submitted - began, "total": time.monotonic() - began}


def one_flow(instance: Instance) -> float:
    """Seconds from the start of a task of 40 steps to its end, as it is on record."""
    before = done_now(instance)
    task = instance.client.post("/api/v1/tasks", {"task_type": "bench.forty"})["id"]
    wait_done(instance, before + 1, every=0.25)  # each look costs the process that may be running it
    row = instance.client.get(f"/api/v1/tasks/{task}")
    return seconds_between(row["started_at"], row["ended_at"])


@contextmanager
def raw_flows() -> Iterator[Callable[[str], float]]:
    """Runs 40 steps of raw DBOS, `plain` or `asynchronous`, and gives their seconds."""
    with temporary_folder() as folder, database(folder) as url:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "bench.task_peers.dbos_peer", "steps", url],
            env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip

        def run(how: str) -> float:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{how}\n")
            process.stdin.flush()
            return float(process.stdout.readline())

        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield run
        finally:
            process.terminate()
            process.wait(30)


@dataclass
class Flows:
    """Seconds of each round: ours, and raw DBOS plain and asynchronous right beside it."""

    ours: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)
    asynchronous: list[float] = field(default_factory=list)

    def ratio(self, raw: list[float]) -> str:
        """How many times as fast ours is: the median of the pairs, and the quartiles around it."""
        pairs = [other / mine for mine, other in zip(self.ours, raw, strict=True)]
        low, middle, high = statistics.quantiles(pairs, n=4) if len(pairs) > 1 else pairs * 3
        return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def measure_steps(instance: Instance, times: int, raw: Callable[[str], float] | None) -> Flows:
    """So many rounds, or fewer where the time is up; the first of each is not counted, and who begins changes."""
    flows, ends = Flows(), time.monotonic() + STEPS_WITHIN
    for number in range(times + 1):
        turns: list[tuple[list[float], Callable[[], float]]] = [(flows.ours, partial(one_flow, instance))]
        if raw is not None:
            turns += [(flows.plain, partial(raw, "plain")), (flows.asynchronous, partial(raw, "asynchronous"))]
        for kept, measure in turns if number % 2 else reversed(turns):
            spent = measure()
            if number:
                kept.append(spent)
        if number and (number % 5 == 0 or time.monotonic() > ends):
            console.print(f"  40 steps: {number} of {times} rounds", highlight=False)
        if number and time.monotonic() > ends:
            break
    return flows


def measure_submission(instance: Instance, count: int) -> tuple[float, float]:
    """Tasks a second: in bulk, and one by one over a kept connection. They are delayed, so that none runs meanwhile."""
    task = {"task_type": "bench.nothing", "delay": 86_400}
    began = time.monotonic()
    submit(instance, count, task)
    bulk = count / (time.monotonic() - began)
    singles = max(1, count // 40)
    began = time.monotonic()
    for _ in range(singles):
        instance.client.post("/api/v1/tasks", task)
    return bulk, singles / (time.monotonic() - began)


def measure_urgent(instance: Instance, count: int) -> float:
    """Seconds from the submission of a critical task to its start, with so many background tasks before it."""
    before = done_now(instance)
    submit(instance, count, {"task_type": "bench.short", "priority": "background"})
    task = instance.client.post("/api/v1/tasks", {"task_type": "bench.short", "priority": "critical"})["id"]
    waiting = instance.client.get("/api/v1/tasks/counts")["pending"]
    while (row := instance.client.get(f"/api/v1/tasks/{task}"))["started_at"] is None:
        time.sleep(0.01)
    console.print(f"  {waiting} were still waiting when it was submitted", highlight=False)
    wait_done(instance, before + count + 1)
    return seconds_between(row["created_at"], row["started_at"])


def seconds_between(one: str, other: str) -> float:
    return (datetime.fromisoformat(other) - datetime.fromisoformat(one)).total_seconds()


# ---------------------------------------------------------------- peers


def peer(name: str, *arguments: object, python: Path | str = PEERS, **environment: str) -> dict[str, float] | None:
    """What the peer's program measured; None (and why) when it could not."""
    if not Path(python).exists():
        console.print(f"  {name} is left out: there is no .venv-peers (make bench-peers)")
        return None
    done = subprocess.run(
        [str(python), "-W", "ignore", "-m", f"bench.task_peers.{name}_peer", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode:
        console.print(f"  {name} is left out, it failed: {done.stderr.strip()[-300:]}", markup=False)
        return None
    told: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


@contextmanager
def database(folder: Path) -> Iterator[str]:
    """A fresh database on a server of its own; the peers' side gets the same server and settings as ours."""
    server = EmbeddedPostgres(folder / "peer")
    server.ensure_running()
    try:
        with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
            admin.execute("create database peer")
        yield server.url("peer")
    finally:
        server.stop_if_last()


@contextmanager
def redis() -> Iterator[str | None]:
    """The address of a Redis of its own, at its fastest: nothing is written to disk. None (and why) without one."""
    program = shutil.which("redis-server")
    if program is None:
        console.print("  celery is left out: there is no redis-server (apt-get install redis-server)")
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with temporary_folder() as folder:
        server = subprocess.Popen(
            [program, "--port", str(port), "--save", "", "--appendonly", "no", "--dir", str(folder)],
            stdout=subprocess.DEVNULL,
        )
        try:
            time.sleep(0.5)
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait()


def measure_peers(count: int) -> dict[str, dict[str, float] | None]:
    found: dict[str, dict[str, float] | None] = {}
    console.print(f"raw DBOS: {count:,} tasks")
    with temporary_folder() as folder, database(folder) as url:
        found["raw DBOS"] = peer("dbos", count, url, python=sys.executable)
    console.print(f"Celery: {count:,} tasks")
    with redis() as address:
        found["Celery + Redis"] = peer("celery", count, BENCH_REDIS=address) if address else None
    console.print(f"Procrastinate: {count:,} tasks")
    with temporary_folder() as folder, database(folder) as url:
        found["Procrastinate"] = peer("procrastinate", count, BENCH_DATABASE=url)
    return found


def measure_prefect(times: int) -> dict[str, float] | None:
    console.print("Prefect: 40 steps")
    with temporary_folder() as folder:
        quiet = {"PREFECT_HOME": str(folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
        return peer("prefect", "steps", times, PREFECT_LOGGING_LEVEL="CRITICAL", **quiet)


def show_steps(flows: Flows, prefect: dict[str, float] | None) -> None:
    """Each with its speed; how many times as fast ours is, pair by pair."""
    title = f"40 light steps, one after the other: {len(flows.ours)} rounds, load {os.getloadavg()[0]:.1f}"
    table = Table("", "median, s", "steps a second", "ours is so many times as fast (quartiles)", title=title)

    def row(name: str, seconds: float, ratio: str) -> None:
        table.add_row(name, f"{seconds:.3f}", f"{40 / seconds:,.0f}", ratio)

    mine = statistics.median(flows.ours)
    row("Opsteward", mine, "")
    for name, raw in (("raw DBOS", flows.plain), ("raw DBOS, asynchronous as ours", flows.asynchronous)):
        if raw:
            row(name, statistics.median(raw), flows.ratio(raw))
    if prefect:
        row("Prefect", prefect["total"], f"{prefect['total'] / mine:.2f}")
    console.print(table)


def show(title: str, mine: dict[str, float], others: dict[str, dict[str, float] | None], count: int, unit: str) -> None:
    """Each with its speed, and how many times as fast ours is."""
    table = Table("", "submit, s", "total, s", f"{unit} a second", "ours is", title=title)
    for name, one in {"Opsteward": mine, **others}.items():
        if one is None:
            table.add_row(name, "-", "-", "-", "-")
            continue
        submit_seconds = f"{one['submit']:.2f}" if "submit" in one else "-"
        ratio = "" if one is mine else f"{one['total'] / mine['total']:.2f} times as fast"
        table.add_row(name, submit_seconds, f"{one['total']:.3g}", f"{count / one['total']:,.0f}", ratio)
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--flows", type=int, default=30, help="how often the 40 steps are run")
    parser.add_argument("--background", type=int, default=10_000)
    parser.add_argument("--steps", action="store_true", help="the 40 steps alone, ours and raw DBOS by turns")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    given = parser.parse_args()
    if given.steps:
        with temporary_folder() as folder, ours(folder) as instance, raw_flows() as raw:
            show_steps(measure_steps(instance, given.flows, raw), None)
        return
    others = {} if given.alone else measure_peers(given.tasks)
    prefect = None if given.alone else measure_prefect(min(given.flows, 10))
    with temporary_folder() as folder, ours(folder) as instance:
        console.print(f"ours: {given.tasks:,} tasks")
        mine = measure_ours(instance, given.tasks)
        with ExitStack() as stack:
            console.print("40 steps, ours and raw DBOS by turns")
            flows = measure_steps(instance, given.flows, None if given.alone else stack.enter_context(raw_flows()))
        console.print(f"a critical task behind {given.background:,}")
        urgent = measure_urgent(instance, given.background)
        console.print("submission, in bulk and one by one")
        bulk, single = measure_submission(instance, given.tasks)
    show(f"{given.tasks:,} tasks that do nothing, two processes", mine, others, given.tasks, "tasks")
    show_steps(flows, prefect)
    table = Table("what", "measured", "aim")
    table.add_row("bulk submit, tasks a second", f"{bulk:,.0f}", "")
    table.add_row("single submit, tasks a second", f"{single:,.0f}", "")
    table.add_row("bulk against single", f"{bulk / single:.0f} times", "10 times")
    table.add_row(f"a critical task behind {given.background:,} starts after", f"{urgent:.2f} s", "1 s")
    console.print(table)


if __name__ == "__main__":
    main()
