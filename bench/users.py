"""Imports of users against the database's own speed, in one run: `python -m bench.users [--rows N]`.

- Import of N users as NDJSON (validation, enrolment, access, audit, report), from the first byte sent until the job has
  ended, against a raw COPY of the same rows into a table with the same unique indexes: at least 0.25, aim 0.5.
- Peak memory of the process that does it (API and worker in one): under 400 MB.
- The same file again: the job that stands answers; and, with one blank line more, every row is compared: a no-op.

Limit: one run on a machine that does other things too; take the ratios, not the figures.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from bench.instance import Instance, running, temporary_folder
from opsteward.core.embedded import EmbeddedPostgres

ROLES = ("standard_user", "standard_user", "standard_user", "premium_user", "executive")
DEPARTMENTS = tuple(f"department-{number}" for number in range(40))
URL = "/api/v1/users"
console = Console()


def write_file(path: Path, rows: int) -> None:
    """Made-up people, one JSON object a line."""
    with path.open("w") as file:
        for number in range(rows):
            user = {
                "username": f"user.{number * 7919 % rows:07}",
                "email": f"user.{number * 7919 % rows:07}@example.com",
                "full_name": f"First{number % 997} Last{number % 9973}",
                "role": ROLES[number % len(ROLES)],
                "department": DEPARTMENTS[number % len(DEPARTMENTS)],
                "external_id": f"E{number:08}",
            }
            file.write(json.dumps(user) + "\n")


def pieces(path: Path, more: bytes = b"") -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(1024 * 1024):
            yield block
    yield more


class Memory:
    """The most that a process has had resident, as the kernel counts it."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")

    def peak(self) -> int:
        line = next(one for one in self._status.read_text().splitlines() if one.startswith("VmHWM"))
        return int(line.split()[1]) * 1024


def take(instance: Instance, path: Path, *, mode: str, more: bytes = b"") -> tuple[float, float, dict[str, object]]:
    """(seconds until it was accepted, until it had ended, the report)."""
    began = time.monotonic()
    answer = httpx.post(
        f"{instance.client.url}{URL}/bulk-import", params={"mode": mode}, content=pieces(path, more), timeout=600,
        headers={**instance.client.headers, "Content-Type": "application/x-ndjson"},
    )  # fmt: skip
    if answer.status_code not in (200, 202):
        raise SystemExit(f"{answer.status_code} {answer.text[:500]}")
    accepted = time.monotonic() - began
    job_id = answer.json()["job_id"]
    while True:
        report = instance.client.get(f"{URL}/imports/{job_id}")
        if report["ended_at"] or report["status"] == "failed":
            return accepted, time.monotonic() - began, report
        time.sleep(0.05)


def raw_copy(server: EmbeddedPostgres) -> tuple[float, int]:
    """Seconds of a COPY of the very rows of the import into an empty table with the same unique indexes."""
    with psycopg.connect(server.url("opsteward"), autocommit=True) as admin:
        admin.execute("create table public.raw (like opsteward.users including defaults)")
        admin.execute("alter table public.raw add primary key (id)")
        for key in ("username", "email"):
            admin.execute(f"create unique index on public.raw (tenant_id, {key}_key) where holds_names".encode())
        with admin.cursor() as cursor, cursor.copy("copy opsteward.users to stdout") as out:
            rows = [bytes(block) for block in out]
        began = time.monotonic()
        with admin.cursor() as cursor, cursor.copy("copy public.raw from stdin") as copying:
            for begin in range(0, len(rows), 5000):
                copying.write(b"".join(rows[begin : begin + 5000]))
        seconds = time.monotonic() - began
        admin.execute("drop table public.raw")
    return seconds, len(rows)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    count = parser.parse_args().rows
    with temporary_folder() as folder:
        file = folder / "users.ndjson"
        write_file(file, count)
        with running(folder / "ops") as instance:
            memory, process = Memory(instance.process.pid), psutil.Process(instance.process.pid)
            idle = process.memory_info().rss
            accepted, seconds, report = take(instance, file, mode="upsert")
            if report["created"] != count:
                raise SystemExit(f"not all of it was taken: {report}")
            peak = memory.peak()
            _, same, _ = take(instance, file, mode="upsert")
            _, compared, again = take(instance, file, mode="upsert", more=b"\n")
            if again["unchanged"] != count:
                raise SystemExit(f"the second time was no no-op: {again}")
            copying, copied = raw_copy(EmbeddedPostgres(instance.home))
    table = Table(f"{count:,} users as NDJSON ({copied:,} copied)", "measured", "aim")
    table.add_row("upload until it is accepted, s", f"{accepted:.1f}", "")
    table.add_row("import until it has ended, s", f"{seconds:.1f}", "")
    table.add_row("  users a second", f"{count / seconds:,.0f}", "")
    table.add_row("raw COPY of the same rows, s", f"{copying:.1f}", "")
    table.add_row("  ratio of the import's speed to it", f"{copying / seconds:.2f}", "0.5, at least 0.25")
    table.add_row("peak memory of the process, MB (idle)", f"{peak / 1e6:.0f} ({idle / 1e6:.0f})", "400")
    table.add_row("the same file again, s", f"{same:.1f}", "")
    table.add_row("  every row compared, s", f"{compared:.1f}", "half of the first")
    table.add_row("  times faster than the first", f"{seconds / compared:.1f}", "2")
    console.print(table)


if __name__ == "__main__":
    main()
