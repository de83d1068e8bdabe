"""What changes of the schema have left behind: failed migrations, held locks, half-done constraints and partitions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from opsteward.contracts.check import ProposedFix, Severity
from opsteward.integrations.postgresql.diagnosis.rule import ROOT, SYMPTOM, Fault, Rules, Unseen, seconds_in_words
from opsteward.integrations.postgresql.diagnosis.snapshot import Reading, Row, Snapshot

RULES: Final = Rules("migrations", [])
VALIDATE: Final = "postgresql.validate_constraint"

# Which tool keeps its books in which table, told from its columns, and what it says there of a migration that failed
# (`failed`), of a lock that is held (`lock`) or of where it stands (`head`). Columns of built-in types alone: others
# may have casts, which are functions of whoever made the table, and would run with what our role may.
HISTORIES: Final = Reading(
    name="migration_tables",
    sql="""
    with found as (
        select c.oid, format('%I.%I', n.nspname, c.relname) as quoted, lower(c.relname) as relname,
            format('%I', n.nspname) as schema,
            array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0
                  and not a.attisdropped and exists (select from pg_type t where t.oid = a.atttypid
                  and t.typnamespace = 'pg_catalog'::regnamespace)) as columns
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where c.relkind = 'r' and n.nspname !~ '^pg_'
    ), known(tool, relname, needs, sql) as (values
        ('Flyway', 'flyway_schema_history', '{version,success,installed_on}'::text[],
         'select ''failed'' as what, version::text || '' '' || description as which, installed_on::text as at,
            null::float8 as seconds from {quoted} where not success'),
        ('golang-migrate', 'schema_migrations', '{version,dirty}',
         'select ''failed'' as what, version::text as which, null::text as at, null::float8 as seconds
          from {quoted} where dirty'),
        ('Prisma', '_prisma_migrations', '{migration_name,finished_at,rolled_back_at,started_at}',
         'select ''failed'' as what, migration_name::text as which, started_at::text as at,
            extract(epoch from clock_timestamp() - started_at)::float8 as seconds
          from {quoted} where finished_at is null and rolled_back_at is null'),
        ('Liquibase', 'databasechangeloglock', '{locked,lockgranted,lockedby}',
         'select ''lock'' as what, lockedby::text as which, lockgranted::text as at,
            extract(epoch from clock_timestamp() - lockgranted)::float8 as seconds from {quoted} where locked'),
        ('Knex', 'knex_migrations_lock', '{is_locked}',
         'select ''lock'' as what, ''knex_migrations'' as which, null::text as at, null::float8 as seconds
          from {quoted} where is_locked = 1'),
        ('Alembic', 'alembic_version', '{version_num}',
         'select ''head'' as what, version_num::text as which, null::text as at, null::float8 as seconds
          from {quoted}')
    )
    select k.tool, f.quoted, f.schema, k.sql from found f join known k using (relname) where k.needs <@ f.columns""",
)
MIGRATIONS: Final = Reading(name="migrations", sql="", of=HISTORIES)
CONSTRAINTS: Final = Reading(
    name="constraints_not_validated",
    sql="""
    select k.conname::text as name, format('%I.%I', n.nspname, t.relname) as table, k.contype::text as type,
        k.oid::bigint, left(pg_get_constraintdef(k.oid), 300) as definition
    from pg_constraint k join pg_class t on t.oid = k.conrelid join pg_namespace n on n.oid = t.relnamespace
    where not k.convalidated and k.contype in ('f', 'c') and n.nspname !~ '^pg_' limit 100""",
)
TRIGGERS: Final = Reading(
    name="disabled_triggers",
    sql="""
    select g.tgname::text as name, format('%I.%I', n.nspname, t.relname) as table, g.tgisinternal as internal,
        k.conname::text as constraint
    from pg_trigger g join pg_class t on t.oid = g.tgrelid join pg_namespace n on n.oid = t.relnamespace
    left join pg_constraint k on k.oid = g.tgconstraint
    where g.tgenabled = 'D' and n.nspname !~ '^pg_' limit 200""",
)
# The latest bound of each table that is partitioned by one column of time, as the server writes it: TO ('2026-12-01')
PARTITIONS: Final = Reading(
    name="partitions_by_time",
    sql="""
    select format('%I.%I', n.nspname, t.relname) as table, count(*) as partitions,
        bool_or(c.oid = p.partdefid) as has_default,
        extract(epoch from max(
            (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''([^'']+)''\\)'))[1]::timestamptz)
            - clock_timestamp())::float8 / 86400 as days,
        bool_or(pg_get_expr(c.relpartbound, c.oid) ~ 'TO \\(MAXVALUE\\)') as unbounded
    from pg_partitioned_table p join pg_class t on t.oid = p.partrelid join pg_namespace n on n.oid = t.relnamespace
    join pg_attribute a on a.attrelid = t.oid and a.attnum = p.partattrs[0]
    join pg_inherits i on i.inhparent = t.oid join pg_class c on c.oid = i.inhrelid
    where p.partstrat = 'r' and p.partnatts = 1
      and a.atttypid in ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
    group by 1 limit 200""",
)
DEFAULT_PARTITIONS: Final = Reading(
    name="default_partitions",
    sql="""
    select format('%I.%I', n.nspname, t.relname) as table, format('%I.%I', dn.nspname, d.relname) as name,
        greatest(pg_stat_get_live_tuples(d.oid), d.reltuples::bigint) as rows
    from pg_partitioned_table p join pg_class t on t.oid = p.partrelid join pg_namespace n on n.oid = t.relnamespace
    join pg_class d on d.oid = p.partdefid join pg_namespace dn on dn.oid = d.relnamespace""",
)
DETACHING: Final = Reading(
    name="partitions_being_detached",
    sql="""
    select format('%I.%I', n.nspname, c.relname) as name, i.inhparent::regclass::text as table
    from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_namespace n on n.oid = c.relnamespace
    where i.inhdetachpending
      and not exists (select from pg_locks l where l.relation = c.oid and l.mode = 'ShareUpdateExclusiveLock')""",
    since=14,
)


def _told(seen: Snapshot, what: str) -> Iterator[Row | Unseen]:
    for row in seen.rows(MIGRATIONS):
        if "unread" in row:
            yield Unseen(f"migrations of {row['tool']}: {row['unread']}")
        elif row["what"] == what:
            yield row


@RULES.rule(
    "A migration has failed half-way",
    HISTORIES,
    MIGRATIONS,
    severity=Severity.HIGH,
    cause="schema",
    rank=ROOT,
    advice="Bring the schema to one of both sides by hand, then tell the tool (repair, force, resolve)",
)
def _migration_failed(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in _told(seen, "failed"):
        if isinstance(row, Unseen):
            yield row
        elif row["seconds"] is None or row["seconds"] >= seen.limits.migration_lock_seconds:
            yield Fault(
                component=f"migration {row['which']}",
                says=f"{row['tool']} migration {row['which']} did not end well"
                + (f" (begun at {row['at']})" if row["at"] else ""),
                values={name: row[name] for name in ("tool", "quoted", "which", "at")},
            )


@RULES.rule(
    "The lock of a migration tool is held by nobody",
    HISTORIES,
    MIGRATIONS,
    cause="schema",
    rank=1,
    advice="See that no migration runs, then release it (liquibase releaseLocks, knex migrate:unlock)",
)
def _migration_lock_held(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in _told(seen, "lock"):
        if isinstance(row, Unseen):
            continue
        if row["seconds"] is None or row["seconds"] >= seen.limits.migration_lock_seconds:
            since = f" for {seconds_in_words(row['seconds'])}" if row["seconds"] is not None else ""
            yield Fault(
                component=f"lock of {row['tool']}",
                says=f"{row['quoted']} is locked by {row['which']}{since}: no deployment can migrate",
                values={name: row[name] for name in ("tool", "quoted", "which", "at")},
            )


@RULES.rule(
    "The schema has several heads of migrations",
    HISTORIES,
    MIGRATIONS,
    is_risk=True,
    cause="schema",
    advice="alembic merge, and upgrade: two branches of migrations were applied side by side",
)
def _migration_heads(seen: Snapshot) -> Iterator[Fault | Unseen]:
    heads = [row for row in _told(seen, "head") if not isinstance(row, Unseen)]
    for table, count in Counter(row["quoted"] for row in heads).items():
        if count > 1:
            which = [row["which"] for row in heads if row["quoted"] == table]
            yield Fault(
                component=f"table {table}",
                says=f"{table} names {count} heads: {', '.join(which[:5])}",
                values={"heads": which[:20]},
            )


@RULES.rule(
    "A constraint was never validated",
    CONSTRAINTS,
    severity=Severity.LOW,
    cause="schema",
    rank=SYMPTOM,
    remedy=(VALIDATE,),
    advice="ALTER TABLE ... VALIDATE CONSTRAINT; rows that break it have to be mended first",
)
def _constraint_not_validated(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(CONSTRAINTS):
        says = f"{row['name']} of {row['table']} does not hold for the rows that were there before"
        fix = {"table": row["table"], "constraint": row["name"], "oid": row["oid"], "reason": says}
        yield Fault(
            component=f"constraint {row['table']}.{row['name']}",
            says=says,
            values=dict(row),
            fixes=[ProposedFix(action=VALIDATE, params=fix, reason=says)],
        )


@RULES.rule(
    "A foreign key is not enforced",
    TRIGGERS,
    is_risk=True,
    cause="schema",
    rank=1,
    advice="ALTER TABLE ... ENABLE TRIGGER ALL: a data load has left it off, and rows may be wrong by now",
)
def _foreign_key_not_enforced(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for name, table in dict.fromkeys((r["constraint"], r["table"]) for r in seen.rows(TRIGGERS) if r["internal"]):
        yield Fault(
            component=f"constraint {table}.{name}",
            says=f"the triggers of {name} are disabled on {table}",
            values={"table": table, "constraint": name},
        )


@RULES.rule(
    "A trigger is disabled",
    TRIGGERS,
    severity=Severity.LOW,
    cause="schema",
    rank=SYMPTOM,
    advice="ALTER TABLE ... ENABLE TRIGGER, or drop it when it is not wanted",
)
def _trigger_disabled(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(TRIGGERS):
        if not row["internal"]:
            yield Fault(
                component=f"trigger {row['table']}.{row['name']}",
                says=f"{row['name']} of {row['table']} is disabled",
                values=dict(row),
            )


@RULES.rule(
    "A table runs out of partitions",
    PARTITIONS,
    is_risk=True,
    cause="maintenance",
    rank=1,
    advice="Make the next partitions, and look why the job that makes them does not run: each INSERT will fail",
)
def _partitions_run_out(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(PARTITIONS):
        ends = row["days"] is not None and not row["unbounded"] and not row["has_default"]
        # A table whose last partition ended long ago is an archive.
        if ends and row["partitions"] > 1 and -30 < row["days"] < seen.limits.partition_days:
            over = row["days"] < 0
            yield Fault(
                component=f"table {row['table']}",
                says=f"the last partition of {row['table']} {'ended' if over else 'ends'}"
                f" {'' if over else 'in '}{seconds_in_words(abs(row['days']) * 86400)}{' ago' if over else ''}",
                values=dict(row),
                severity=Severity.HIGH if over else None,
                is_risk=not over,
            )


@RULES.rule(
    "Rows gather in a default partition",
    DEFAULT_PARTITIONS,
    severity=Severity.LOW,
    cause="maintenance",
    rank=SYMPTOM,
    advice="Make the partitions that they belong into: the default one has to be read whole for each new partition",
)
def _default_partition_fills(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(DEFAULT_PARTITIONS):
        if row["rows"] >= seen.limits.default_partition_rows:
            yield Fault(
                component=f"table {row['name']}",
                says=f"{row['name']} of {row['table']} has {row['rows']} rows",
                values=dict(row),
            )


@RULES.rule(
    "A partition was left half detached",
    DETACHING,
    is_risk=True,
    cause="maintenance",
    rank=1,
    advice="ALTER TABLE ... DETACH PARTITION ... FINALIZE",
)
def _partition_half_detached(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(DETACHING):
        yield Fault(
            component=f"table {row['name']}",
            says=f"{row['name']} is being detached from {row['table']}, and nobody does it",
            values=dict(row),
        )
