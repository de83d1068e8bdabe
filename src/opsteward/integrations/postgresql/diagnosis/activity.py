"""Who is connected and what each session does: the readings that several subjects judge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

from opsteward.contracts.check import ProposedFix
from opsteward.core.json_types import JsonObject
from opsteward.integrations.postgresql.backend_sessions import (
    MAX_SESSIONS,
    PROTECTED,
    QUERY,
    Expect,
    Session,
    describe,
    termination,
)
from opsteward.integrations.postgresql.diagnosis.snapshot import Reading, Row

# The name of the statement's own parameter is doubled there for psycopg, which is not asked for parameters here.
_PROTECTED: Final = PROTECTED.replace("%%", "%")

SESSIONS: Final = Reading(
    name="sessions",
    sql="""
    select a.pid, a.backend_start, a.xact_start, a.state_change, a.state, a.backend_type,
        coalesce(a.usename, '') as usename, coalesce(a.application_name, '') as application_name,
        coalesce(a.datname, '') as datname, coalesce(host(a.client_addr), 'local') as client,
        a.wait_event_type, a.wait_event, """  # noqa: S608 - constants only
    + QUERY
    + """,
        extract(epoch from clock_timestamp() - a.xact_start)::float8 as xact_age,
        extract(epoch from clock_timestamp() - a.state_change)::float8 as state_age,
        extract(epoch from clock_timestamp() - a.query_start)::float8 as query_age,
        age(a.backend_xmin) as xmin_age, """
    + _PROTECTED
    + """ as protected,
        case when a.wait_event_type = 'Lock' then pg_blocking_pids(a.pid) else '{}' end as blocked_by
    from pg_stat_activity a left join pg_roles r on r.oid = a.usesysid
    where a.pid <> pg_backend_pid() and a.application_name <> 'opsteward'
    order by a.backend_start limit 2000""",
    needs="pg_read_all_stats",
    samples=True,
)

COUNTERS: Final = Reading(
    name="database_counters",
    sql="""
    select to_jsonb(d) as row, coalesce(d.datname, '') as name, d.datname = current_database() as here,
        extract(epoch from clock_timestamp() - coalesce(d.stats_reset, pg_postmaster_start_time()))::float8 as seconds
    from pg_stat_database d""",
    samples=True,
)


def clients(rows: Sequence[Row]) -> list[Row]:
    """The sessions of clients; neither the server's own processes nor replication."""
    return [row for row in rows if row["backend_type"] == "client backend"]


def session_evidence(rows: Sequence[Row]) -> list[JsonObject]:
    """At most ten sessions as evidence."""
    return [described(row) for row in rows[:10]]


def described(row: Row) -> JsonObject:
    """A session as evidence, with what it waits for."""
    waits = f"{row['wait_event_type']}: {row['wait_event']}" if row["wait_event"] else None
    return {**describe(_session(row)), "waits_for": waits}


def ending(rows: Sequence[Row], reason: str, *, expect: Expect = "any") -> list[ProposedFix]:
    """The fix that ends these sessions, each only in the transaction that was seen; none for those never ended."""
    endable = [_session(row) for row in rows if row["protected"] is None][:MAX_SESSIONS]
    return [termination(endable, expect=expect, reason=reason, pin="xact_start")] if endable else []


def _session(row: Row) -> Session:
    return cast(Session, row)


def counters_now(samples: Sequence[Sequence[Row]]) -> dict[str, dict[str, Any]]:
    """The counters of each database by its name, with `seconds` since they began."""
    return {row["name"]: {**row["row"], "seconds": row["seconds"], "here": row["here"]} for row in samples[-1]}


def counters_grown(samples: Sequence[Sequence[Row]], counter: str) -> dict[str, float]:
    """By how much a counter grew while we watched, by database; nothing of what the server does not count."""
    first = {row["name"]: row["row"].get(counter) for row in samples[0]}
    return {
        row["name"]: row["row"][counter] - first[row["name"]]
        for row in samples[-1]
        if row["row"].get(counter) is not None and first.get(row["name"]) is not None
    }
