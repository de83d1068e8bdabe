"""What the statements wait for, spill and fail at."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Final

from opsteward.contracts.check import Severity
from opsteward.integrations.postgresql.backend_sessions import mask_literals
from opsteward.integrations.postgresql.diagnosis.activity import (
    COUNTERS,
    SESSIONS,
    clients,
    counters_grown,
    counters_now,
    session_evidence,
)
from opsteward.integrations.postgresql.diagnosis.rule import (
    ROOT,
    SYMPTOM,
    Fault,
    Rules,
    Unseen,
    bytes_in_words,
    seconds_in_words,
)
from opsteward.integrations.postgresql.diagnosis.snapshot import CouldNotLook, Reading, Row, Snapshot

RULES: Final = Rules("queries", [])

TEMP_FILES: Final = Reading(
    name="temp_files",
    sql="""select coalesce(sum(size), 0)::float8 as bytes, count(*) as files from pg_ls_tmpdir()""",
    needs="pg_monitor",
)
STATEMENTS_AT: Final = Reading(
    name="statements_extension",
    sql="""
    select format('%I', n.nspname) as quoted, format('%I', n.nspname) as schema, e.extversion as version,
        current_setting('shared_preload_libraries', true) like '%pg_stat_statements%' as loaded
    from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_stat_statements'""",
)
SLOWEST: Final = Reading(
    name="slowest_statements",
    sql="""
    select s.queryid::text as id, left(s.query, 300) as query, s.calls, s.rows,
        s.total_exec_time / 1000 as seconds, s.mean_exec_time / 1000 as mean_seconds,
        s.temp_blks_written * 8192.0::float8 as temp_bytes, s.shared_blks_read as blocks_read,
        r.rolname::text as role, sum(s.total_exec_time) over () / 1000 as all_seconds
    from {quoted}.pg_stat_statements s left join pg_roles r on r.oid = s.userid
    where s.dbid = (select oid from pg_database where datname = current_database()) and r.rolname <> current_user
    order by s.total_exec_time desc limit 50""",
    needs="pg_read_all_stats",
    of=STATEMENTS_AT,
)


@RULES.rule(
    "Most of the running statements wait for the disk",
    SESSIONS,
    cause="capacity",
    rank=SYMPTOM,
    advice="Look at the disk's load and at the statements that read most; more memory for the cache may help",
)
def _sessions_wait_for_disk(seen: Snapshot) -> Iterator[Fault | Unseen]:
    yield from _waiting(seen, "IO", "the disk")


@RULES.rule(
    "Most of the running statements wait for the server's own latches",
    SESSIONS,
    cause="workload",
    rank=SYMPTOM,
    advice="Too many sessions work on the same pages at once: fewer connections, smaller batches",
)
def _sessions_wait_for_latches(seen: Snapshot) -> Iterator[Fault | Unseen]:
    yield from _waiting(seen, "LWLock", "latches of the server")


@RULES.rule(
    "Commits wait for a standby that does not answer",
    SESSIONS,
    severity=Severity.HIGH,
    cause="configuration",
    rank=ROOT,
    advice="Bring the synchronous standby back, or take it out of synchronous_standby_names and reload",
)
def _commits_wait_for_standby(seen: Snapshot) -> Iterator[Fault | Unseen]:
    waiting = [row for row in clients(seen.rows(SESSIONS)) if row["wait_event"] == "SyncRep"]
    longest = max((row["query_age"] or 0.0 for row in waiting), default=0.0)
    if longest > seen.limits.lock_seconds:
        yield Fault(
            component="synchronous replication",
            says=f"{len(waiting)} commit(s) wait for a standby, the longest for {seconds_in_words(longest)}",
            values={"sessions": session_evidence(waiting), "longest_seconds": round(longest, 1)},
        )


def _waiting(seen: Snapshot, kind: str, words: str) -> Iterator[Fault]:
    """Whether in each of at least two looks most of the active sessions wait for this kind of thing."""
    looks = [[row for row in clients(sample) if row["state"] == "active"] for sample in seen.samples(SESSIONS)]
    stuck = [[row for row in look if row["wait_event_type"] == kind] for look in looks]
    if len(looks) < 2 or any(
        len(waiting) < seen.limits.waiting_sessions or len(waiting) < seen.limits.waiting_share * len(active)
        for waiting, active in zip(stuck, looks, strict=True)
    ):
        return
    events = Counter(str(row["wait_event"]) for waiting in stuck for row in waiting)
    yield Fault(
        component="server",
        says=f"{len(stuck[-1])} of {len(looks[-1])} running statements wait for {words}"
        f" ({events.most_common(1)[0][0]})",
        values={
            "waiting": [len(look) for look in stuck],
            "running": [len(look) for look in looks],
            "wait_events": dict(events),
            "sessions": session_evidence(stuck[-1]),
        },
    )


