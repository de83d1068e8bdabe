"""A burst far above the rate that can be sustained: what is answered, what is stored, memory, and how the loop goes on.

First so many connections as keep the instance busy tell the sustainable rate; then fifty times as many send as fast as
they are answered. Whatever was answered 2xx must be in the database once, the rest must have had 429 with Retry-After.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psutil
from rich.console import Console

from bench.instance import Instance, quantile, running, settle, temporary_folder
from bench.intake import Connection, request

TIMES = 50
SECONDS = 10.0
CONNECTIONS = 16
_MEGABYTE = 1024 * 1024


@dataclass
class Burst:
    """What came of it; `sent` are the numbers of the events that were answered with 2xx."""

    statuses: Counter[int] = field(default_factory=Counter)
    stored: list[int] = field(default_factory=list)
    without_advice: int = 0
    took: list[float] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)
    most_memory: int = 0


class Sender:
    """Sends one event after the other on one connection, as fast as they are answered."""

    def __init__(self, instance: Instance, first: int, step: int, *, mark: str, size: int) -> None:
        self._url, self._token = instance.client.url, (instance.home / "token").read_text().strip()
        self._next, self._step, self._mark, self._filler = first, step, mark, "x" * size

    async def send(self, until: float, burst: Burst) -> None:
        connection = Connection(self._url)
        host = urlsplit(self._url).netloc
        while time.perf_counter() < until:
            event = {
                "message": f"disk of db{self._next % 20} is full",
                "source": f"app{self._next % 50}",
                "context": {"number": self._next, "mark": self._mark, "filler": self._filler},
            }
            content = request(
                "/api/v1/events?detail=none",
                json.dumps(event).encode(),
                host,
                f"Authorization: Bearer {self._token}",
                "Content-Type: application/json",
            )
            began = time.perf_counter()
            status = await connection.ask(content)
            burst.took.append(time.perf_counter() - began)
            burst.statuses[status] += 1
            if status == 202:
                burst.stored.append(self._next)
            elif b"retry-after" not in connection.head.lower():
                burst.without_advice += 1
            if status not in (202, 429):
                print(connection.head, connection.body)
            self._next += self._step
        connection.close()


async def burst_of(instance: Instance, connections: int, seconds: float, *, mark: str, size: int) -> Burst:
    burst = Burst()
    process, until = psutil.Process(instance.process.pid), time.perf_counter() + seconds

    async def watch() -> None:
        probe = Connection(instance.client.url)
        content = f"GET /livez HTTP/1.1\r\nHost: {urlsplit(instance.client.url).netloc}\r\n\r\n".encode()
        while True:
            began = time.perf_counter()
            await probe.ask(content)
            burst.probes.append(time.perf_counter() - began)
            burst.most_memory = max(burst.most_memory, process.memory_info().rss)
            await asyncio.sleep(0.1)

    watching = asyncio.create_task(watch())
    senders = [Sender(instance, n, connections, mark=mark, size=size) for n in range(connections)]
    await asyncio.gather(*(sender.send(until, burst) for sender in senders))
    watching.cancel()
    return burst


def in_database(instance: Instance, mark: str) -> Counter[int]:
    """How often each number of this burst is stored."""
    import psycopg

    from opsteward.core.embedded_postgres import EmbeddedPostgres

    with psycopg.connect(EmbeddedPostgres(instance.home).url("opsteward")) as connection:
        rows = connection.execute(
            "select cast(context ->> 'number' as int) from opsteward.events where context ->> 'mark' = %s", [mark]
        )
        return Counter(row[0] for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--times", type=int, default=TIMES)
    parser.add_argument("--size", type=int, default=200, help="bytes of each event beside its message")
    options = parser.parse_args()
    console = Console()
    with temporary_folder() as folder, running(folder / "home", max_connections_per_address=4096) as instance:
        settle(instance)
        asyncio.run(burst_of(instance, CONNECTIONS, 5, mark="warm", size=options.size))  # opens the incidents
        settle(instance)
        calm = asyncio.run(burst_of(instance, CONNECTIONS, 3, mark="calm", size=options.size))
        rate = len(calm.stored) / 3
        console.print(f"sustained: {rate:.0f} a second, {calm.most_memory / _MEGABYTE:.0f} MB; {dict(calm.statuses)}")
        began = time.perf_counter()
        burst = asyncio.run(
            burst_of(instance, CONNECTIONS * options.times, options.seconds, mark="burst", size=options.size)
        )
        seconds = time.perf_counter() - began
        found = in_database(instance, "burst")
        lost, twice = set(burst.stored) - set(found), [number for number, times in found.items() if times > 1]
        answers = sum(burst.statuses.values()) / seconds
        console.print(
            f"burst of {CONNECTIONS * options.times} connections: {answers:.0f} answers a second,"
            f" {dict(burst.statuses)}, {burst.without_advice} refused without Retry-After\n"
            f"stored {len(found)}, answered 2xx {len(burst.stored)}, lost {len(lost)}, twice {len(twice)}\n"
            f"memory {burst.most_memory / _MEGABYTE:.0f} MB at most; answers p50 {quantile(burst.took, 0.5):.2f} s,"
            f" p99 {quantile(burst.took, 0.99):.2f} s; /livez p99 {quantile(burst.probes, 0.99) * 1000:.0f} ms;"
            f" load average {psutil.getloadavg()[0]:.1f}"
        )
        after = asyncio.run(burst_of(instance, CONNECTIONS, 2, mark="after", size=options.size))
        console.print(f"afterwards: {len(after.stored) / 2:.0f} a second, {dict(after.statuses)}")
        assert not lost and not twice and not burst.without_advice and set(burst.statuses) <= {202, 429}, burst.statuses


if __name__ == "__main__":
    main()
