"""Batches of events, committed, grouped, judged and decided, against a raw COPY of the same rows into the same table.

python -m bench.batch [--rows 100000]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import time
from urllib.parse import urlsplit

import psutil
import psycopg
from rich.console import Console

from bench.instance import Instance, running, settle, temporary_folder
from bench.intake import Connection, processor_seconds, request
from opsteward.core.embedded_postgres import EmbeddedPostgres

ROWS, AT_ONCE, CONNECTIONS = 100_000, 5_000, 2
_FORMS = (
    "Failed password for user{n} from 10.0.{a}.{b} port {p} ssh2",
    "connection to db{a} lost after {n} ms",
    "GET /orders/{n} HTTP/1.1 500 in {p} ms",
    "worker {a} finished job {n} in {b} s",
    "disk /dev/sd{c} is {b}% full",
    "cache miss for key order:{n}",
    "Accepted publickey for deploy from 10.1.{a}.{b} port {p}",
    "timeout after {p} ms calling https://pay.example/{n}",
)


def event(number: int) -> dict[str, object]:
    """A log line with values of its own."""
    values = {"n": random.randrange(10**6), "a": random.randrange(250), "b": random.randrange(100)}
    values |= {"p": random.randrange(65_000)}
    return {
        "message": random.choice(_FORMS).format(**values, c=random.choice("abcd")),
        "source": f"app{number % 50}",
        "severity": random.choice(("low", "medium", "high")),
        "context": {"host": f"h{number % 99}", "number": number},
    }


async def send_all(instance: Instance, requests: list[bytes]) -> None:
    waiting = iter(requests)

    async def one() -> None:
        connection = Connection(instance.client.url)
        for content in waiting:
            status = await connection.ask(content)
            assert status == 202, (status, connection.body)
        connection.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))


def copied(instance: Instance) -> float:
    """Rows a second of COPY into a table with the same indexes, of what is stored."""
    with psycopg.connect(EmbeddedPostgres(instance.home).url("opsteward"), autocommit=True) as connection:
        connection.execute("create table opsteward.raw_events (like opsteward.events including all)")
        parts: list[bytes] = []
        with connection.cursor().copy("copy opsteward.events to stdout") as out:
            parts += (bytes(part) for part in out)
        content = b"".join(parts)
        began = time.perf_counter()
        with connection.cursor().copy("copy opsteward.raw_events from stdin") as into:
            for start in range(0, len(content), 1 << 20):
                into.write(content[start : start + (1 << 20)])
        return len(parts) / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    options = parser.parse_args()
    with temporary_folder() as folder, running(folder / "home") as instance:
        token = (folder / "home" / "token").read_text().strip()

        def batch(first: int, number: int) -> bytes:
            body = json.dumps([event(n) for n in range(first, first + number)]).encode()
            headers = f"Authorization: Bearer {token}", "Content-Type: application/json"
            return request("/api/v1/events?detail=none", body, urlsplit(instance.client.url).netloc, *headers)

        asyncio.run(send_all(instance, [batch(0, AT_ONCE)]))  # opens the incidents
        settle(instance)
        requests = [batch(first, AT_ONCE) for first in range(0, options.rows, AT_ONCE)]
        own, database = processor_seconds(instance)
        began = time.perf_counter()
        asyncio.run(send_all(instance, requests))
        rate = options.rows / (time.perf_counter() - began)
        own_after, database_after = processor_seconds(instance)
        raw = copied(instance)
        Console().print(
            f"batches of {AT_ONCE}: {rate:.0f} events a second; {(own_after - own) / options.rows * 1e6:.0f} and"
            f" {(database_after - database) / options.rows * 1e6:.0f} µs of processor each (ours, the database's);"
            f" raw COPY {raw:.0f} rows a second; ratio {rate / raw:.2f}; load average {psutil.getloadavg()[0]:.1f}"
        )


if __name__ == "__main__":
    main()
