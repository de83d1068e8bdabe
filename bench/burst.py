"""A burst at fifty times a paced rate, for 30 s: what is answered, what is stored, memory, and how the loop goes on.

First single events come at a rate that is well sustained; then fifty times as many are due each second, however the
answers come; then the first rate again. Whatever was answered 2xx must be in the database once, the rest must have had
429 with Retry-After. Beside what was due stands what could be sent: the senders share the machine with the instance.
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

RATE = 40  # a second, paced
TIMES = 50
SECONDS = 30.0
CONNECTIONS = 1_000
_MEGABYTE = 1024 * 1024


@dataclass
class Burst:
    """What came of it; `stored` are the numbers of the events that were answered with 2xx, `due` how many were to be
    sent, `took` is counted from when one was due, `answered` from when it was sent."""

    due: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    stored: list[int] = field(default_factory=list)
    without_advice: int = 0
    took: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    probes: list[float] = field(default_factory=list)
    most_memory: int = 0


class Senders:
    """Connections that are kept, each with one event at a time."""

    def __init__(self, instance: Instance, *, mark: str, size: int) -> None:
        self._url, self._host = instance.client.url, urlsplit(instance.client.url).netloc
        self._token = (instance.home / "token").read_text().strip()
        self._mark, self._filler = mark, "x" * size
        self._free: list[Connection] = []
        self._places = asyncio.Semaphore(CONNECTIONS)

    async def send(self, number: int, due: float, until: float, burst: Burst) -> None:
        """One event, once a connection is free; not at all when that is after the end."""
        async with self._places:
            began = time.perf_counter()
            if began > until:
                return
            connection = self._free.pop() if self._free else Connection(self._url)
            status = await connection.ask(self._request(number))
            ended = time.perf_counter()
            self._free.append(connection)
        burst.took.append(ended - due)
        burst.answered.append(ended - began)
        burst.statuses[status] += 1
        if status == 202:
            burst.stored.append(number)
        elif b"retry-after" not in connection.head.lower():
            burst.without_advice += 1
        if status not in (202, 429):
            print(connection.head, connection.body)

    def close(self) -> None:
        for connection in self._free:
            connection.close()

    def _request(self, number: int) -> bytes:
        event = {
            "message": f"disk of db{number % 20} is full",
            "source": f"app{number % 50}",
            "context": {"number": number, "mark": self._mark, "filler": self._filler},
        }
        return request(
            "/api/v1/events?detail=none",
            json.dumps(event).encode(),
            self._host,
            f"Authorization: Bearer {self._token}",
            "Content-Type: application/json",
        )


async def burst_of(instance: Instance, rate: float, seconds: float, *, mark: str, size: int) -> Burst:
    """So many are due each second, in an even pace."""
    burst = Burst(due=int(rate * seconds))
    process, senders = psutil.Process(instance.process.pid), Senders(instance, mark=mark, size=size)

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
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(burst.due):
            due = start + number / rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            elif number % 50 == 0:
                await asyncio.sleep(0)
            if time.perf_counter() > start + seconds:
                break
            group.create_task(senders.send(number, due, start + seconds, burst))
    watching.cancel()
    senders.close()
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
    parser.add_argument("--rate", type=float, default=RATE, help="events a second, paced")
    parser.add_argument("--times", type=int, default=TIMES)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--size", type=int, default=200, help="bytes of each event beside its message")
    options = parser.parse_args()
    console = Console()
    with temporary_folder() as folder, running(folder / "home", max_connections_per_address=4096) as instance:
        settle(instance)

        def take(rate: float, seconds: float, mark: str) -> Burst:
            found = asyncio.run(burst_of(instance, rate, seconds, mark=mark, size=options.size))
            console.print(
                f"{mark}: {rate:.0f} a second due for {seconds:.0f} s, {found.statuses.total()} of {found.due} sent,"
                f" {dict(found.statuses)}, {found.without_advice} refused without Retry-After; from when due p50"
                f" {quantile(found.took, 0.5) * 1000:.0f} ms, p99 {quantile(found.took, 0.99) * 1000:.0f} ms;"
                f" answers p99 {quantile(found.answered, 0.99) * 1000:.0f} ms; /livez p99"
                f" {quantile(found.probes, 0.99) * 1000:.0f} ms; memory {found.most_memory / _MEGABYTE:.0f} MB at most;"
                f" load average {psutil.getloadavg()[0]:.1f}"
            )
            return found

        take(options.rate, 5, "warm")  # opens the incidents
        settle(instance)
        take(options.rate, 5, "calm")
        burst = take(options.rate * options.times, options.seconds, "burst")
        found = in_database(instance, "burst")
        lost, twice = set(burst.stored) - set(found), [number for number, times in found.items() if times > 1]
        console.print(f"stored {len(found)}, answered 2xx {len(burst.stored)}, lost {len(lost)}, twice {len(twice)}")
        take(options.rate, 5, "after")
        assert not lost and not twice and not burst.without_advice and set(burst.statuses) <= {202, 429}, burst.statuses


if __name__ == "__main__":
    main()
