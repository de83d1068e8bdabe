"""Whether VACUUM keeps up, and what holds it back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from opsteward.contracts.check import ProposedFix, Severity
from opsteward.integrations.postgresql.backend_sessions import TERMINATE
from opsteward.integrations.postgresql.diagnosis.activity import SESSIONS, ending, session_evidence
from opsteward.integrations.postgresql.diagnosis.rule import (
    SYMPTOM,
    Fault,
    Rules,
    Unseen,
    bytes_in_words,
    seconds_in_words,
)
from opsteward.integrations.postgresql.diagnosis.snapshot import SETTINGS, Reading, Row, Snapshot

RULES: Final = Rules("vacuum", [])
VACUUM: Final = "postgresql.vacuum_table"
ANALYZE: Final = "postgresql.analyze_table"
_BLOCK = 8192
_WRAPAROUND = 2_147_483_648
_WRITES_END = 40_000_000  # from so many numbers before the end on the server warns with each statement, then refuses

DATABASES: Final = Reading(
    name="databases",
    sql="""
    select datname::text as name, age(datfrozenxid) as transactions, mxid_age(datminmxid) as multixacts,
        datallowconn as allows_connections, datname = current_database() as here
    from pg_database""",
    on="primary",
)
# Sizes come from pg_class: asking for a file's size waits for whoever locks the table.
TABLES: Final = Reading(
    name="tables",
    sql="""
    with biggest as (
        select c.oid, c.relname, n.nspname, c.relpages, c.reltuples, c.reloptions, c.relkind, c.relpersistence,
            c.relfrozenxid, c.relminmxid, c.relispartition
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind in ('r', 'm') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
        order by greatest(
            c.relpages, pg_stat_get_live_tuples(c.oid) / 100, pg_stat_get_dead_tuples(c.oid) / 100) desc limit 500
    )
    select format('%I.%I', b.nspname, b.relname) as name, b.oid::bigint, b.relpages::bigint as pages,
        b.reltuples::float8 as tuples, b.relkind::text as kind, b.relpersistence::text as persistence,
        b.relispartition as is_partition, coalesce(b.reloptions, '{}') as options,
        case when b.relfrozenxid <> '0' then age(b.relfrozenxid) end as transactions,
        s.n_live_tup as live, s.n_dead_tup as dead, s.n_mod_since_analyze as changed,
        s.n_tup_ins as inserted, s.n_tup_upd as updated, s.n_tup_del as deleted, s.n_tup_hot_upd as hot_updated,
        s.seq_scan, s.seq_tup_read, coalesce(s.idx_scan, 0) as idx_scan,
        greatest(s.last_vacuum, s.last_autovacuum)::text as last_vacuum,
        greatest(s.last_analyze, s.last_autoanalyze)::text as last_analyze,
        extract(epoch from clock_timestamp() - greatest(s.last_vacuum, s.last_autovacuum))::float8 as vacuumed_ago,
        extract(epoch from clock_timestamp() - greatest(s.last_analyze, s.last_autoanalyze))::float8 as analyzed_ago,
        (select sum(t.avg_width * (1 - t.null_frac))::float8 from pg_stats t
         where t.schemaname = b.nspname and t.tablename = b.relname and b.relpages > 1000) as width,
        has_table_privilege(b.oid, 'select') as readable
    from biggest b left join pg_stat_user_tables s on s.relid = b.oid""",
)
VACUUMS: Final = Reading(
    name="running_vacuums",
    sql="""
    select p.pid, p.datname::text as database, c.relname::text as name, p.phase, a.backend_type,
        p.heap_blks_total, p.heap_blks_scanned, p.index_vacuum_count,
        extract(epoch from clock_timestamp() - a.xact_start)::float8 as seconds
    from pg_stat_progress_vacuum p join pg_stat_activity a using (pid) left join pg_class c on c.oid = p.relid""",
    needs="pg_read_all_stats",
    samples=True,
)


def options_of(table: Row) -> dict[str, str]:
    """A table's storage options: autovacuum_enabled=false"""
    return dict(option.split("=", 1) for option in table["options"])


def is_attended(seen: Snapshot, table: Row) -> bool:
    """Whether autovacuum looks after the table, so that what is due is done within a minute or so."""
    off = ("false", "off")
    return seen.setting("autovacuum") != "off" and options_of(table).get("autovacuum_enabled") not in off


def table_fix(action: str, table: Row, reason: str) -> list[ProposedFix]:
    """An action on one table, named with its oid, so that another one of the same name is left alone."""
    return [
        ProposedFix(
            action=action, params={"table": table["name"], "oid": table["oid"], "reason": reason}, reason=reason
        )
    ]


