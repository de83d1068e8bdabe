"""The write-ahead log and its archive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from opsteward.contracts.check import Severity
from opsteward.integrations.postgresql.diagnosis.rule import (
    SYMPTOM,
    Fault,
    Rules,
    Unseen,
    bytes_in_words,
    seconds_in_words,
)
from opsteward.integrations.postgresql.diagnosis.snapshot import SETTINGS, Reading, Snapshot

RULES: Final = Rules("write-ahead log", [])

CHECKPOINTS: Final = Reading(
    name="checkpoints",
    sql="""
    select num_timed as timed, num_requested as requested,
        extract(epoch from clock_timestamp() - coalesce(stats_reset, pg_postmaster_start_time()))::float8 as seconds
    from pg_stat_checkpointer""",
    since=17,
)
CHECKPOINTS_BEFORE_17: Final = Reading(
    name="checkpoints_before_17",
    sql="""
    select checkpoints_timed as timed, checkpoints_req as requested,
        extract(epoch from clock_timestamp() - coalesce(stats_reset, pg_postmaster_start_time()))::float8 as seconds
    from pg_stat_bgwriter""",
    until=16,
)
ARCHIVER: Final = Reading(
    name="archiver",
    sql="""
    select archived_count, failed_count, last_archived_wal, last_failed_wal, last_failed_time::text as last_failed_at,
        last_failed_time > coalesce(last_archived_time, '-infinity') as failing
    from pg_stat_archiver""",
    on="primary",
)
ARCHIVE_WAITING: Final = Reading(
    name="archive_status",
    sql="""
    select count(*) as files, extract(epoch from clock_timestamp() - min(modification))::float8 as oldest_seconds
    from pg_ls_archive_statusdir() where name like '%.ready'""",
    needs="pg_monitor",
    on="primary",
)
WAL_FILES: Final = Reading(
    name="wal_files",
    sql="select count(*) as files, coalesce(sum(size), 0)::float8 as bytes from pg_ls_waldir()",
    needs="pg_monitor",
)


@RULES.rule(
    "Checkpoints are forced far too often",
    CHECKPOINTS,
    CHECKPOINTS_BEFORE_17,
    SETTINGS,
    is_risk=True,
    cause="configuration",
    advice="Raise max_wal_size: after each checkpoint the first change of each page is logged whole",
)
def _checkpoints_too_often(seen: Snapshot) -> Iterator[Fault | Unseen]:
    row = seen.row(CHECKPOINTS if seen.facts["version"] >= 17 else CHECKPOINTS_BEFORE_17)
    limits = seen.limits
    rate = row["requested"] / max(row["seconds"] / 3600, 0.25)
    often = row["requested"] >= limits.least_checkpoints and row["requested"] > row["timed"]
    if often and rate >= limits.checkpoints_per_hour:
        yield Fault(
            component="server",
            says=f"{row['requested']} of {row['requested'] + row['timed']} checkpoints were forced, {rate:.0f} an hour",
            values={**row, "max_wal_size_mb": seen.setting("max_wal_size")},
        )


@RULES.rule(
    "Archiving of the write-ahead log fails",
    ARCHIVER,
    severity=Severity.HIGH,
    cause="configuration",
    rank=1,
    advice="Mend archive_command or the place it writes to: the log is kept until it is archived, and the disk fills",
)
def _archiving_fails(seen: Snapshot) -> Iterator[Fault | Unseen]:
    row = seen.row(ARCHIVER)
    if row["failing"] and row["failed_count"] >= seen.limits.archive_failures:
        yield Fault(
            component="archive",
            says=f"{row['last_failed_wal']} could not be archived, last at {row['last_failed_at']}",
            values=dict(row),
        )


@RULES.rule(
    "The archive of the write-ahead log falls behind",
    ARCHIVE_WAITING,
    cause="capacity",
    advice="Look at what archive_command waits for; archive several files at once",
)
def _archive_falls_behind(seen: Snapshot) -> Iterator[Fault | Unseen]:
    row = seen.row(ARCHIVE_WAITING)
    if row["files"] >= seen.limits.archive_waiting_files:
        yield Fault(
            component="archive",
            says=f"{row['files']} files wait to be archived, the oldest for {seconds_in_words(row['oldest_seconds'])}",
            values=dict(row),
        )


@RULES.rule(
    "Archiving is on, and nothing archives",
    SETTINGS,
    severity=Severity.HIGH,
    is_risk=True,
    cause="configuration",
    rank=1,
    advice="Set archive_command or archive_library, or archive_mode = off: until then no log file is removed",
)
def _archive_command_missing(seen: Snapshot) -> Iterator[Fault | Unseen]:
    mode, command = seen.setting("archive_mode"), seen.setting("archive_command")
    if mode in ("on", "always") and command == "" and not seen.setting("archive_library"):
        yield Fault(
            component="archive",
            says=f"archive_mode is {mode}, and archive_command is empty",
            values={"archive_mode": mode, "archive_command": command},
        )


@RULES.rule(
    "The write-ahead log takes far more of the disk than it should",
    WAL_FILES,
    SETTINGS,
    cause="maintenance",
    rank=SYMPTOM,
    advice="See what keeps it: a slot, a failing archive, wal_keep_size, or a checkpoint that does not end",
)
def _wal_grows(seen: Snapshot) -> Iterator[Fault | Unseen]:
    row = seen.row(WAL_FILES)
    allowed = seen.number("max_wal_size") * 1024 * 1024 * seen.limits.wal_factor
    if row["bytes"] >= allowed:
        yield Fault(
            component="server",
            says=f"{bytes_in_words(row['bytes'])} in {row['files']} files, where max_wal_size is"
            f" {bytes_in_words(seen.number('max_wal_size') * 1024 * 1024)}",
            values={**row, "max_wal_size_mb": seen.setting("max_wal_size")},
        )
