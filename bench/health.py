"""What a health check costs: 1,000 HTTP targets every 10 s, by an instance and by Debian's blackbox exporter.

Aims: CPU per probe at most twice the exporter's (whose caller, a Prometheus, is not counted; our database is told
apart); no check late by more than 10 % of its interval; from a fault to its alert p95 under one interval and a second.
Limit: the exporter, one after the other with the same targets on the same machine.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import aiohttp
import httpx
import psutil

from bench.instance import Instance, running, temporary_folder

TARGETS = int(os.environ.get("BENCH_TARGETS", "1000"))
INTERVAL = 10.0
WINDOW = float(os.environ.get("BENCH_SECONDS", "60"))
FAULTS = 20


@contextmanager
def targets() -> Iterator[str]:
    """The address of a process that is all targets."""
    process = subprocess.Popen([sys.executable, "-m", "bench.health_targets"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.terminate()
        process.wait(10)


def cpu(processes: list[psutil.Process]) -> float:
    """Seconds of all of them."""
    spent = 0.0
    for one in processes:
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        spent += times.user + times.system
    return spent


def family(pid: int) -> list[psutil.Process]:
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


def database(home: Path) -> list[psutil.Process]:
    """The embedded server of a home and its backends; they are no children of the instance."""
    found = []
    for pid_file in home.rglob("postmaster.pid"):
        found += family(int(pid_file.read_text().split("\n", 1)[0]))
    return found


def seen(url: str) -> dict[str, list[float]]:
    answer = httpx.get(f"{url}/seen/all", timeout=30)
    return {name: list(times) for name, times in answer.json().items()}


async def exporter_probes(exporter: str, url: str) -> None:
    """As a Prometheus would ask: each target on its own beat."""
    connector = aiohttp.TCPConnector(limit=200)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def follow(name: int) -> None:
            due = time.monotonic() + random.uniform(0, INTERVAL)
            while True:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                params = {"target": f"{url}/t/{name}", "module": "http_2xx"}
                async with session.get(f"{exporter}/probe", params=params) as answer:
                    await answer.read()
                due += INTERVAL

        async with asyncio.timeout(WINDOW + INTERVAL), asyncio.TaskGroup() as parts:
            for name in range(TARGETS):
                parts.create_task(follow(name))


def measure_exporter(url: str) -> float:
    """CPU seconds per probe."""
    program = shutil.which("prometheus-blackbox-exporter")
    assert program, "apt-get install prometheus-blackbox-exporter"
    with temporary_folder() as folder:
        config = folder / "blackbox.yml"
        config.write_text(
            "modules:\n  http_2xx:\n    prober: http\n    timeout: 5s\n    http: {preferred_ip_protocol: ip4}\n"
        )
        port = random.randint(20000, 30000)
        process = subprocess.Popen(
            [program, f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"],
            stderr=subprocess.DEVNULL,
        )
        try:
            time.sleep(2)
            seen(url)
            before = cpu(family(process.pid))
            with suppress(TimeoutError):
                asyncio.run(exporter_probes(f"http://127.0.0.1:{port}", url))
            spent = cpu(family(process.pid)) - before
        finally:
            process.terminate()
            process.wait(10)
    return spent / max(1, sum(map(len, seen(url).values())))


def register(instance: Instance, url: str) -> None:
    for name in range(TARGETS):
        system = {
            "name": f"target-{name}", "type": "api", "endpoint": f"{url}/t/{name}",
            "settings": {"check_interval": INTERVAL},
        }  # fmt: skip
        instance.client.post("/api/v1/systems", system)


def late(asked: dict[str, list[float]]) -> tuple[float, float]:
    """The share of checks late by more than 10 % of the interval, and the longest time between two."""
    waits = [after - before for times in asked.values() for before, after in pairwise(times)]
    return sum(wait > 1.1 * INTERVAL for wait in waits) / len(waits), max(waits)


def fault_to_alert(instance: Instance, url: str) -> list[float]:
    """Seconds until a broken target is shown as down; each is broken at a random time."""
    broken: dict[str, float] = {}
    found: dict[str, float] = {}
    chosen = random.sample(range(TARGETS), FAULTS)
    end = time.monotonic() + 3 * INTERVAL
    while time.monotonic() < end and len(found) < FAULTS:
        if chosen:
            name = chosen.pop()
            httpx.get(f"{url}/fail/{name}")
            broken[f"target-{name}"] = time.monotonic()
        for one in instance.client.get("/api/v1/systems", status="down")["items"]:
            found.setdefault(one["name"], time.monotonic() - broken[one["name"]])
        time.sleep(0.25)
    return list(found.values())


def main() -> None:
    with targets() as url, temporary_folder() as folder:
        with running(folder / "home") as instance:
            register(instance, url)
            time.sleep(3 * INTERVAL)
            ours, of_database = family(instance.process.pid), database(folder / "home")
            seen(url)
            before = cpu(ours), cpu(of_database)
            time.sleep(WINDOW)
            asked = seen(url)
            own, sql = cpu(ours) - before[0], cpu(database(folder / "home")) - before[1]
            probes = sum(map(len, asked.values()))
            alerts = fault_to_alert(instance, url)
        exporter = measure_exporter(url)
    share, longest = late(asked)
    print(f"load average {os.getloadavg()[0]:.1f}; {TARGETS} targets every {INTERVAL:g} s; {probes} probes")
    print(f"CPU per probe: {1000 * own / probes:.2f} ms, database {1000 * sql / probes:.2f} ms more")
    print(f"blackbox exporter: {1000 * exporter:.2f} ms; ratio {own / probes / exporter:.2f} without our database")
    print(f"late by more than 10 %: {100 * share:.2f} %, longest wait {longest:.2f} s")
    if len(alerts) > 1:
        p95 = statistics.quantiles(alerts, n=20)[-1]
        print(f"fault to alert: {len(alerts)} of {FAULTS}, median {statistics.median(alerts):.2f} s, p95 {p95:.2f} s")


if __name__ == "__main__":
    main()
