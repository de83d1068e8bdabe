"""A PostgreSQL database with a fault for each rule that looks at what lies in it, and which fault each row is."""

from __future__ import annotations

from typing import Any

#: So low that the small faults of the museum are seen; each fault is still told from what is well beside it.
TINY: dict[str, Any] = {
    "old_prepared_seconds": 0.001,
    "slot_retained_bytes": 1,
    "slot_transactions": 1,
    "wraparound_transactions": 1,
    "dead_rows": 200,
    "bloat_bytes": 32_768,
    "unused_index_bytes": 1,
    "covered_index_bytes": 0,
    "foreign_key_rows": 200,
    "scanned_rows_in_all": 1000,
    "unattended_rows": 200,
    "statistics_days": 0,
    "least_rows": 200,
    "scanned_rows": 200,
    "least_scans": 5,
    "least_changes": 200,
    "least_block_reads": 1,
    "cache_hit_share": 1.0,
    "migration_lock_seconds": 60,
    "default_partition_rows": 5,
    "temp_bytes_per_hour": 1,
    "rollback_share": 0.001,
    "least_transactions": 1,
    "least_checkpoints": 1,
    "checkpoints_per_hour": 0.01,
    "wal_factor": 0.0001,
    "used_up_share": 0.1,
    "log_bytes": 1,
    "disk_share": 0.0001,
    "clock_seconds": 0,
    "support_days": 1_000_000,
    "least_sessions": 1,
    "least_deadlocks": 1,
    "deadlocks_per_hour": 0.001,
    "abandoned_share": 0.001,
}

MUSEUM = """
create role ends_soon login password 'x' valid until 'tomorrow';
alter role shop in database museum set statement_timeout = '5ms';
create table big (id int primary key, text text);
insert into big select i, repeat('x', 200) from generate_series(1, 3000) i;
create table emptied (id int, text text) with (autovacuum_enabled = false);
insert into emptied select i, repeat('x', 200) from generate_series(1, 2000) i;
create index emptied_id on emptied (id);
delete from emptied where id < 2000;
vacuum (truncate false) emptied;
vacuum (truncate false) emptied;
create table dying (id int) with (autovacuum_enabled = false);
insert into dying select generate_series(1, 500);
delete from dying where id > 10;
create table keyless (id int, n int) with (autovacuum_enabled = false);
insert into keyless select i, 0 from generate_series(1, 500) i;
create index on keyless (n);
update keyless set n = n + 1;
update keyless set n = n + 1;
update keyless set n = n + 1;
update keyless set n = n + 1;
update keyless set n = n + 1;
create table scanned (id int, n int);
insert into scanned select i, i from generate_series(1, 500) i;
select count(*) from scanned where n = 1;
select count(*) from scanned where n = 2;
select count(*) from scanned where n = 3;
select count(*) from scanned where n = 4;
select count(*) from scanned where n = 5;
select count(*) from scanned where n = 6;
create table doubled (a int, b int, c text);
insert into doubled select i, i, i::text from generate_series(1, 100) i;
create index doubled_a on doubled (a);
create index doubled_a_again on doubled (a);
create index doubled_ab on doubled (a, b);
create index doubled_b_desc on doubled (b desc);
create index doubled_bc on doubled (b, c);
create index doubled_part on doubled (c) where a > 5;
create index doubled_other_part on doubled (c) where a > 6;
create table parent (id int primary key);
create table child (id int primary key, parent_id int references parent);
insert into parent select generate_series(1, 500);
insert into child select i, i from generate_series(1, 500) i;
delete from child where id > 450;
delete from parent where id > 490;
create table of_small_sequence (id bigint generated always as identity (maxvalue 1000));
select setval('of_small_sequence_id_seq', 900);
create table of_small_column (id int);
create sequence wide owned by of_small_column.id;
select setval('wide', 2100000000);
create sequence around maxvalue 100 cycle;
select setval('around', 99);
create unlogged table volatile (id int);
insert into volatile select generate_series(1, 500);
create table flyway_schema_history (version text, description text, success boolean, installed_on timestamptz);
insert into flyway_schema_history values ('1', 'fine', true, now()), ('2', 'half', false, now());
create table databasechangeloglock (id int, locked boolean, lockgranted timestamptz, lockedby text);
insert into databasechangeloglock values (1, true, now() - interval '1 day', 'a pod that died');
create table alembic_version (version_num text);
insert into alembic_version values ('abc'), ('def');
create table schema_migrations (version bigint, dirty boolean);
grant select on flyway_schema_history, databasechangeloglock, alembic_version to monitor;
grant select on all sequences in schema public to monitor;
create table checked (n int);
insert into checked values (-1);
alter table checked add constraint positive check (n > 0) not valid;
create function nothing() returns trigger language plpgsql as 'begin return new; end';
create trigger off_trigger before insert on checked for each row execute function nothing();
alter table checked disable trigger off_trigger;
create table loaded (id int primary key, parent_id int references parent);
alter table loaded disable trigger all;
create table measured (at timestamptz) partition by range (at);
create table measured_1 partition of measured for values from ('2020-01-01') to (now() - interval '1 day');
create table measured_2 partition of measured for values from (now() - interval '1 day') to (now() + interval '1 day');
create table archived (at date) partition by range (at);
create table archived_1 partition of archived for values from ('2010-01-01') to ('2011-01-01');
create table archived_2 partition of archived for values from ('2011-01-01') to ('2012-01-01');
create table sorted (n int) partition by list (n);
create table sorted_rest partition of sorted default;
insert into sorted select generate_series(1, 20);
create table half_gone partition of sorted for values in (100);
create table published (id int);
create publication all_of_it for table published;
create subscription disabled_one connection 'dbname=healthy' publication p with (connect = false);
set work_mem = '64kB';
select count(*) from (select repeat('x', 100) || i from generate_series(1, 20000) i order by 1 offset 0) s;
reset work_mem
"""

