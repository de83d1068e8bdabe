"""Intake one by one: Sentry envelopes of 50 KB a second, end to end (committed, grouped, judged), and how long single
events take at 200 a second.

The senders are connections of this process that send prepared requests and read the answers; an answer is given after
the commit. Beside the rate stands the processor time of each envelope, which other work on the machine changes less.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import psutil
from rich.console import Console
from rich.table import Table

from bench.instance import Instance, quantile, running, settle, temporary_folder

ENVELOPE_BYTES = 50_000
KINDS = 200  # of different errors
CONNECTIONS = 32
SECONDS = 10.0
SINGLES_A_SECOND = 200


def event(number: int) -> dict[str, Any]:
    """As SDKs send it: 60 frames with their code and variables, 60 breadcrumbs."""
    kind = number % KINDS
    step = "step_" + "".join("abcdefghij"[int(digit)] for digit in str(kind))  # names with digits would be one group
    frames = [
        {
            "filename": f"app/part_{n % 7}.py",
            "abs_path": f"/srv/app/part_{n % 7}.py",
            "function": f"{step}_{'abcdefghij'[n % 10]}",
            "module": f"app.part_{n % 7}",
            "lineno": 10 + n,
            "pre_context": [f"    before_{i} = compute({i}, order)" for i in range(5)],
            "context_line": f"    return {step}_next(order)",
            "post_context": [f"    after_{i} = compute({i}, order)" for i in range(5)],
            "in_app": n > 40,
            "vars": {"order": str(number), "self": "<app.Order object at 0x7f1c>", "items": ["'a'", "'b'"]},
        }
        for n in range(60)
    ]
    crumbs = [
        {
            "type": "http",
            "category": "httplib",
            "data": {"url": f"http://stock/{i}", "status_code": 200},
            "timestamp": i,
        }
        for i in range(60)
    ]
    value = f"order {number} failed: connection to 10.0.{number % 250}.7 refused"
    found: dict[str, Any] = {
        "event_id": uuid4().hex,
        "timestamp": time.time(),
        "level": "error",
        "platform": "python",
        "release": "shop@1.0.0",
        "environment": "production",
        "tags": {"shop": "a", "route": f"/orders/{kind}"},
        "user": {"id": str(number)},
        "exception": {"values": [{"type": "OrderError", "value": value, "stacktrace": {"frames": frames}}]},
        "breadcrumbs": {"values": crumbs},
        "extra": {},
    }
    found["extra"]["padding"] = " ".join(f"{random.random():.6f}" for _ in range((ENVELOPE_BYTES - size(found)) // 9))
    return found


def size(value: object) -> int:
    return len(json.dumps(value))


def envelope(number: int) -> bytes:
    content = json.dumps(event(number)).encode()
    return b'{"event_id":"%s"}\n{"type":"event","length":%d}\n%s' % (uuid4().hex.encode(), len(content), content)


def request(path: str, body: bytes, host: str, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Connection:
    """A connection that is kept, one request at a time."""

    def __init__(self, url: str) -> None:
        self._host, self._port = urlsplit(url).hostname, urlsplit(url).port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.head = self.body = b""  # of the last answer

    async def ask(self, content: bytes) -> int:
        """The status of the answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        writer.write(content)
        head = self.head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        self.body = await reader.readexactly(length)
        return int(head[9:12])

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()


async def flood(url: str, requests: list[bytes], seconds: float) -> tuple[int, dict[int, int], list[float]]:
    """As many as are answered with so many connections: answers of 200, all by status, seconds of each."""
    until = time.perf_counter() + seconds
    statuses: dict[int, int] = {}
    took: list[float] = []

    async def one(start: int) -> None:
        connection = Connection(url)
        place = start
        while time.perf_counter() < until:
            began = time.perf_counter()
            status = await connection.ask(requests[place % len(requests)])
            took.append(time.perf_counter() - began)
            statuses[status] = statuses.get(status, 0) + 1
            place += CONNECTIONS
        connection.close()

    await asyncio.gather(*(one(number) for number in range(CONNECTIONS)))
    return statuses.get(200, 0) + statuses.get(202, 0), statuses, took


