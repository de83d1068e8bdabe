"""Disk, damaged pages, and tables that a crash empties."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from opsteward.contracts.check import Severity
from opsteward.integrations.postgresql.diagnosis.activity import COUNTERS, counters_now
from opsteward.integrations.postgresql.diagnosis.rule import ROOT, SYMPTOM, Fault, Rules, Unseen, bytes_in_words
from opsteward.integrations.postgresql.diagnosis.snapshot import SETTINGS, Reading, Snapshot
from opsteward.integrations.postgresql.diagnosis.vacuum import TABLES

RULES: Final = Rules("storage", [])

SERVER_LOG: Final = Reading(
    name="server_log",
    sql="""
    select case when current_setting('logging_collector') = 'on'
        then (select coalesce(sum(size), 0) from pg_ls_logdir()) else 0 end::float8 as bytes""",
    needs="pg_monitor",
)
TABLESPACES: Final = Reading(
    name="tablespaces",
    sql="""
    select spcname::text as name, pg_tablespace_location(oid) as location from pg_tablespace
    where pg_tablespace_location(oid) <> ''""",
)


@RULES.rule(
    "The disk of the database is nearly full",
    SETTINGS,
    TABLESPACES,
    cause="capacity",
    rank=ROOT,
    advice="Free space (logs, temporary files, unused slots' log) or enlarge it: when it is full the server stops",
)
def _disk_nearly_full(seen: Snapshot) -> Iterator[Fault | Unseen]:
    if not _is_here(seen.config.host):
        yield Unseen(
            "PostgreSQL does not tell the free space: register disk:/its/folder where Opsteward runs on its machine"
        )
        return
    folder = seen.setting("data_directory")
    if folder is None:
        yield Unseen(f"needs pg_read_all_settings: GRANT pg_monitor TO {seen.facts['role']};")
        return
    for path in dict.fromkeys([folder, f"{folder}/pg_wal", *(row["location"] for row in seen.rows(TABLESPACES))]):
        share, free = _used_of(path)
        if share is None:
            yield Unseen(f"{path} can't be looked at from here")
        elif share >= seen.limits.disk_share:
            yield Fault(
                component=f"disk of {path}",
                says=f"{share:.0%} of the disk of {path} is used, {bytes_in_words(free)} are free",
                values={"path": path, "used_share": round(share, 4), "free_bytes": free},
                severity=Severity.HIGH if share >= (1 + seen.limits.disk_share) / 2 else None,
            )


def _is_here(host: str) -> bool:
    if host.startswith("/") or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _used_of(path: str) -> tuple[float | None, float]:
    """The used share of the disk below a path and its free bytes; None where it can't be seen."""
    try:
        found = os.statvfs(Path(path))
    except OSError:
        return None, 0.0
    usable = found.f_blocks - found.f_bfree + found.f_bavail
    return (1 - found.f_bavail / usable if usable else 0.0), float(found.f_bavail * found.f_frsize)


@RULES.rule(
    "Pages of the database are damaged",
    COUNTERS,
    severity=Severity.HIGH,
    cause="environment",
    rank=ROOT,
    advice="Stop writing, take a copy, look at the disk; restore what is damaged from a backup",
)
def _damaged_pages(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for name, counts in counters_now(seen.samples(COUNTERS)).items():
        if counts.get("checksum_failures"):
            yield Fault(
                component=f"database {name}" if name else "shared tables",
                says=f"{counts['checksum_failures']} page(s) with a wrong checksum,"
                f" last at {counts['checksum_last_failure']}",
                values={"failures": counts["checksum_failures"], "last": counts["checksum_last_failure"]},
            )


@RULES.rule(
    "The server's own log grows large",
    SERVER_LOG,
    severity=Severity.LOW,
    cause="configuration",
    rank=SYMPTOM,
    advice="Rotate and remove old files (log_rotation_age, log_truncate_on_rotation), and see what is logged so often",
)
def _server_log_large(seen: Snapshot) -> Iterator[Fault | Unseen]:
    size = seen.row(SERVER_LOG)["bytes"]
    if size >= seen.limits.log_bytes:
        yield Fault(component="server", says=f"its log takes {bytes_in_words(size)}", values={"bytes": size})


@RULES.rule(
    "A crash would empty a table",
    TABLES,
    severity=Severity.LOW,
    cause="schema",
    rank=SYMPTOM,
    advice="ALTER TABLE ... SET LOGGED unless its rows can be made anew; a standby has none of them",
)
def _unlogged_table(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for table in seen.rows(TABLES):
        if table["persistence"] == "u" and (table["live"] or 0) >= seen.limits.least_rows:
            yield Fault(
                component=f"table {table['name']}",
                says=f"{table['name']} is unlogged and has {table['live']} rows",
                values={"live": table["live"]},
            )
