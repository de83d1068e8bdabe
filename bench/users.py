"""Imports of users against the database's own speed, in one run: `python -m bench.users [--rows N]`.

- Import of N users as NDJSON (validation, enrolment, access, audit, report), from the first byte sent until the job has
  ended, against a raw COPY of the same rows into a table with the same unique indexes: at least 0.25, aim 0.5.
- The same people by OpenLDAP's `slapadd -q` (its fastest form; no unique addresses, no enrolment, no history),
  where it is installed.
- Peak memory of the process that does it (API and worker in one): under 400 MB.
- The same file again: the job that stands answers; and, with one blank line more, every row is read, known by its
  digest, and its user looked at: a no-op. `--shuffled` sends the last row first; `--compared` changes all rows in what
  says nothing (the order of their fields), so that none is known and each is compared.

It says what it is doing, and gives up after five minutes: fewer rows take less.

Limit: one run. On a machine that does other things too the ratios of CPU time say more than those of the clock.
An import keeps two processes busy, its own and that of the database, a COPY one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from bench.instance import Instance, running, settle, temporary_folder
from opsteward.core.embedded_postgres import EmbeddedPostgres

ROLES = ("standard_user", "standard_user", "standard_user", "premium_user", "executive")
DEPARTMENTS = tuple(f"department-{number}" for number in range(40))
URL = "/api/v1/users"
#: Seconds after which it gives up.
TIME_LIMIT = 300
console = Console()
_BEGAN = time.monotonic()


def say(text: str) -> None:
    """What is done now, with the seconds since the beginning. Raises SystemExit beyond the limit."""
    seconds = time.monotonic() - _BEGAN
    console.print(f"{seconds:6.1f} s  {text}", highlight=False)
    if seconds > TIME_LIMIT:
        raise SystemExit(f"gave up after {TIME_LIMIT} s: try fewer --rows")


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


def turn_round(path: Path) -> None:
    """The last line first."""
    path.write_bytes(b"".join(reversed(path.read_bytes().splitlines(keepends=True))))


def turn_fields_round(path: Path) -> None:
    """The last field of each line first."""
    with path.open() as before, path.with_suffix(".turned").open("w") as after:
        after.writelines(json.dumps(dict(reversed(json.loads(line).items()))) + "\n" for line in before)
    path.with_suffix(".turned").replace(path)


class Memory:
    """The most that a process has had resident, as the kernel counts it."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")

    def peak(self) -> int:
        line = next(one for one in self._status.read_text().splitlines() if one.startswith("VmHWM"))
        return int(line.split()[1]) * 1024


class Work:
    """CPU seconds of the instance and of its database, with all sessions that have ended."""

    def __init__(self, instance: Instance) -> None:
        data = EmbeddedPostgres(instance.home).data
        self._server = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
        self._process = psutil.Process(instance.process.pid)

    def database(self) -> float:
        ended = self._server.cpu_times()
        seconds = float(ended.children_user + ended.children_system)
        for child in self._server.children():
            with suppress(psutil.NoSuchProcess):  # ended since: counted with the ended by the next look
                spent = child.cpu_times()
                seconds += spent.user + spent.system
        return seconds

    def all(self) -> float:
        own = self._process.cpu_times()
        return own.user + own.system + self.database()


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
    reported = time.monotonic()
    while True:
        report = instance.client.get(f"{URL}/imports/{job_id}")
        if report["ended_at"] or report["status"] == "failed":
            return accepted, time.monotonic() - began, report
        if time.monotonic() - reported > 5:
            reported = time.monotonic()
            say(f"  {report['rows']:,} rows, {report['progress']} %")
        time.sleep(0.2)


def raw_copy(server: EmbeddedPostgres) -> tuple[float, int]:
    """Seconds of a COPY of the very rows of the import into an empty table with the same unique indexes."""
    with psycopg.connect(server.url("opsteward"), autocommit=True) as admin:
        admin.execute("create table public.raw (like opsteward.users including defaults including generated)")
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


