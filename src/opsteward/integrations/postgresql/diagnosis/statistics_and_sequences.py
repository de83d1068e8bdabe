"""What the planner knows, how far sequences are, and how often the cache helps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from opsteward.contracts.check import ProposedFix, Severity
from opsteward.integrations.postgresql.diagnosis.activity import COUNTERS, counters_now
from opsteward.integrations.postgresql.diagnosis.rule import SYMPTOM, Fault, Rules, Unseen
from opsteward.integrations.postgresql.diagnosis.snapshot import SETTINGS, Reading, Row, Snapshot
from opsteward.integrations.postgresql.diagnosis.vacuum import ANALYZE, TABLES, is_attended, table_fix

RULES: Final = Rules("statistics and sequences", [])
WIDEN_SEQUENCE: Final = "postgresql.widen_sequence"
_LARGEST = {"smallint": 32_767, "integer": 2_147_483_647, "bigint": 9_223_372_036_854_775_807}

SEQUENCES: Final = Reading(
    name="sequences",
    sql="""
    select format('%I.%I', s.schemaname, s.sequencename) as name, c.oid::bigint, s.data_type::text as type,
        s.max_value, s.min_value, s.increment_by as step, s.cycle, s.last_value,
        has_sequence_privilege(c.oid, 'usage') or has_sequence_privilege(c.oid, 'select') as readable,
        case when t.oid is not null then format('%I.%I', tn.nspname, t.relname) end as table, a.attname::text as column,
        case when t.oid is not null then format_type(a.atttypid, null) end as column_type
    from pg_sequences s
    join pg_namespace n on n.nspname = s.schemaname
    join pg_class c on c.relname = s.sequencename and c.relnamespace = n.oid
    left join pg_depend d on d.objid = c.oid and d.classid = 'pg_class'::regclass
        and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i')
    left join pg_class t on t.oid = d.refobjid left join pg_namespace tn on tn.oid = t.relnamespace
    left join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
    limit 2000""",
)


@RULES.rule(
    "A sequence comes near its end",
    SEQUENCES,
    is_risk=True,
    cause="schema",
    rank=1,
    remedy=(WIDEN_SEQUENCE,),
    advice="ALTER SEQUENCE ... AS bigint where its column is bigint; at the end each INSERT fails",
)
def _sequence_near_end(seen: Snapshot) -> Iterator[Fault | Unseen]:
    yield from _unreadable(seen)
    for row in seen.rows(SEQUENCES):
        used = _used(row, row["max_value"])
        if row["cycle"] or used < seen.limits.sequence_share:
            continue
        says = f"{row['name']} has used {used:.1%} of its numbers"
        # a smaller end than the type's own is somebody's wish
        small = row["type"] != "bigint" and row["max_value"] == _LARGEST.get(row["type"])
        roomy = small and row["column_type"] in (None, "bigint", "numeric")
        fix = {"sequence": row["name"], "oid": row["oid"], "reason": says}
        yield Fault(
            component=f"sequence {row['name']}",
            says=says,
            values=_of_sequence(row),
            severity=Severity.HIGH if used >= 0.95 else None,
            is_risk=row["last_value"] + row["step"] <= row["max_value"],
            fixes=[ProposedFix(action=WIDEN_SEQUENCE, params=fix, reason=says)] if roomy else [],
        )


@RULES.rule(
    "A column is too small for the numbers that its sequence will give",
    SEQUENCES,
    is_risk=True,
    cause="schema",
    rank=1,
    advice="Make the column bigint in good time (it writes the table anew), or fill a new column and swap them",
)
def _column_near_end(seen: Snapshot) -> Iterator[Fault | Unseen]:
    yield from _unreadable(seen)
    for row in seen.rows(SEQUENCES):
        largest = _LARGEST.get(row["column_type"] or "")
        if largest is None or row["max_value"] <= largest:
            continue
        used = _used(row, largest)
        if used >= seen.limits.sequence_share:
            yield Fault(
                component=f"column {row['table']}.{row['column']}",
                says=f"{row['column']} of {row['table']} is {row['column_type']},"
                f" and {used:.1%} of its numbers are used",
                values=_of_sequence(row),
                severity=Severity.HIGH if used >= 0.95 else None,
                is_risk=row["last_value"] + row["step"] <= largest,
            )


def _unreadable(seen: Snapshot) -> Iterator[Unseen]:
    names = [row["name"] for row in seen.rows(SEQUENCES) if not row["readable"]]
    if names:
        right = f"GRANT SELECT ON ALL SEQUENCES IN SCHEMA ... TO {seen.facts['role']};"
        yield Unseen(f"{len(names)} sequence(s), such as {names[0]}: {right}")


def _used(row: Row, largest: int) -> float:
    if row["last_value"] is None or row["step"] < 0:
        return 0.0
    smallest = max(row["min_value"], 0)
    return float((row["last_value"] - smallest) / max(largest - smallest, 1))


def _of_sequence(row: Row) -> dict[str, object]:
    names = ("last_value", "max_value", "step", "type", "table", "column", "column_type")
    return {name: row[name] for name in names}


@RULES.rule(
    "The planner's statistics of a table are stale",
    TABLES,
    SETTINGS,
    cause="maintenance",
    rank=1,
    remedy=(ANALYZE,),
    advice="ANALYZE it, and see why autovacuum does not",
)
def _stale_statistics(seen: Snapshot) -> Iterator[Fault | Unseen]:
    limits = seen.limits
    for table in seen.rows(TABLES):
        live, changed = table["live"] or 0, table["changed"] or 0
        least = limits.least_changes if is_attended(seen, table) else limits.unattended_rows
        many = changed >= least and changed >= limits.changed_share * live
        # What a load has changed may be told only after the ANALYZE that follows it.
        due = table["analyzed_ago"] is None or table["analyzed_ago"] >= limits.stale_seconds
        if table["kind"] == "r" and many and due:
            says = (
                f"{changed} rows of {table['name']} have changed since its last ANALYZE, beside {live} that are there"
            )
            yield Fault(
                component=f"table {table['name']}",
                says=says,
                values={"changed": changed, "live": live, "last_analyze": table["last_analyze"]},
                fixes=table_fix(ANALYZE, table, says),
            )


@RULES.rule(
    "Updates of a table rarely stay on their page",
    TABLES,
    severity=Severity.LOW,
    cause="schema",
    rank=SYMPTOM,
    advice="Leave room with a fillfactor of 80 to 90, or don't index the column that changes all the time",
)
def _updates_not_hot(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for table in seen.rows(TABLES):
        updated, hot = table["updated"] or 0, table["hot_updated"] or 0
        many = updated >= 10 * seen.limits.least_changes
        if many and (table["live"] or 0) and updated - hot >= seen.limits.cold_update_share * updated:
            yield Fault(
                component=f"table {table['name']}",
                says=f"{1 - hot / updated:.0%} of {updated} updates of {table['name']} wrote all its indexes too",
                values={"updated": updated, "hot_updated": hot, "options": table["options"]},
            )


@RULES.rule(
    "The cache helps too rarely",
    COUNTERS,
    SETTINGS,
    severity=Severity.LOW,
    cause="capacity",
    rank=SYMPTOM,
    advice="Raise shared_buffers (a quarter of the memory), or find the statements that read most",
)
def _cache_rarely_hit(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for name, counts in counters_now(seen.samples(COUNTERS)).items():
        asked = counts["blks_hit"] + counts["blks_read"]
        share = counts["blks_hit"] / asked if asked else 1.0
        if name and asked >= seen.limits.least_block_reads and share < seen.limits.cache_hit_share:
            yield Fault(
                component=f"database {name}",
                says=f"{share:.0%} of the pages were found in the cache",
                values={
                    "hit": counts["blks_hit"],
                    "read": counts["blks_read"],
                    "shared_buffers_blocks": seen.setting("shared_buffers"),
                },
            )


@RULES.rule(
    "The server does not say what its sessions do",
    SETTINGS,
    is_risk=True,
    cause="configuration",
    rank=SYMPTOM,
    advice="ALTER SYSTEM RESET track_activities; SELECT pg_reload_conf();",
)
def _activities_not_tracked(seen: Snapshot) -> Iterator[Fault | Unseen]:
    if seen.setting("track_activities") == "off":
        yield Fault(
            component="server",
            says="track_activities is off: nobody sees which statement holds up others",
            values={"track_activities": "off"},
        )