async def paced(url: str, requests: list[bytes], rate: int, seconds: float) -> list[float]:
    """Seconds of each of so many requests a second, counted from when it was due."""
    free: list[Connection] = []
    took: list[float] = []

    async def one(due: float, content: bytes) -> None:
        connection = free.pop() if free else Connection(url)
        status = await connection.ask(content)
        took.append(time.perf_counter() - due)
        assert status in (200, 202), status
        free.append(connection)

    start = time.perf_counter()
    running_ones = []
    for number in range(int(rate * seconds)):
        due = start + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        running_ones.append(asyncio.create_task(one(due, requests[number % len(requests)])))
    await asyncio.gather(*running_ones)
    for connection in free:
        connection.close()
    return took


def processor_seconds(instance: Instance) -> tuple[float, float]:
    """Of Opsteward's process, and of its database's."""
    own = psutil.Process(instance.process.pid)
    spent = own.cpu_times()
    database = 0.0
    for process in psutil.process_iter(["name", "cmdline", "cpu_times"]):
        if process.info["name"] == "postgres" and _belongs(process, instance):
            times = process.info["cpu_times"]
            database += times.user + times.system
    return spent.user + spent.system, database


def _belongs(process: psutil.Process, instance: Instance) -> bool:
    try:
        parent = process.parent()
        lines = [process.cmdline(), parent.cmdline() if parent else []]
    except psutil.Error:
        return False
    return any(str(instance.home) in part for line in lines for part in line)


def measured(
    instance: Instance, what: Callable[[], tuple[int, dict[int, int], list[float]]]
) -> Iterator[tuple[str, str]]:
    own, database = processor_seconds(instance)
    began = time.perf_counter()
    taken, statuses, took = what()
    seconds = time.perf_counter() - began
    own_after, database_after = processor_seconds(instance)
    yield "taken a second", f"{taken / seconds:.0f}"
    yield "answers", str(statuses)
    yield "p50 / p99 ms", f"{quantile(took, 0.5) * 1000:.0f} / {quantile(took, 0.99) * 1000:.0f}"
    yield "ms of Opsteward's processor each", f"{(own_after - own) / max(taken, 1) * 1000:.2f}"
    yield "ms of the database's processor each", f"{(database_after - database) / max(taken, 1) * 1000:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--warm", type=float, default=SECONDS, help="seconds before anything is measured")
    options = parser.parse_args()
    with temporary_folder() as folder, running(folder / "home") as instance:
        settle(instance)
        url = instance.client.url
        made = instance.client.post("/api/v1/sentry-projects", {"name": "shop"})
        key = made["dsn"].split("//")[1].partition("@")[0]
        host = urlsplit(url).netloc
        auth = f"X-Sentry-Auth: Sentry sentry_version=7, sentry_key={key}"
        path = f"/api/{made['number']}/envelope/"
        bodies = [envelope(number) for number in range(400)]
        zipped = [request(path, gzip.compress(b, 6), host, auth, "Content-Encoding: gzip") for b in bodies]
        single = [
            request(
                "/api/v1/events",
                json.dumps(
                    {"message": f"connection to db{n % 20} lost after {n} ms", "source": f"app{n % 50}"}
                ).encode(),
                host,
                f"Authorization: Bearer {(folder / 'home' / 'token').read_text()}",
                "Content-Type: application/json",
            )
            for n in range(1000)
        ]
        # opens the incidents of all kinds, and lets their actions be done
        asyncio.run(flood(url, zipped, options.warm))
        asyncio.run(paced(url, single, SINGLES_A_SECOND // 10, 5))
        settle(instance)
        console = Console()
        table = Table(title=f"Sentry envelopes of {len(bodies[0]) // 1000} KB, gzip, {CONNECTIONS} connections")
        for name in ("what", "value"):
            table.add_column(name)
        for row in measured(instance, lambda: asyncio.run(flood(url, zipped, options.seconds))):
            table.add_row(*row)
        stored = instance.client.get("/api/v1/incidents?limit=500")["items"]
        table.add_row("incidents", str(len(stored)))
        console.print(table)
        took = asyncio.run(paced(url, single, SINGLES_A_SECOND, options.seconds))
        console.print(
            f"single events at {SINGLES_A_SECOND} a second: p50 {quantile(took, 0.5) * 1000:.1f} ms,"
            f" p99 {quantile(took, 0.99) * 1000:.1f} ms; load average {psutil.getloadavg()[0]:.1f}"
        )


if __name__ == "__main__":
    main()
