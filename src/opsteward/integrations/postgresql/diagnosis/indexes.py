"""Indexes that are missing, broken, doubled or of no use."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from opsteward.contracts.check import ProposedFix, Severity
from opsteward.integrations.postgresql.backend_sessions import mask_literals
from opsteward.integrations.postgresql.diagnosis.activity import COUNTERS, SESSIONS, counters_now
from opsteward.integrations.postgresql.diagnosis.rule import ROOT, SYMPTOM, Fault, Rules, Unseen, bytes_in_words
from opsteward.integrations.postgresql.diagnosis.snapshot import Reading, Row, Snapshot
from opsteward.integrations.postgresql.diagnosis.vacuum import TABLES

RULES: Final = Rules("indexes", [])
REINDEX: Final = "postgresql.reindex_index"
DROP_INVALID: Final = "postgresql.drop_invalid_index"
_BLOCK = 8192

INDEXES: Final = Reading(
    name="indexes",
    sql="""
    select format('%I.%I', n.nspname, c.relname) as name, format('%I.%I', n.nspname, t.relname) as table,
        c.oid::bigint, t.oid::bigint as table_oid, c.relpages::bigint as pages, c.reltuples::float8 as tuples,
        m.amname::text as method,
        i.indisunique as is_unique, i.indisprimary as is_primary, i.indisvalid as is_valid, i.indisready as is_ready,
        i.indisreplident as is_identity, i.indkey::text as columns, i.indclass::text as classes,
        i.indcollation::text as collations, i.indoption::text as options, i.indnkeyatts as keys,
        i.indpred is not null as is_partial, i.indexprs is not null as has_expressions,
        exists (select from pg_constraint k where k.conindid = c.oid and k.contype in ('p', 'u', 'x')) as constrains,
        c.relname ~ '_ccnew[0-9]*$' or c.relname ~ '_ccold[0-9]*$' as leftover,
        coalesce(s.idx_scan, 0) as scans, t.relispartition as is_partition,
        exists (select from pg_stat_progress_create_index p where p.index_relid = c.oid or p.relid = t.oid)
            as being_built,
        pg_get_indexdef(c.oid) as definition,
        (select sum(st.avg_width * (1 - st.null_frac))::float8 from pg_attribute a join pg_stats st
         on st.schemaname = n.nspname and st.tablename = t.relname and st.attname = a.attname
         where a.attrelid = t.oid and a.attnum = any(i.indkey::int[]) and c.relpages > 1000) as width
    from pg_index i
    join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
    join pg_class t on t.oid = i.indrelid join pg_am m on m.oid = c.relam
    left join pg_stat_user_indexes s on s.indexrelid = c.oid
    where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' and c.relkind = 'i'
    order by i.indisvalid, c.relpages desc limit 2000""",
)
FOREIGN_KEYS: Final = Reading(
    name="foreign_keys_without_index",
    sql="""
    select k.conname::text as name, format('%I.%I', n.nspname, t.relname) as table,
        format('%I.%I', fn.nspname, f.relname) as refers_to, t.reltuples::float8 as tuples,
        coalesce(pg_stat_get_tuples_deleted(f.oid) + pg_stat_get_tuples_updated(f.oid), 0) as changes,
        coalesce(pg_stat_get_live_tuples(t.oid), 0) as live,
        (select string_agg(a.attname, ', ') from pg_attribute a where a.attrelid = t.oid and a.attnum = any(k.conkey))
            as columns
    from pg_constraint k join pg_class t on t.oid = k.conrelid join pg_namespace n on n.oid = t.relnamespace
    join pg_class f on f.oid = k.confrelid join pg_namespace fn on fn.oid = f.relnamespace
    where k.contype = 'f' and not exists (
        select from pg_index i where i.indrelid = k.conrelid and i.indisvalid and i.indpred is null
          and (string_to_array(i.indkey::text, ' ')::smallint[])[1:cardinality(k.conkey)] @> k.conkey)
    order by greatest(t.reltuples, 0) desc limit 200""",
)
# What changed of a system's library may change how text is sorted, and so what an index finds.
COLLATION: Final = Reading(
    name="collation_versions",
    sql="""
    select 'database ' || datname as name, datcollversion as made_with, pg_database_collation_actual_version(oid) as now
    from pg_database where datname = current_database()
      and datcollversion is distinct from pg_database_collation_actual_version(oid)
      and datcollversion is not null
    union all
    select 'collation ' || c.collname, c.collversion, pg_collation_actual_version(c.oid) from pg_collation c
    where c.collversion <> pg_collation_actual_version(c.oid) and exists (
        select from pg_attribute a join pg_class r on r.oid = a.attrelid
        where a.attcollation = c.oid and r.relkind = 'i')
    """,
    since=15,
)


@RULES.rule(
    "An index is invalid",
    INDEXES,
    cause="maintenance",
    rank=1,
    remedy=(DROP_INVALID, REINDEX),
    advice="It is kept up to date and never used: build it anew, or drop it when it is a leftover",
)
def _invalid_index(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for index in seen.rows(INDEXES):
        if index["is_valid"] or index["being_built"] or index["is_partition"]:
            continue
        says = f"{index['name']} of {index['table']} is invalid: its CREATE INDEX or REINDEX CONCURRENTLY failed"
        action = DROP_INVALID if index["leftover"] else REINDEX
        yield Fault(
            component=f"index {index['name']}",
            says=says,
            values={
                "definition": index["definition"],
                "ready": index["is_ready"],
                "leftover": index["leftover"],
                "bytes": index["pages"] * _BLOCK,
            },
            fixes=[index_fix(action, index, says)],
        )


def index_fix(action: str, index: Row, reason: str) -> ProposedFix:
    """An action on one index, named with its oid, so that another one of the same name is left alone."""
    return ProposedFix(
        action=action, params={"index": index["name"], "oid": index["oid"], "reason": reason}, reason=reason
    )


@RULES.rule(
    "Two indexes are the same",
    INDEXES,
    severity=Severity.LOW,
    cause="schema",
    rank=SYMPTOM,
    advice="Drop one of them (not the one of a constraint): each costs time with every write",
)
def _duplicate_index(seen: Snapshot) -> Iterator[Fault | Unseen]:
    same: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for index in seen.rows(INDEXES):
        if index["is_valid"] and index["pages"] * _BLOCK >= seen.limits.duplicate_index_bytes:
            same[index["table"], index["definition"].partition(" USING ")[2]].append(index)
    for group in same.values():
        group.sort(key=lambda index: index["oid"])
        spare = [index for index in group if not index["constrains"] and not index["is_unique"]]
        if len(group) > 1 and spare:
            kept = next((index for index in group if index not in spare), group[0])
            yield Fault(
                component=f"index {spare[-1]['name']}",
                says=f"{spare[-1]['name']} and {kept['name']} are the same index of {kept['table']}",
                values={
                    "definitions": [index["definition"] for index in group],
                    "bytes": [index["pages"] * _BLOCK for index in group],
                },
            )


@RULES.rule(
    "An index is the beginning of another one",
    INDEXES,
    severity=Severity.LOW,
    cause="schema",
    rank=SYMPTOM,
    advice="Drop the shorter one when the longer serves its queries too",
)
def _index_covered_by_another(seen: Snapshot) -> Iterator[Fault | Unseen]:
    by_table: dict[str, list[Row]] = defaultdict(list)
    for index in seen.rows(INDEXES):
        plain = not index["is_partial"] and not index["has_expressions"] and index["method"] == "btree"
        if index["is_valid"] and plain:
            by_table[index["table"]].append(index)
    for group in by_table.values():
        for short in group:
            if short["is_unique"] or short["constrains"] or short["is_identity"]:
                continue
            if short["pages"] * _BLOCK < seen.limits.covered_index_bytes:
                continue
            longer = next((one for one in group if one is not short and _begins(short, one)), None)
            if longer is not None:
                yield Fault(
                    component=f"index {short['name']}",
                    says=f"{longer['name']} begins with all columns of {short['name']}",
                    values={
                        "definition": short["definition"],
                        "longer": longer["definition"],
                        "bytes": short["pages"] * _BLOCK,
                    },
                )


def _begins(short: Row, longer: Row) -> bool:
    if len(short["columns"].split()) >= longer["keys"]:
        return False
    return all(
        longer[part].split()[: short["keys"]] == short[part].split()[: short["keys"]]
        for part in ("columns", "classes", "collations", "options")
    )


@RULES.rule(
    "A large index is never used",
    INDEXES,
    COUNTERS,
    severity=Severity.LOW,
    cause="schema",
    rank=SYMPTOM,
    advice="Drop it when no standby uses it and no monthly job needs it: each write pays for it",
)
def _unused_index(seen: Snapshot) -> Iterator[Fault | Unseen]:
    here = next(counts for counts in counters_now(seen.samples(COUNTERS)).values() if counts["here"])
    days = here["seconds"] / 86400
    if days < seen.limits.statistics_days:
        yield Unseen(f"the server has counted for {days:.1f} days only, of {seen.limits.statistics_days:g}")
        return
    for index in seen.rows(INDEXES):
        size = index["pages"] * _BLOCK
        needed = index["is_unique"] or index["constrains"] or index["is_identity"] or not index["is_valid"]
        if not needed and index["scans"] == 0 and size >= seen.limits.unused_index_bytes:
            yield Fault(
                component=f"index {index['name']}",
                says=f"{index['name']} of {index['table']} takes {bytes_in_words(size)}"
                f" and was not used in {days:.0f} days",
                values={"definition": index["definition"], "bytes": size, "days": round(days, 1)},
            )


@RULES.rule(
    "An index takes far more space than its entries need",
    INDEXES,
    severity=Severity.LOW,
    cause="maintenance",
    rank=SYMPTOM,
    remedy=(REINDEX,),
    advice="REINDEX INDEX CONCURRENTLY",
)
def _index_bloat(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for index in seen.rows(INDEXES):
        size = index["pages"] * _BLOCK
        judged = (
            index["method"] == "btree" and index["is_valid"] and not index["has_expressions"] and index["tuples"] >= 0
        )
        if not judged or size < seen.limits.bloat_bytes:
            continue
        width = index["width"] if index["width"] is not None else 400.0
        needed = index["tuples"] * (20 + width) / 0.7 + 2 * _BLOCK
        if size >= seen.limits.bloat_factor * needed:
            says = f"{index['name']} takes {bytes_in_words(size)}, of which about {bytes_in_words(needed)} are needed"
            yield Fault(
                component=f"index {index['name']}",
                says=says,
                values={"bytes": size, "needed": round(needed), "entries": index["tuples"], "estimated": True},
                fixes=[index_fix(REINDEX, index, says)],
            )


@RULES.rule(
    "A foreign key has no index on its own side",
    FOREIGN_KEYS,
    severity=Severity.LOW,
    cause="schema",
    advice="CREATE INDEX CONCURRENTLY on its columns: each DELETE on the other side reads all of it",
)
def _foreign_key_without_index(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(FOREIGN_KEYS):
        rows = max(row["tuples"], row["live"])
        if rows >= seen.limits.foreign_key_rows:
            yield Fault(
                component=f"table {row['table']}",
                says=f"{row['name']} ({row['columns']}) of {row['table']} has no index;"
                f" each DELETE in {row['refers_to']} reads it whole",
                values=dict(row),
            )


@RULES.rule(
    "A large table is read as a whole again and again",
    TABLES,
    SESSIONS,
    is_risk=True,
    cause="schema",
    rank=1,
    advice="Find the statement (EXPLAIN shows Seq Scan) and give it an index",
)
def _sequential_scans(seen: Snapshot) -> Iterator[Fault | Unseen]:
    limits = seen.limits
    running = [row["query"] for look in seen.samples(SESSIONS) for row in look if row["state"] == "active"]
    for table in seen.rows(TABLES):
        scans, read = table["seq_scan"] or 0, table["seq_tup_read"] or 0
        each = read / scans if scans else 0.0
        often = scans >= limits.least_scans and scans > table["idx_scan"] / 10 and read >= limits.scanned_rows_in_all
        if not often or each < limits.scanned_rows or (table["live"] or 0) < limits.scanned_rows:
            continue
        relation = table["name"].rpartition(".")[2].strip('"')
        statements = [mask_literals(query) for query in dict.fromkeys(running) if relation in query]
        values = {name: table[name] for name in ("seq_scan", "seq_tup_read", "idx_scan", "live")}
        yield Fault(
            component=f"table {table['name']}",
            says=f"{table['name']} was read as a whole {scans} times, {each:.0f} rows each",
            values={**values, "running_now": statements[:5]},
            is_risk=not statements,
        )


@RULES.rule(
    "A table that is updated has no primary key",
    TABLES,
    INDEXES,
    severity=Severity.LOW,
    cause="schema",
    rank=SYMPTOM,
    advice="Give it a primary key: rows can't be told apart, and it can't be replicated logically",
)
def _table_without_key(seen: Snapshot) -> Iterator[Fault | Unseen]:
    keyed = {index["table"] for index in seen.rows(INDEXES) if index["is_primary"] or index["is_unique"]}
    for table in seen.rows(TABLES):
        changes = (table["updated"] or 0) + (table["deleted"] or 0)
        plain = table["kind"] == "r" and table["name"] not in keyed
        if plain and (table["live"] or 0) >= seen.limits.least_rows and changes >= seen.limits.least_changes:
            yield Fault(
                component=f"table {table['name']}",
                says=f"{table['name']} has {table['live']} rows and no primary or unique key",
                values={name: table[name] for name in ("live", "updated", "deleted")},
            )


@RULES.rule(
    "Text is sorted otherwise than when its indexes were made",
    COLLATION,
    severity=Severity.HIGH,
    is_risk=True,
    cause="environment",
    rank=ROOT,
    advice="REINDEX what holds text, then ALTER DATABASE (or COLLATION) ... REFRESH VERSION: indexes may miss rows",
)
def _collation_changed(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(COLLATION):
        yield Fault(
            component=row["name"],
            says=f"{row['name']} was made with version {row['made_with']}, and the system has {row['now']}",
            values=dict(row),
        )
