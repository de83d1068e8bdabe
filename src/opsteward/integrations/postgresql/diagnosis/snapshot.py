"""What a PostgreSQL server tells of itself at one moment: a few bounded statements, and what could not be read.

The only part of the diagnoser that speaks to the server. A statement that is cut off or refused costs what it alone
would have shown; a server that is gone ends the reading in order, with what was seen so far.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString, TypeAlias

from opsteward.core.errors import AuthFailed, BadReply, ConnectorError, Timeout
from opsteward.integrations.postgresql.connector import PostgresConnector
from opsteward.integrations.postgresql.diagnosis_limits import DiagnosisLimits

Row: TypeAlias = Mapping[str, Any]

STATEMENT_SECONDS: Final = 1.5
LOCK_SECONDS: Final = 0.3
TOTAL_SECONDS: Final = 8.0
_SAMPLES: Final = 3
_OF_EACH, _ROWS_OF_EACH = 10, 200

# Without row_security the policies of a table would run, functions of whoever owns it, with what our role may.
_BOUNDS: Final[LiteralString] = """
    select set_config('statement_timeout', %(statement)s, false), set_config('lock_timeout', %(lock)s, false),
        set_config('jit', 'off', false), set_config('search_path', 'pg_catalog', false),
        set_config('row_security', 'off', false)"""
_FACTS: Final[LiteralString] = """
    select current_setting('server_version_num')::int / 10000 as version, current_setting('server_version') as release,
        pg_is_in_recovery() as standby, current_database()::text as database, current_user::text as role,
        pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') as sees_sessions,
        pg_has_role(current_user, 'pg_read_all_settings', 'USAGE') as sees_settings,
        (select rolsuper from pg_roles where rolname = current_user) as superuser,
        extract(epoch from clock_timestamp())::float8 as now,
        extract(epoch from clock_timestamp() - pg_postmaster_start_time())::float8 as uptime"""


class CouldNotLook(Exception):
    """A rule asked for a reading that there is not; `str` says why, and what would make it possible."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One statement of the snapshot.

    `needs`: the role without which its rows would lie ("pg_read_all_stats"). `since`, `until`: the major versions that
    have what it reads. `on`: where it means something. `samples`: it is read again at the end of the watch.
    """

    name: str
    sql: LiteralString
    needs: str = ""
    since: int = 0
    until: int = 1000
    on: str = "both"  # or primary, standby
    samples: bool = False
    #: Read once for each row of that one, of which `quoted` takes the place of {quoted}: a name that the server has
    #: quoted itself, in its `schema`. A row with `unread` stands for what could not be read, and says why.
    of: Reading | None = None


SETTINGS: Final = Reading(
    name="settings",
    sql="""select name, setting, unit, source, pending_restart, context from pg_settings
        where pending_restart or name in (
            'max_connections', 'superuser_reserved_connections', 'max_locks_per_transaction',
            'max_prepared_transactions', 'max_wal_size', 'max_wal_senders', 'max_replication_slots', 'archive_mode',
            'archive_command', 'archive_library', 'autovacuum', 'autovacuum_max_workers', 'autovacuum_freeze_max_age',
            'autovacuum_multixact_freeze_max_age', 'autovacuum_vacuum_scale_factor', 'autovacuum_vacuum_threshold',
            'synchronous_standby_names', 'synchronous_commit', 'primary_conninfo', 'recovery_min_apply_delay',
            'fsync', 'full_page_writes', 'zero_damaged_pages', 'ignore_checksum_failure', 'track_counts',
            'track_activities', 'password_encryption', 'shared_buffers', 'data_directory', 'checkpoint_timeout',
            'checkpoint_completion_target', 'shared_preload_libraries', 'block_size', 'enable_indexscan',
            'enable_seqscan', 'enable_hashjoin', 'enable_nestloop', 'enable_mergejoin', 'enable_sort',
            'enable_bitmapscan', 'enable_indexonlyscan', 'enable_material', 'enable_hashagg',
            'default_transaction_isolation', 'max_worker_processes', 'deadlock_timeout', 'checkpoint_warning')""",
)


@dataclass(kw_only=True)
class Snapshot:
    """What was read. `now`, `uptime` in seconds by the server's clock; `ours` is our own clock at that moment."""

    config: Any
    limits: DiagnosisLimits
    facts: Row
    ours: float
    watched: float = 0.0
    found: dict[str, list[list[Row]]] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def rows(self, reading: Reading) -> list[Row]:
        """The latest rows. Raises CouldNotLook; a reading that means nothing on this server has none."""
        return self.samples(reading)[-1]

    def row(self, reading: Reading) -> Row:
        """The one row of a reading. Raises CouldNotLook."""
        rows = self.rows(reading)
        if not rows:
            raise CouldNotLook(f"the server has no {reading.name.replace('_', ' ')}")
        return rows[0]

    def samples(self, reading: Reading) -> list[list[Row]]:
        """All looks, the earliest first; at least one. Raises CouldNotLook."""
        if reading.name in self.unread:
            raise CouldNotLook(self.unread[reading.name])
        return self.found.get(reading.name) or [[]]

    def setting(self, name: str) -> str | None:
        """A setting of the server as pg_settings shows it; None where we may not see it or there is none."""
        for row in self.rows(SETTINGS):
            if row["name"] == name:
                return str(row["setting"])
        return None

    def number(self, name: str) -> float:
        """A numeric setting. Raises CouldNotLook where we may not see it."""
        value = self.setting(name)
        if value is None:
            raise CouldNotLook(f"the setting {name} is not shown to us: GRANT pg_monitor TO {self.facts['role']};")
        return float(value)