@RULES.rule(
    "The same statement piles up",
    SESSIONS,
    cause="workload",
    rank=1,
    advice="Look at its plan (EXPLAIN), and at whether clients ask again before they have their answer",
)
def _statement_piles_up(seen: Snapshot) -> Iterator[Fault | Unseen]:
    piles: dict[str, list[Row]] = defaultdict(list)
    for row in clients(seen.rows(SESSIONS)):
        if row["state"] == "active" and not row["blocked_by"] and row["query_age"] >= seen.limits.piled_up_seconds:
            piles[mask_literals(row["query"])].append(row)
    for statement, rows in piles.items():
        if len(rows) >= seen.limits.piled_up_sessions:
            longest = max(row["query_age"] for row in rows)
            yield Fault(
                component=f"database {rows[0]['datname']}",
                says=f"{len(rows)} sessions run the same statement, the longest for {seconds_in_words(longest)}:"
                f" {statement[:120]}",
                values={"statement": statement, "sessions": session_evidence(rows), "count": len(rows)},
            )


@RULES.rule(
    "Statements write a lot to temporary files",
    COUNTERS,
    severity=Severity.LOW,
    cause="workload",
    rank=SYMPTOM,
    advice="Raise work_mem for the role that runs them, or let them sort and join less",
)
def _temp_files_heavy(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for name, counts in counters_now(seen.samples(COUNTERS)).items():
        hours = max(counts["seconds"] / 3600, 1.0)
        if name and counts["temp_bytes"] / hours >= seen.limits.temp_bytes_per_hour:
            yield Fault(
                component=f"database {name}",
                says=f"{bytes_in_words(counts['temp_bytes'] / hours)} an hour in {counts['temp_files']} files",
                values={
                    "temp_bytes": counts["temp_bytes"],
                    "temp_files": counts["temp_files"],
                    "since_seconds": round(counts["seconds"]),
                },
            )


@RULES.rule(
    "Temporary files take much of the disk now",
    TEMP_FILES,
    cause="workload",
    rank=1,
    advice="Find the statement (the longest running one as a rule) and cancel it; set temp_file_limit",
)
def _temp_files_large_now(seen: Snapshot) -> Iterator[Fault | Unseen]:
    row = seen.row(TEMP_FILES)
    if row["bytes"] >= seen.limits.temp_bytes_now:
        yield Fault(
            component="server",
            says=f"{row['files']} temporary file(s) hold {bytes_in_words(row['bytes'])}",
            values=dict(row),
        )


@RULES.rule(
    "Many transactions are rolled back",
    COUNTERS,
    severity=Severity.LOW,
    cause="application",
    rank=SYMPTOM,
    advice="Read the server's log for the errors that the application gets",
)
def _many_rollbacks(seen: Snapshot) -> Iterator[Fault | Unseen]:
    samples = seen.samples(COUNTERS)
    for name, counts in counters_now(samples).items():
        ended = counts["xact_commit"] + counts["xact_rollback"]
        share = counts["xact_rollback"] / ended if ended else 0.0
        if name and ended >= seen.limits.least_transactions and share >= seen.limits.rollback_share:
            yield Fault(
                component=f"database {name}",
                says=f"{share:.0%} of {ended} transactions were rolled back",
                values={
                    "rolled_back": counts["xact_rollback"],
                    "committed": counts["xact_commit"],
                    "while_watched": counters_grown(samples, "xact_rollback").get(name, 0),
                },
            )


@RULES.rule(
    "A statement that is run often is slow",
    STATEMENTS_AT,
    SLOWEST,
    is_risk=True,
    cause="schema",
    advice="Look at its plan with EXPLAIN (ANALYZE, BUFFERS): most often an index is missing",
)
def _slow_statement(seen: Snapshot) -> Iterator[Fault | Unseen]:
    limits = seen.limits
    for row in _statements(seen):
        often = row["calls"] >= limits.slow_statement_calls and row["mean_seconds"] >= limits.slow_statement_seconds
        if often and row["seconds"] >= limits.slow_statement_share * row["all_seconds"]:
            yield Fault(
                component=f"statement {row['id']}",
                says=f"{row['calls']} calls of {row['mean_seconds']:.1f} s each: {mask_literals(row['query'])[:120]}",
                values=_of_statement(row),
            )


@RULES.rule(
    "A statement spills to disk each time it runs",
    STATEMENTS_AT,
    SLOWEST,
    severity=Severity.LOW,
    cause="workload",
    rank=SYMPTOM,
    advice="Give the role that runs it more work_mem, or let it sort less",
)
def _statement_spills(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in _statements(seen):
        each = row["temp_bytes"] / row["calls"]
        if each >= seen.limits.statement_temp_bytes and row["calls"] >= seen.limits.slow_statement_calls:
            yield Fault(
                component=f"statement {row['id']}",
                says=f"{bytes_in_words(each)} of temporary files a call: {mask_literals(row['query'])[:120]}",
                values=_of_statement(row),
            )


def _statements(seen: Snapshot) -> Iterator[Row]:
    if not seen.rows(STATEMENTS_AT):
        raise CouldNotLook("needs the extension pg_stat_statements: CREATE EXTENSION pg_stat_statements;")
    for row in seen.rows(SLOWEST):
        if "unread" in row:
            raise CouldNotLook(row["unread"])
        yield row


def _of_statement(row: Row) -> dict[str, object]:
    return {
        **{name: row[name] for name in ("calls", "rows", "role", "blocks_read")},
        "statement": mask_literals(row["query"]),
        **{name: round(row[name], 3) for name in ("seconds", "mean_seconds", "temp_bytes", "all_seconds")},
    }
