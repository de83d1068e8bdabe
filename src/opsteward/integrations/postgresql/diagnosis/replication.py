"""Who follows the write-ahead log: slots, standbys, subscriptions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from opsteward.contracts.check import ProposedFix, Severity
from opsteward.integrations.postgresql.diagnosis.rule import (
    ROOT,
    SYMPTOM,
    Fault,
    Rules,
    Unseen,
    bytes_in_words,
    seconds_in_words,
)
from opsteward.integrations.postgresql.diagnosis.snapshot import SETTINGS, Reading, Snapshot

RULES: Final = Rules("replication", [])
DROP_SLOT: Final = "postgresql.drop_inactive_slot"
RESUME_REPLAY: Final = "postgresql.resume_replay"

SLOTS: Final = Reading(
    name="replication_slots",
    sql="""
    select to_jsonb(s) as row, slot_name::text as name, slot_type as kind, active,
        age(xmin) as xmin_age, age(catalog_xmin) as catalog_xmin_age,
        pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end,
                        restart_lsn)::float8 as retained
    from pg_replication_slots s where not temporary limit 200""",
)
FOLLOWERS: Final = Reading(
    name="replication",
    sql="""
    select pid, coalesce(usename, '') as role, application_name, coalesce(host(client_addr), 'local') as client, state,
        sync_state, pg_wal_lsn_diff(pg_current_wal_lsn(), coalesce(replay_lsn, flush_lsn))::float8 as behind_bytes,
        extract(epoch from greatest(replay_lag, flush_lag))::float8 as behind_seconds
    from pg_stat_replication limit 200""",
    needs="pg_read_all_stats",
    on="primary",
)
STANDBY: Final = Reading(
    name="standby",
    sql="""
    select r.status, pg_is_wal_replay_paused() as paused,
        pg_last_wal_receive_lsn() is distinct from pg_last_wal_replay_lsn() as behind,
        pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())::float8 as behind_bytes,
        extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp())::float8 as seconds,
        coalesce(current_setting('primary_conninfo', true), '') <> '' as follows
    from (select 1) one left join pg_stat_wal_receiver r on true""",
    needs="pg_monitor",
    on="standby",
)
CONFLICTS: Final = Reading(
    name="standby_conflicts",
    sql="""
    select to_jsonb(c) as row, c.datname::text as name, d.conflicts,
        extract(epoch from clock_timestamp() - coalesce(d.stats_reset, pg_postmaster_start_time()))::float8 as seconds
    from pg_stat_database_conflicts c join pg_stat_database d using (datid)""",
    on="standby",
)
SUBSCRIPTIONS: Final = Reading(
    name="subscriptions",
    sql="""
    select s.subname::text as name, s.subenabled as enabled, t.pid is not null as running,
        extract(epoch from clock_timestamp() - t.last_msg_receipt_time)::float8 as silent_seconds
    from pg_subscription s left join pg_stat_subscription t on t.subid = s.oid and t.relid is null
    where s.subdbid = (select oid from pg_database where datname = current_database())""",
    on="primary",
)
SUBSCRIPTION_ERRORS: Final = Reading(
    name="subscription_errors",
    sql="""select subname::text as name, apply_error_count as applying, sync_error_count as copying
        from pg_stat_subscription_stats""",
    since=15,
    on="primary",
)
UNIDENTIFIED: Final = Reading(
    name="published_tables_without_identity",
    sql="""
    select distinct p.pubname::text as publication, format('%I.%I', t.schemaname, t.tablename) as name
    from pg_publication p join pg_publication_tables t on t.pubname = p.pubname
    join pg_class c on c.relname = t.tablename and c.relnamespace = t.schemaname::regnamespace
    where (p.pubupdate or p.pubdelete) and c.relreplident in ('d', 'n')
      and (c.relreplident = 'n' or not exists (
          select from pg_index i where i.indrelid = c.oid and i.indisprimary)) limit 100""",
)


@RULES.rule(
    "A replication slot that nobody uses keeps the write-ahead log",
    SLOTS,
    severity=Severity.HIGH,
    cause="maintenance",
    rank=1,
    remedy=(DROP_SLOT,),
    advice="Bring its consumer back; drop the slot only when the consumer is gone for good (it has to start anew then)",
)
def _slot_unused_keeps_wal(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for slot in seen.rows(SLOTS):
        retained = slot["retained"] or 0.0
        if not slot["active"] and retained >= seen.limits.slot_retained_bytes:
            says = f"slot {slot['name']} is not in use and keeps {bytes_in_words(retained)} of the log"
            fix = {"slot": slot["name"], "restart_lsn": slot["row"]["restart_lsn"], "reason": says}
            yield Fault(
                component=f"slot {slot['name']}",
                says=says,
                values={"slot": slot["row"], "retained_bytes": retained},
                fixes=[ProposedFix(action=DROP_SLOT, params=fix, reason=says)],
            )


@RULES.rule(
    "A replication slot has lost what its consumer needs",
    SLOTS,
    severity=Severity.HIGH,
    cause="maintenance",
    rank=1,
    remedy=(DROP_SLOT,),
    advice="Its consumer can't go on: drop the slot and set the consumer up anew",
)
def _slot_lost(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for slot in seen.rows(SLOTS):
        if slot["row"].get("wal_status") == "lost" or slot["row"].get("conflicting"):
            says = f"slot {slot['name']} is lost: {slot['row'].get('invalidation_reason') or 'its log was removed'}"
            fix = {"slot": slot["name"], "restart_lsn": slot["row"]["restart_lsn"], "reason": says}
            yield Fault(
                component=f"slot {slot['name']}",
                says=says,
                values={"slot": slot["row"]},
                fixes=[] if slot["active"] else [ProposedFix(action=DROP_SLOT, params=fix, reason=says)],
            )


@RULES.rule(
    "A replication slot is about to be lost",
    SLOTS,
    cause="capacity",
    advice="Let its consumer catch up, or raise max_slot_wal_keep_size",
)
def _slot_nearly_lost(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for slot in seen.rows(SLOTS):
        if slot["row"].get("wal_status") == "unreserved":
            yield Fault(
                component=f"slot {slot['name']}",
                says=f"what slot {slot['name']} needs is removed at the next checkpoint",
                values={"slot": slot["row"], "retained_bytes": slot["retained"]},
                severity=Severity.HIGH,
            )


@RULES.rule(
    "A replication slot keeps VACUUM from cleaning up",
    SLOTS,
    cause="maintenance",
    rank=1,
    advice="Let its consumer go on, or drop the slot when the consumer is gone for good",
)
def _slot_holds_back_vacuum(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for slot in seen.rows(SLOTS):
        age = max(slot["xmin_age"] or 0, slot["catalog_xmin_age"] or 0)
        if age >= seen.limits.slot_transactions:
            yield Fault(
                component=f"slot {slot['name']}",
                says=f"slot {slot['name']} keeps all rows that the last {age} transactions have deleted",
                values={"slot": slot["row"], "transactions": age},
            )


@RULES.rule(
    "A standby or subscriber falls behind",
    FOLLOWERS,
    cause="capacity",
    advice="Look at the follower's load and at the network between; long queries on a standby hold up its replay",
)
def _replication_lags(seen: Snapshot) -> Iterator[Fault | Unseen]:
    limits = seen.limits
    for row in seen.rows(FOLLOWERS):
        late = (row["behind_bytes"] or 0.0) >= limits.replication_lag_bytes
        late = late or (row["behind_seconds"] or 0.0) >= limits.replication_lag_seconds
        if late and row["state"] != "backup":
            name = row["application_name"] or row["client"]
            yield Fault(
                component=f"follower {name}",
                says=f"{name} ({row['client']}) is {bytes_in_words(row['behind_bytes'] or 0.0)} behind",
                values=dict(row),
            )


@RULES.rule(
    "A synchronous standby is missing",
    FOLLOWERS,
    SETTINGS,
    severity=Severity.HIGH,
    cause="configuration",
    rank=1,
    advice="Bring the standby back, or take it out of synchronous_standby_names and reload: commits wait for it",
)
def _synchronous_standby_missing(seen: Snapshot) -> Iterator[Fault | Unseen]:
    names = seen.setting("synchronous_standby_names")
    if names and not any(row["sync_state"] in ("sync", "quorum") for row in seen.rows(FOLLOWERS)):
        yield Fault(
            component="synchronous replication",
            says=f"synchronous_standby_names is {names!r}, and no such standby is connected",
            values={"synchronous_standby_names": names, "followers": [dict(r) for r in seen.rows(FOLLOWERS)]},
        )


@RULES.rule(
    "The standby has lost its primary",
    STANDBY,
    severity=Severity.HIGH,
    cause="environment",
    rank=1,
    advice="Read the standby's log: the primary is gone, refuses it, or has removed the log that it needs",
)
def _standby_disconnected(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(STANDBY):
        if row["follows"] and row["status"] != "streaming":
            yield Fault(component="standby", says="no connection to the primary streams", values=dict(row))


@RULES.rule(
    "The standby's replay is paused",
    STANDBY,
    cause="maintenance",
    rank=1,
    remedy=(RESUME_REPLAY,),
    advice="SELECT pg_wal_replay_resume() when it was not paused on purpose",
)
def _standby_replay_paused(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(STANDBY):
        if row["paused"]:
            says = "replay is paused: readers see old data"
            fix = ProposedFix(action=RESUME_REPLAY, params={"reason": says}, reason=says)
            yield Fault(component="standby", says=says, values=dict(row), fixes=[fix])


@RULES.rule(
    "The standby is behind with its replay",
    STANDBY,
    cause="capacity",
    advice="Long queries on it hold replay up (max_standby_streaming_delay), and recovery_min_apply_delay does",
)
def _standby_replay_lags(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(STANDBY):
        seconds = row["seconds"] or 0.0
        if row["behind"] and not row["paused"] and seconds >= seen.limits.replication_lag_seconds:
            yield Fault(
                component="standby",
                says=f"it shows what was {seconds_in_words(seconds)} ago",
                values=dict(row),
            )


@RULES.rule(
    "Queries on the standby are cancelled by its replay",
    CONFLICTS,
    is_risk=True,
    cause="configuration",
    rank=SYMPTOM,
    advice="Set hot_standby_feedback, or a longer max_standby_streaming_delay",
)
def _standby_cancels_queries(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(CONFLICTS):
        rate = row["conflicts"] / max(row["seconds"] / 3600, 1.0)
        if rate >= seen.limits.standby_conflicts_per_hour:
            yield Fault(
                component=f"database {row['name']}",
                says=f"{row['conflicts']} statements were cancelled, {rate:.0f} an hour",
                values={"by_reason": row["row"], "conflicts": row["conflicts"]},
            )


@RULES.rule(
    "A subscription does not run",
    SUBSCRIPTIONS,
    severity=Severity.HIGH,
    cause="environment",
    rank=1,
    advice="Read the server's log for its apply worker's error; skip the transaction or mend the row, then enable it",
)
def _subscription_stopped(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(SUBSCRIPTIONS):
        if not row["running"]:
            state = "is enabled, and no worker applies it" if row["enabled"] else "is disabled"
            yield Fault(
                component=f"subscription {row['name']}",
                says=f"subscription {row['name']} {state}",
                values=dict(row),
                severity=None if row["enabled"] else Severity.MEDIUM,
                is_risk=not row["enabled"],
            )


@RULES.rule(
    "A subscription meets errors",
    SUBSCRIPTION_ERRORS,
    cause="schema",
    rank=1,
    advice="Read the server's log: a missing column or a row that is there already, as a rule",
)
def _subscription_errors(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(SUBSCRIPTION_ERRORS):
        if row["applying"] or row["copying"]:
            yield Fault(
                component=f"subscription {row['name']}",
                says=f"{row['applying']} errors while applying, {row['copying']} while copying",
                values=dict(row),
            )


@RULES.rule(
    "A published table can't be updated",
    UNIDENTIFIED,
    severity=Severity.HIGH,
    cause="schema",
    rank=ROOT,
    advice="Give it a primary key, or ALTER TABLE ... REPLICA IDENTITY: until then each UPDATE and DELETE fails",
)
def _published_table_without_identity(seen: Snapshot) -> Iterator[Fault | Unseen]:
    for row in seen.rows(UNIDENTIFIED):
        yield Fault(
            component=f"table {row['name']}",
            says=f"{row['name']} is in publication {row['publication']} and has no replica identity",
            values=dict(row),
        )


@RULES.rule(
    "The server has nearly no replication slot or sender left",
    SLOTS,
    FOLLOWERS,
    SETTINGS,
    is_risk=True,
    cause="configuration",
    advice="Raise max_replication_slots or max_wal_senders (restart), or drop what is not used",
)
def _replication_used_up(seen: Snapshot) -> Iterator[Fault | Unseen]:
    pairs = (("max_replication_slots", len(seen.rows(SLOTS))), ("max_wal_senders", len(seen.rows(FOLLOWERS))))
    for setting, used in pairs:
        allowed = seen.number(setting)
        if used and used >= seen.limits.used_up_share * allowed:
            yield Fault(
                component=setting,
                says=f"{used} of {setting} = {allowed:g}",
                values={"used": used},
                is_risk=used < allowed,
            )
