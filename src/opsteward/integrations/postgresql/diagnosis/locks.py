"""Who waits for whom, beyond the chains that the health check finds: deadlocks, queues behind DDL, locks held long."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from opsteward.contracts.check import ProposedFix, Severity
from opsteward.integrations.postgresql.backend_sessions import (
    CANCEL,
    TERMINATE,
    Session,
    cancellation,
    mask_literals,
)
from opsteward.integrations.postgresql.diagnosis.activity import (
    COUNTERS,
    SESSIONS,
    counters_grown,
    counters_now,
    described,
    ending,
    session_evidence,
)
from opsteward.integrations.postgresql.diagnosis.rule import ROOT, SYMPTOM, Fault, Rules, Unseen, seconds_in_words
from opsteward.integrations.postgresql.diagnosis.snapshot import SETTINGS, Reading, Row, Snapshot

RULES: Final = Rules("locks", [])

LOCKS: Final = Reading(
    name="locks",
    sql="""
    select l.pid, l.locktype, l.mode, l.granted, l.classid::bigint, l.objid::bigint, l.objsubid,
        case when c.oid is null then l.relation::text
             else format('%I.%I', c.relnamespace::regnamespace::text, c.relname) end as relation,
        extract(epoch from clock_timestamp() - a.xact_start)::float8 as xact_age
    from pg_locks l
    left join pg_class c on c.oid = l.relation
        and l.database = (select oid from pg_database where datname = current_database())
    left join pg_stat_activity a on a.pid = l.pid
    where l.pid <> pg_backend_pid() and a.application_name <> 'opsteward'
      and (not l.granted or l.locktype = 'advisory'
           or l.mode = 'AccessExclusiveLock' and l.locktype = 'relation' and l.relation >= 16384)
    limit 2000""",
    needs="pg_read_all_stats",
)
LOCK_TABLE: Final = Reading(
    name="lock_table",
    sql="""
    select count(*) filter (where not fastpath) as used,
        current_setting('max_locks_per_transaction')::bigint
        * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int
           + current_setting('autovacuum_max_workers')::int + current_setting('max_worker_processes')::int) as slots
    from pg_locks""",
)
PREPARED: Final = Reading(
    name="prepared_transactions",
    sql="""
    select p.gid, p.owner::text, p.database::text, p.prepared::text as prepared_at, age(p.transaction) as transactions,
        extract(epoch from clock_timestamp() - p.prepared)::float8 as seconds,
        p.database = current_database() as here,
        (select count(*) from pg_locks l where l.virtualtransaction = '-1/' || p.transaction::text) as locks
    from pg_prepared_xacts p order by p.prepared limit 200""",
)


@RULES.rule(
    "A change of a table's structure waits behind a running session, and all others queue behind it",
    SESSIONS,
    LOCKS,
    severity=Severity.HIGH,
    cause="maintenance",
    rank=ROOT,
    remedy=(CANCEL,),
    advice="Run DDL with a short lock_timeout and try it again when the long session is over",
)
def _ddl_blocks_others(seen: Snapshot) -> Iterator[Fault | Unseen]:
    sessions = {row["pid"]: row for row in seen.rows(SESSIONS)}
    for lock in seen.rows(LOCKS):
        waiting = sessions.get(lock["pid"])
        if waiting is None or lock["granted"] or lock["mode"] != "AccessExclusiveLock" or not waiting["blocked_by"]:
            continue
        behind = [row for row in sessions.values() if waiting["pid"] in row["blocked_by"]]
        if not behind or (waiting["query_age"] or 0.0) < seen.limits.lock_seconds:
            continue
        ahead = [sessions[pid] for pid in waiting["blocked_by"] if pid in sessions]
        says = (
            f"session {waiting['pid']} wants to change {lock['relation']} and has waited for"
            f" {seconds_in_words(waiting['query_age'])}; {len(behind)} session(s) queue behind it"
        )
        yield Fault(
            component=f"table {lock['relation']}",
            says=says,
            values={
                "statement": described(waiting),
                "waits_behind": session_evidence(ahead),
                "queue": session_evidence(behind),
                "queue_length": len(behind),
            },
            fixes=_cancel([waiting], says),
        )


@RULES.rule(
    "Sessions wait for an advisory lock that another one keeps",
    SESSIONS,
    LOCKS,
    cause="application",
    rank=1,
    remedy=(TERMINATE,),
    advice="Look at what the holder does; release advisory locks in the transaction that takes them",
)
def _advisory_lock_held(seen: Snapshot) -> Iterator[Fault | Unseen]:
    sessions = {row["pid"]: row for row in seen.rows(SESSIONS)}
    locks = [lock for lock in seen.rows(LOCKS) if lock["locktype"] == "advisory"]
    for key in dict.fromkeys(_advisory_key(lock) for lock in locks if not lock["granted"]):
        waiting = [sessions[k["pid"]] for k in locks if _is(k, key, granted=False) and k["pid"] in sessions]
        holders = [sessions[k["pid"]] for k in locks if _is(k, key, granted=True) and k["pid"] in sessions]
        longest = max((row["query_age"] or 0.0 for row in waiting), default=0.0)
        if not holders or longest < seen.limits.lock_seconds:
            continue
        says = (
            f"{len(waiting)} session(s) wait for advisory lock {key}, the longest for {seconds_in_words(longest)};"
            f" session {holders[0]['pid']} ({holders[0]['application_name'] or 'unnamed'}) holds it"
        )
        idle = [row for row in holders if row["state"] != "active"]
        yield Fault(
            component=f"advisory lock {key}",
            says=says,
            values={"holders": session_evidence(holders), "waiting": session_evidence(waiting)},
            fixes=ending(idle, says),
        )


def _advisory_key(lock: Row) -> str:
    if lock["objsubid"] == 1:
        return str((lock["classid"] << 32) | lock["objid"])
    return f"{lock['classid']}, {lock['objid']}"


def _is(lock: Row, key: str, *, granted: bool) -> bool:
    return lock["granted"] is granted and _advisory_key(lock) == key


@RULES.rule(
    "Two sessions wait for each other",
    SESSIONS,
    cause="application",
    rank=1,
    advice="Let all transactions take their rows in the same order, or lock them with SELECT ... FOR UPDATE first",
)
def _deadlock_now(seen: Snapshot) -> Iterator[Fault | Unseen]:
    told: set[frozenset[int]] = set()
    for sample in seen.samples(SESSIONS):
        sessions = {row["pid"]: row for row in sample}
        for circle in circles({pid: row["blocked_by"] for pid, row in sessions.items() if row["blocked_by"]}):
            if frozenset(circle) in told:
                continue
            told.add(frozenset(circle))
            statements = [mask_literals(sessions[pid]["query"]) for pid in circle]
            yield Fault(
                component=f"database {sessions[circle[0]]['datname']}",
                says="these wait for each other: " + " | ".join(text[:100] for text in statements),
                values={"statements": statements, "sessions": [described(sessions[pid]) for pid in circle]},
            )


def circles(blocked_by: Mapping[int, Sequence[int]]) -> list[list[int]]:
    """The circles among who waits for whom, each once, from its smallest pid on."""
    found: dict[frozenset[int], list[int]] = {}
    for start in sorted(blocked_by):
        path, at = [start], start
        while (following := next((pid for pid in blocked_by.get(at, ()) if pid in blocked_by), None)) is not None:
            if following in path:
                circle = path[path.index(following) :]
                found.setdefault(frozenset(circle), circle)
                break
            path.append(following)
            at = following
    return list(found.values())


@RULES.rule(
    "Deadlocks come again and again",
    COUNTERS,
    SESSIONS,
    is_risk=True,
    cause="application",
    rank=1,
    advice="Let all transactions take their rows in the same order; log_lock_waits and the log name the statements",
)
def _deadlocks_often(seen: Snapshot) -> Iterator[Fault | Unseen]:
    samples = seen.samples(COUNTERS)
    grown = counters_grown(samples, "deadlocks")
    pairs = [fault.values["statements"] for fault in _deadlock_now(seen) if isinstance(fault, Fault)]
    for name, counts in counters_now(samples).items():
        hours = max(counts["seconds"] / 3600, 1.0)
        now, rate = grown.get(name, 0), counts["deadlocks"] / hours
        enough = counts["deadlocks"] >= seen.limits.least_deadlocks and rate >= seen.limits.deadlocks_per_hour
        if name and (now or enough):
            yield Fault(
                component=f"database {name}",
                says=f"{counts['deadlocks']} deadlocks, {rate:.1f} an hour; {now} while we watched",
                values={
                    "deadlocks": counts["deadlocks"],
                    "per_hour": round(rate, 2),
                    "while_watched": now,
                    "seconds_watched": round(seen.watched, 2),
                    "statements": pairs,
                },
                severity=Severity.HIGH if now else None,
                is_risk=not now,
            )


@RULES.rule(
    "Many sessions wait for locks at once",
    SESSIONS,
    cause="application",
    rank=SYMPTOM,
    advice="Keep transactions short around the rows that all want; look at the lock chain's root first",
)
def _many_lock_waiters(seen: Snapshot) -> Iterator[Fault | Unseen]:
    looks = [[row for row in sample if row["wait_event_type"] == "Lock"] for sample in seen.samples(SESSIONS)]
    if min(map(len, looks)) >= seen.limits.lock_waiters:
        waiting = looks[-1]
        events = sorted({str(row["wait_event"]) for row in waiting})
        yield Fault(
            component=f"database {waiting[0]['datname']}",
            says=f"{len(waiting)} sessions wait for locks ({', '.join(events)}) in each of {len(looks)} looks",
            values={"waiting": [len(look) for look in looks], "events": events, "sessions": session_evidence(waiting)},
        )


@RULES.rule(
    "A table is locked for everybody for a long time",
    LOCKS,
    SESSIONS,
    cause="maintenance",
    rank=1,
    remedy=(TERMINATE,),
    advice="Do such changes in short transactions, and CREATE INDEX, REINDEX, REFRESH with CONCURRENTLY",
)
def _table_locked_exclusively(seen: Snapshot) -> Iterator[Fault | Unseen]:
    sessions = {row["pid"]: row for row in seen.rows(SESSIONS)}
    for lock in seen.rows(LOCKS):
        held = lock["granted"] and lock["mode"] == "AccessExclusiveLock" and lock["locktype"] == "relation"
        row = sessions.get(lock["pid"])
        if not held or row is None or (lock["xact_age"] or 0.0) < seen.limits.exclusive_lock_seconds:
            continue
        says = (
            f"session {row['pid']} ({row['usename']}, {row['application_name'] or 'unnamed'}) locks"
            f" {lock['relation']} for everybody, in a transaction of {seconds_in_words(lock['xact_age'])}"
        )
        idle = [row] if row["state"] != "active" else []
        yield Fault(
            component=f"table {lock['relation']}",
            says=says,
            values={"session": described(row), "mode": lock["mode"]},
            fixes=ending(idle, says),
        )


@RULES.rule(
    "The table of locks is nearly full",
    LOCK_TABLE,
    cause="configuration",
    advice="Raise max_locks_per_transaction, or touch fewer tables and partitions in one transaction",
)
def _lock_table_nearly_full(seen: Snapshot) -> Iterator[Fault | Unseen]:
    row = seen.row(LOCK_TABLE)
    if row["used"] >= seen.limits.lock_table_share * row["slots"]:
        yield Fault(
            component="server",
            says=f"{row['used']} of about {row['slots']} locks are taken; when none is left statements fail",
            values=dict(row),
        )


@RULES.rule(
    "A prepared transaction was forgotten",
    PREPARED,
    SETTINGS,
    cause="application",
    rank=1,
    advice="COMMIT PREPARED or ROLLBACK PREPARED, as its coordinator knows: it holds its locks and keeps VACUUM back",
)
def _prepared_transaction_forgotten(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(PREPARED):
        if row["seconds"] >= seen.limits.old_prepared_seconds:
            yield Fault(
                component=f"prepared transaction {row['gid']}",
                says=f"{row['gid']} of {row['owner']} in {row['database']} is prepared since {row['prepared_at']}",
                values=dict(row),
            )


def _cancel(rows: Sequence[Row], reason: str) -> list[ProposedFix]:
    return cancellation([cast(Session, row) for row in rows if row["protected"] is None], reason=reason)