async def take(via: PostgresConnector, readings: Sequence[Reading]) -> Snapshot:
    """Read all of it. Raises ConnectorError only when the server can't be used at all."""
    deadline = time.monotonic() + TOTAL_SECONDS
    bounds = {"statement": f"{int(STATEMENT_SECONDS * 1000)}ms", "lock": f"{int(LOCK_SECONDS * 1000)}ms"}
    await via.rows(_BOUNDS, bounds, shape=dict[str, Any])
    facts = (await via.rows(_FACTS, shape=dict[str, Any]))[0]
    shot = Snapshot(config=via.config, limits=via.config.settings.diagnosis, facts=facts, ours=time.time())
    wanted = [reading for reading in readings if _is_meant(reading, facts)]
    moving = [reading for reading in wanted if reading.samples]
    began = time.monotonic()
    for reading in [*moving, *(each for each in wanted if not each.samples)]:
        await _read(via, shot, reading, deadline)
    for sample in range(1, _SAMPLES):
        pause = shot.limits.watch_seconds * sample / (_SAMPLES - 1) - (time.monotonic() - began)
        if not moving or not shot.limits.watch_seconds or time.monotonic() + max(pause, 0.0) >= deadline:
            break
        await asyncio.sleep(max(pause, 0.0))
        for reading in moving:
            if reading.name not in shot.unread:
                await _read(via, shot, reading, deadline)
    shot.watched = time.monotonic() - began
    return shot


def _is_meant(reading: Reading, facts: Row) -> bool:
    if not reading.since <= facts["version"] <= reading.until:
        return False
    return reading.on == "both" or (reading.on == "standby") == facts["standby"]


async def _read(via: PostgresConnector, shot: Snapshot, reading: Reading, deadline: float) -> None:
    why = _kept_from_us(shot, reading)
    if not why and "gone" in shot.unread:
        why = shot.unread["gone"]
    if not why and time.monotonic() >= deadline:
        why = f"the time of the diagnosis ({TOTAL_SECONDS:g} s) was used up before"
    if why:
        shot.unread.setdefault(reading.name, why)
        return
    started = time.monotonic()
    try:
        async with asyncio.timeout(max(0.1, min(STATEMENT_SECONDS + 1.0, deadline - started))):
            rows = await (_of_each(via, shot, reading) if reading.of else via.rows(reading.sql, shape=dict[str, Any]))
    except (ConnectorError, TimeoutError) as error:
        _note(shot, reading, error)
    else:
        shot.found.setdefault(reading.name, []).append(list(rows))
    shot.seconds[reading.name] = shot.seconds.get(reading.name, 0.0) + time.monotonic() - started


async def _of_each(via: PostgresConnector, shot: Snapshot, reading: Reading) -> list[Row]:
    assert reading.of is not None
    rows: list[Row] = []
    for parent in shot.rows(reading.of)[:_OF_EACH]:
        statement = str(parent.get("sql") or reading.sql).replace("{quoted}", parent["quoted"])
        statement = f"select * from ({statement}) as told limit {_ROWS_OF_EACH}"  # noqa: S608 -- a table may be anybody's
        try:
            found = await via.rows(statement, shape=dict[str, Any])
        except (AuthFailed, BadReply) as error:
            right = (
                f"USAGE ON SCHEMA {parent['schema']}"
                if "for schema " in error.detail
                else f"SELECT ON {parent['quoted']}"
            )
            needs = f"needs GRANT {right} TO {shot.facts['role']};"
            lacks_right = isinstance(error, AuthFailed) and "row-level security" not in error.detail
            rows.append({**parent, "unread": needs if lacks_right else error.detail})
        else:
            rows.extend({**parent, **row} for row in found)
    return rows


def _kept_from_us(shot: Snapshot, reading: Reading) -> str:
    facts = shot.facts
    sees = {
        "pg_read_all_stats": facts["sees_sessions"],
        "pg_monitor": facts["sees_sessions"] and facts["sees_settings"],
        "": True,
    }
    if sees[reading.needs]:
        return ""
    return f"needs {reading.needs}: GRANT pg_monitor TO {facts['role']};"


def _note(shot: Snapshot, reading: Reading, error: Exception) -> None:
    """Why this was not read; and where nothing more can be, why."""
    if shot.found.get(reading.name):  # a later look; what the first showed stays
        if not isinstance(error, BadReply):
            shot.unread.setdefault("gone", str(error))
        return
    if isinstance(error, AuthFailed):
        shot.unread[reading.name] = f"{error.detail}; a superuser can grant it"
    elif isinstance(error, BadReply):
        shot.unread[reading.name] = error.detail
    elif isinstance(error, Timeout) and "cancelled" in error.detail:
        shot.unread[reading.name] = f"the server did not answer this within {STATEMENT_SECONDS:g} s"
    else:  # the server hangs, or is gone: nothing that follows would be answered
        detail = error.detail if isinstance(error, ConnectorError) else "the server stopped answering"
        shot.unread[reading.name] = shot.unread["gone"] = f"{detail}, in the middle of the diagnosis"
