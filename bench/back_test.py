"""A back-test over 100,000 recorded events: how long it takes (aim: under 10 s), how long others wait meanwhile, and
that one whose asker goes away ends.

    python -m bench.back_test
"""

from __future__ import annotations

import random
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from bench.instance import Instance, quantile, running, temporary_folder
from opsteward.core.database_setup import EMBEDDED_DATABASE
from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.core.ids import uuid7

EVENTS = 100_000
AIM = 10.0  # seconds
WORDS = (
    "connection refused by {}",
    "query on {} timeout after {} s",
    "SQL injection attempt from {}",
    "cache of {} warm",
)
SOURCES = tuple(f"host-{number}" for number in range(200))


def orders(count: int) -> str:
    """Globs in several fields, as many orders as people have."""
    made = ["version: 1", "orders:"]
    for number in range(count):
        sources = f'["host-{number}", "x-{number}-*"]'
        match = f'category: [system_error, security_issue], message: "*word{number}-*", source: {sources}'
        made.append(f"  - {{name: order-{number}, match: {{{match}}}, action: notify_admin, approval: auto}}")
    made.append("  - {name: last, match: {category: system_error, message: '*timeout*'}, action: escalate}")
    return "\n".join(made) + "\n"


def record(instance: Instance) -> None:
    """Write the events as if they had arrived over the last six days."""
    chance, start = random.Random(1), datetime.now(UTC) - timedelta(days=6)
    with psycopg.connect(EmbeddedPostgres(instance.home).url(EMBEDDED_DATABASE)) as conn:
        row = conn.execute("select tenant_id from opsteward.operators limit 1").fetchone()
        assert row is not None
        columns = (
            "id, tenant_id, received_at, occurred_at, source, error_type, message, context, resolved, category,"
            " severity, action, priority, confidence, rule_id, fingerprint, object_key"
        )
        with conn.cursor().copy(f"copy opsteward.events ({columns}) from stdin") as copy:
            for number in range(EVENTS):
                at, host = start + timedelta(seconds=5 * number), chance.choice(SOURCES)
                category = chance.choice(("system_error", "security_issue", "ignorable"))
                message = chance.choice(WORDS).format(host, number) + " in the usual place" * chance.randint(0, 10)
                copy.write_row(
                    (uuid7(), row[0], at, at, host, "Error", message, "{}", False, category, "medium", "log_only", 4,
                     0.9, "r", f"{category}-{host}", "")
                )  # fmt: skip


def main() -> None:
    """Print the figures; exit with 1 when an aim is missed."""
    with temporary_folder() as folder, running(Path(folder) / "home") as instance:
        record(instance)
        client, url = instance.client, instance.client.url
        head = {"Authorization": f"Bearer {(instance.home / 'token').read_text().strip()}"}
        alive, over = [], threading.Event()

        def look() -> None:
            while not over.wait(0.05):
                began = time.monotonic()
                httpx.get(f"{url}/livez", timeout=30).raise_for_status()
                alive.append(time.monotonic() - began)

        table = Table("orders", "events", "seconds", "livez p95, ms", "livez most, ms", "RSS, MB", title="Back-test")
        slowest = 0.0
        for count in (5, 20, 100):
            alive.clear()
            over.clear()
            looking = threading.Thread(target=look)
            looking.start()
            began = time.monotonic()
            found = client.post("/api/v1/standing-orders/back-test", {"text": orders(count)})
            seconds = time.monotonic() - began
            over.set()
            looking.join()
            slowest = max(slowest, seconds)
            memory = psutil.Process(instance.process.pid).memory_info().rss / 1e6
            figures = (seconds, 1000 * quantile(alive, 0.95), 1000 * max(alive), memory)
            table.add_row(str(count), f"{found['events']:,}", *(f"{each:.1f}" for each in figures))
        Console().print(table)
        try:
            httpx.post(f"{url}/api/v1/standing-orders/back-test", json={"text": orders(100)}, headers=head, timeout=0.5)
        except httpx.TimeoutException:
            time.sleep(2)
        began = time.monotonic()
        client.post("/api/v1/standing-orders/back-test", {})
        Console().print(f"after one that was given up, the next took {time.monotonic() - began:.1f} s")
    sys.exit(0 if slowest < AIM else 1)


if __name__ == "__main__":
    main()