CATALOGUE_TRICKS = """
update pg_inherits set inhdetachpending = true where inhrelid = 'half_gone'::regclass;
update pg_extension set extversion = '0.1' where extname = 'plpgsql';
insert into pg_extension select 99999, 'pg_cron', extowner, extnamespace, extrelocatable, '1.6', null, null
    from pg_extension where extname = 'plpgsql'
"""

#: rule -> the component about which it has to speak
IN_THE_MUSEUM = {
    "role_password_expires": "role ends_soon",
    "statement_timeout_tiny": "setting statement_timeout of shop",
    "prepared_transaction_forgotten": "prepared transaction lost",
    "slot_unused_keeps_wal": "slot forgotten",
    "slot_holds_back_vacuum": "slot logical_forgotten",
    "replication_used_up": "max_replication_slots",
    "transaction_wraparound": "database museum",
    "multixact_wraparound": "database museum",
    "table_not_frozen": "table public.big",
    "dead_rows": "table public.dying",
    "autovacuum_off_for_table": "table public.dying",
    "table_bloat": "table public.emptied",
    "index_bloat": "index public.emptied_id",
    "invalid_index": "index public.never_unique",
    "duplicate_index": "index public.doubled_a_again",
    "index_covered_by_another": "index public.doubled_a",
    "unused_index": "index public.doubled_ab",
    "foreign_key_without_index": "table public.child",
    "sequential_scans": "table public.scanned",
    "table_without_key": "table public.keyless",
    "sequence_near_end": "sequence public.of_small_sequence_id_seq",
    "column_near_end": "column public.of_small_column.id",
    "stale_statistics": "table public.keyless",
    "updates_not_hot": "table public.keyless",
    "cache_rarely_hit": "database museum",
    "temp_files_heavy": "database museum",
    "many_rollbacks": "database museum",
    "sessions_abandoned": "database museum",
    "sessions_killed": "database museum",
    "sessions_ended_fatally": "database museum",
    "deadlocks_often": "database museum",
    "checkpoints_too_often": "server",
    "wal_grows": "server",
    "published_table_without_identity": "table public.published",
    "subscription_stopped": "subscription disabled_one",
    "extension_outdated": "extension plpgsql",
    "extension_files_missing": "extension pg_cron",
    "extension_not_loaded": "extension pg_cron",
    "release_unsupported": "server",
    "clock_differs": "server",
    "server_log_large": "server",
    "unlogged_table": "table public.volatile",
    "migration_failed": "migration 2 half",
    "migration_lock_held": "lock of Liquibase",
    "migration_heads": "table public.alembic_version",
    "constraint_not_validated": "constraint public.checked.positive",
    "foreign_key_not_enforced": "constraint public.loaded.loaded_parent_id_fkey",
    "trigger_disabled": "trigger public.checked.off_trigger",
    "partitions_run_out": "table public.measured",
    "default_partition_fills": "table public.sorted_rest",
    "partition_half_detached": "table public.half_gone",
    "damaged_pages": "database museum",
    "collation_changed": "database sorted_otherwise",
}