@RULES.rule(
    "A database comes near the end of its transaction numbers",
    DATABASES,
    SETTINGS,
    is_risk=True,
    cause="maintenance",
    rank=1,
    advice="VACUUM (FREEZE) its oldest tables now; first end what holds it back (sessions, slots)",
)
def _transaction_wraparound(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(DATABASES):
        yield from _wraparound(seen, row, "transactions", "transaction numbers")


@RULES.rule(
    "A database comes near the end of its multixact numbers",
    DATABASES,
    SETTINGS,
    is_risk=True,
    cause="maintenance",
    rank=1,
    advice="VACUUM its oldest tables; many rows are locked by several transactions at once (foreign keys, FOR SHARE)",
)
def _multixact_wraparound(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(DATABASES):
        yield from _wraparound(seen, row, "multixacts", "multixact numbers")


def _wraparound(seen: Snapshot, row: Row, which: str, words: str) -> Iterator[Fault]:
    age, limit = row[which], seen.limits.wraparound_transactions
    if age >= limit:
        yield Fault(
            component=f"database {row['name']}",
            says=f"{age / _WRAPAROUND:.0%} of the {words} of {row['name']} are used since the last freeze;"
            " at the end it takes no more writes",
            values={which: age, "allows_connections": row["allows_connections"]},
            severity=Severity.HIGH if age >= 1.5 * limit else None,
            is_risk=age < _WRAPAROUND - _WRITES_END,
        )


@RULES.rule(
    "A table is not frozen in time",
    TABLES,
    SETTINGS,
    is_risk=True,
    cause="maintenance",
    rank=1,
    remedy=(VACUUM,),
    advice="VACUUM it; autovacuum is off for it, is cancelled each time, or is held back",
)
def _table_not_frozen(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for table in sorted(seen.rows(TABLES), key=lambda table: -(table["transactions"] or 0)):
        if (table["transactions"] or 0) >= seen.limits.wraparound_transactions:
            says = f"{table['name']} was not frozen for {table['transactions']} transactions"
            yield Fault(
                component=f"table {table['name']}",
                says=says,
                values={"transactions": table["transactions"], "options": options_of(table)},
                fixes=table_fix(VACUUM, table, says),
            )


@RULES.rule(
    "A table is full of dead rows",
    TABLES,
    SETTINGS,
    cause="maintenance",
    remedy=(VACUUM,),
    advice="VACUUM it, and see whether something holds VACUUM back or autovacuum is too slow for it",
)
def _dead_rows(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for table in seen.rows(TABLES):
        live, dead = table["live"] or 0, table["dead"] or 0
        least = seen.limits.dead_rows if is_attended(seen, table) else seen.limits.unattended_rows
        if dead >= least and dead >= seen.limits.dead_share * live:
            says = f"{table['name']} has {dead} dead rows beside {live} live ones"
            yield Fault(
                component=f"table {table['name']}",
                says=says,
                values={"dead": dead, "live": live, "last_vacuum": table["last_vacuum"], "options": options_of(table)},
                fixes=table_fix(VACUUM, table, says),
            )


@RULES.rule(
    "Autovacuum is off",
    SETTINGS,
    severity=Severity.HIGH,
    is_risk=True,
    cause="configuration",
    rank=1,
    advice="ALTER SYSTEM RESET autovacuum; SELECT pg_reload_conf();",
)
def _autovacuum_off(seen: Snapshot) -> Iterator[Fault | Unseen]:
    off = [name for name in ("autovacuum", "track_counts") if seen.setting(name) == "off"]
    if off:
        yield Fault(
            component="server",
            says=f"{' and '.join(off)} is off: nothing is cleaned up or analyzed by itself",
            values=dict.fromkeys(off, "off"),
        )


@RULES.rule(
    "Autovacuum is off for a table that changes",
    TABLES,
    is_risk=True,
    cause="configuration",
    advice="ALTER TABLE ... RESET (autovacuum_enabled), or VACUUM it by a job of your own",
)
def _autovacuum_off_for_table(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for table in seen.rows(TABLES):
        gone = (table["updated"] or 0) + (table["deleted"] or 0)
        off = options_of(table).get("autovacuum_enabled") in ("false", "off")
        stale = table["vacuumed_ago"] is None or table["vacuumed_ago"] > 7 * 86400
        if off and stale and gone >= seen.limits.dead_rows:
            yield Fault(
                component=f"table {table['name']}",
                says=f"{table['name']} has autovacuum off and {table['dead']} dead rows",
                values={"options": options_of(table), "dead": table["dead"], "last_vacuum": table["last_vacuum"]},
            )


@RULES.rule(
    "An old transaction keeps VACUUM from cleaning up",
    SESSIONS,
    cause="application",
    rank=1,
    remedy=(TERMINATE,),
    advice="End it, or let it finish; reports belong on a standby, and idle_in_transaction_session_timeout helps",
)
def _vacuum_held_back_by_session(seen: Snapshot) -> Iterator[Fault | Unseen]:
    limit = seen.limits.old_transaction_seconds
    for row in seen.rows(SESSIONS):
        old = row["xmin_age"] is not None and (row["xact_age"] or 0.0) >= limit
        if not old or row["backend_type"] != "client backend":
            continue
        who = f"session {row['pid']} ({row['usename']}, {row['application_name'] or 'unnamed'})"
        says = (
            f"{who} is in one transaction for {seconds_in_words(row['xact_age'])}, {row['xmin_age']} transactions back"
        )
        yield Fault(
            component=f"session {row['pid']}",
            says=says,
            values={"sessions": session_evidence([row]), "transactions": row["xmin_age"]},
            severity=Severity.LOW if row["protected"] == "a backup" else None,
            fixes=ending([row], says),
        )


@RULES.rule(
    "All autovacuum workers are busy, and tables wait for them",
    VACUUMS,
    TABLES,
    SETTINGS,
    cause="configuration",
    advice="Raise autovacuum_max_workers and autovacuum_vacuum_cost_limit together",
)
def _autovacuum_workers_busy(seen: Snapshot) -> Iterator[Fault | Unseen]:
    workers = seen.number("autovacuum_max_workers")
    looks = [[row for row in look if row["backend_type"] == "autovacuum worker"] for look in seen.samples(VACUUMS)]
    threshold = seen.number("autovacuum_vacuum_threshold")
    scale = seen.number("autovacuum_vacuum_scale_factor")
    waiting = [
        table["name"]
        for table in seen.rows(TABLES)
        if (table["dead"] or 0) > threshold + scale * max(table["tuples"], 0.0)
    ]
    if min(map(len, looks)) >= workers and len(waiting) > workers:
        yield Fault(
            component="server",
            says=f"all {workers:g} autovacuum workers are busy, and {len(waiting)} tables are due",
            values={"workers": [dict(row) for row in looks[-1]], "due": waiting[:20]},
        )


@RULES.rule(
    "A VACUUM runs for very long",
    VACUUMS,
    cause="configuration",
    rank=SYMPTOM,
    advice="Raise autovacuum_vacuum_cost_limit and maintenance_work_mem; or run it when it is quiet",
)
def _vacuum_runs_long(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(VACUUMS):
        if (row["seconds"] or 0.0) >= seen.limits.long_vacuum_seconds:
            yield Fault(
                component=f"table {row['name']}",
                says=f"VACUUM of {row['name']} runs for {seconds_in_words(row['seconds'])} ({row['phase']})",
                values=dict(row),
            )


@RULES.rule(
    "A table takes far more space than its rows need",
    TABLES,
    cause="maintenance",
    rank=SYMPTOM,
    severity=Severity.LOW,
    advice="Write it anew when nobody needs it (VACUUM FULL locks it) or with pg_repack; then keep VACUUM ahead",
)
def _table_bloat(seen: Snapshot) -> Iterator[Fault | Unseen]:
    unreadable = 0
    for table in seen.rows(TABLES):
        size = table["pages"] * _BLOCK
        if size < seen.limits.bloat_bytes or table["tuples"] < 0:
            continue
        width = table["width"]
        if width is None:
            unreadable += 1
            width = 1900.0  # a row is no wider in its own pages: what is longer is kept elsewhere
        needed = table["tuples"] * (28 + width) / 0.9 + _BLOCK
        if size >= seen.limits.bloat_factor * needed:
            yield Fault(
                component=f"table {table['name']}",
                says=f"{table['name']} takes {bytes_in_words(size)},"
                f" of which about {bytes_in_words(needed)} are needed",
                values={
                    "bytes": size,
                    "needed": round(needed),
                    "rows": table["tuples"],
                    "row_width": round(width),
                    "estimated": True,
                },
            )
    if unreadable:
        yield Unseen(
            f"{unreadable} large table(s) can only be judged roughly: GRANT pg_read_all_data TO"
            f" {seen.facts['role']}; shows how wide their rows are"
        )