def slapadd(folder: Path, people: Path) -> float | None:
    """Seconds that OpenLDAP takes for the same people; None where it is not installed."""
    program = shutil.which("slapadd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        return None
    data, ldif, config = folder / "ldap", folder / "people.ldif", folder / "slapd.conf"
    data.mkdir()
    schemas = "".join(f"include /etc/ldap/schema/{name}.schema\n" for name in ("core", "cosine", "inetorgperson"))
    config.write_text(
        f"{schemas}modulepath /usr/lib/ldap\nmoduleload back_mdb\ndatabase mdb\nsuffix dc=example\n"
        f"directory {data}\nmaxsize 8589934592\nindex objectClass,uid,mail eq\n"
    )
    with people.open() as source, ldif.open("w") as target:
        target.write("dn: dc=example\nobjectClass: domain\ndc: example\n\n")
        target.write("dn: ou=people,dc=example\nobjectClass: organizationalUnit\nou: people\n\n")
        for line in source:
            user = json.loads(line)
            target.write(
                f"dn: uid={user['username']},ou=people,dc=example\nobjectClass: inetOrgPerson\n"
                f"uid: {user['username']}\nmail: {user['email']}\ncn: {user['full_name']}\n"
                f"sn: {user['full_name'].rpartition(' ')[2]}\nemployeeType: {user['role']}\n"
                f"departmentNumber: {user['department']}\nemployeeNumber: {user['external_id']}\n\n"
            )
    began = time.monotonic()
    subprocess.run([program, "-q", "-f", str(config), "-l", str(ldif)], check=True, capture_output=True)
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--shuffled", action="store_true", help="send the rows in another order the second time")
    parser.add_argument("--compared", action="store_true", help="send them such that none is known the second time")
    options = parser.parse_args()
    count = options.rows
    with temporary_folder() as folder:
        file = folder / "users.ndjson"
        say(f"writing a file of {count:,} users")
        write_file(file, count)
        say("starting an instance")
        with running(folder / "ops") as instance:
            settle(instance)
            memory, process = Memory(instance.process.pid), psutil.Process(instance.process.pid)
            idle = process.memory_info().rss
            work = Work(instance)
            cpu = [work.all()]
            say("importing them for the first time")
            accepted, seconds, report = take(instance, file, mode="upsert")
            if report["created"] != count:
                raise SystemExit(f"not all of it was taken: {report}")
            peak = memory.peak()
            cpu.append(work.all())
            say("sending the same file again: the job that stands answers")
            _, same, _ = take(instance, file, mode="upsert")
            cpu.append(work.all())
            if options.shuffled:
                say("sending the rows in another order: every row is known again")
                turn_round(file)
            elif options.compared:
                say("sending the fields in another order: every row is compared")
                turn_fields_round(file)
            else:
                say("sending it with a blank line more: every row is known again")
            _, compared, again = take(instance, file, mode="upsert", more=b"\n")
            cpu.append(work.all())
            if again["unchanged"] != count:
                raise SystemExit(f"the second time was no no-op: {again}")
            before = work.database()
            say("copying the same rows with COPY alone")
            copying, copied = raw_copy(EmbeddedPostgres(instance.home))
            copying_cpu = work.database() - before
        first_cpu, again_cpu = cpu[1] - cpu[0], cpu[3] - cpu[2]
        say("importing the same people by OpenLDAP's slapadd")
        directory = slapadd(folder, file)
    table = Table(f"{count:,} users as NDJSON ({copied:,} copied)", "measured", "aim")
    table.add_row("upload until it is accepted, s", f"{accepted:.1f}", "")
    table.add_row("import until it has ended, s", f"{seconds:.1f}", "")
    table.add_row("  users a second", f"{count / seconds:,.0f}", "")
    table.add_row("raw COPY of the same rows, s", f"{copying:.1f}", "")
    table.add_row("  ratio of the import's speed to it", f"{copying / seconds:.2f}", "0.5, at least 0.25")
    if directory is None:
        table.add_row("OpenLDAP's slapadd", "not installed", "")
    else:
        table.add_row("OpenLDAP's slapadd -q of the same people, s", f"{directory:.1f}", "")
        table.add_row("  ratio of the import's speed to it", f"{directory / seconds:.2f}", "")
    table.add_row("peak memory of the process, MB (idle)", f"{peak / 1e6:.0f} ({idle / 1e6:.0f})", "400")
    table.add_row("the same file again, s", f"{same:.1f}", "")
    table.add_row("  with a line more (or shuffled), s", f"{compared:.1f}", "a third of the first")
    table.add_row("  times faster than the first", f"{seconds / compared:.1f}", "3")
    seconds_of_cpu = f"{first_cpu:.1f}, {copying_cpu:.1f}, {again_cpu:.1f}"
    table.add_row("CPU of first import, COPY (out and in), repeated import, s", seconds_of_cpu, "")
    table.add_row(
        "  COPY to import; first to repeated", f"{copying_cpu / first_cpu:.2f}; {first_cpu / again_cpu:.1f}", ""
    )
    console.print(table)


if __name__ == "__main__":
    main()
