"""From where on the diagnoser speaks: chosen so that a small, well-kept database of a real company is silent."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

_MB = 1024 * 1024
_GB = 1024 * _MB


class DiagnosisLimits(BaseModel):
    """A system's `settings.diagnosis`. Times in seconds, sizes in bytes, shares as fractions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: How long the diagnoser watches what moves: waits, deadlocks, counters.
    watch_seconds: float = Field(default=1.0, ge=0, le=5)
    #: Rules that are not asked for this system, by their ids.
    ignore: frozenset[str] = frozenset()

    # connections
    application_share: float = Field(default=0.5, gt=0, le=1)
    busy_share: float = Field(default=0.6, gt=0, le=1)
    failed_transaction_seconds: float = Field(default=10.0, gt=0)
    abandoned_share: float = Field(default=0.2, gt=0, le=1)
    least_sessions: int = Field(default=200, ge=1)
    new_sessions_per_second: float = Field(default=50.0, gt=0)
    idle_pool_sessions: int = Field(default=100, ge=1)
    idle_pool_seconds: float = Field(default=600.0, gt=0)
    password_expiry_days: float = Field(default=7.0, gt=0)
    # locks
    lock_waiters: int = Field(default=5, ge=2)
    lock_seconds: float = Field(default=2.0, gt=0)
    exclusive_lock_seconds: float = Field(default=60.0, gt=0)
    lock_table_share: float = Field(default=0.7, gt=0, le=1)
    deadlocks_per_hour: float = Field(default=5.0, gt=0)
    least_deadlocks: int = Field(default=5, ge=1)
    # queries
    waiting_sessions: int = Field(default=4, ge=1)
    waiting_share: float = Field(default=0.5, gt=0, le=1)
    piled_up_sessions: int = Field(default=10, ge=2)
    piled_up_seconds: float = Field(default=5.0, gt=0)
    temp_bytes_per_hour: float = Field(default=1.0 * _GB, gt=0)
    temp_bytes_now: float = Field(default=10.0 * _GB, gt=0)
    rollback_share: float = Field(default=0.5, gt=0, le=1)
    least_transactions: int = Field(default=10_000, ge=1)
    slow_statement_seconds: float = Field(default=1.0, gt=0)
    slow_statement_calls: int = Field(default=100, ge=1)
    slow_statement_share: float = Field(default=0.1, ge=0, le=1)
    statement_temp_bytes: float = Field(default=64.0 * _MB, gt=0)
    # write-ahead log and replication
    checkpoints_per_hour: float = Field(default=20.0, gt=0)
    least_checkpoints: int = Field(default=10, ge=1)
    archive_failures: int = Field(default=3, ge=1)
    archive_waiting_files: int = Field(default=64, ge=1)
    wal_factor: float = Field(default=4.0, gt=0)
    slot_retained_bytes: float = Field(default=1.0 * _GB, gt=0)
    slot_transactions: int = Field(default=10_000_000, ge=1)
    replication_lag_bytes: float = Field(default=1.0 * _GB, gt=0)
    replication_lag_seconds: float = Field(default=60.0, gt=0)
    used_up_share: float = Field(default=0.9, gt=0, le=1)
    standby_conflicts_per_hour: float = Field(default=10.0, gt=0)
    # vacuum
    wraparound_transactions: int = Field(default=1_000_000_000, ge=1)
    unattended_rows: int = Field(default=5_000, ge=1)
    dead_rows: int = Field(default=50_000, ge=1)
    dead_share: float = Field(default=0.3, gt=0, le=1)
    old_transaction_seconds: float = Field(default=3600.0, gt=0)
    old_prepared_seconds: float = Field(default=600.0, gt=0)
    long_vacuum_seconds: float = Field(default=6 * 3600.0, gt=0)
    bloat_bytes: float = Field(default=64.0 * _MB, gt=0)
    bloat_factor: float = Field(default=3.0, gt=1)
    # indexes and tables
    unused_index_bytes: float = Field(default=64.0 * _MB, gt=0)
    duplicate_index_bytes: float = Field(default=0.0, ge=0)
    covered_index_bytes: float = Field(default=8.0 * _MB, ge=0)
    foreign_key_rows: int = Field(default=10_000, ge=1)
    statistics_days: float = Field(default=7.0, ge=0)
    scanned_rows: int = Field(default=10_000, ge=1)
    scanned_rows_in_all: int = Field(default=20_000_000, ge=1)
    least_scans: int = Field(default=100, ge=1)
    least_rows: int = Field(default=50_000, ge=1)
    changed_share: float = Field(default=0.5, gt=0)
    least_changes: int = Field(default=100_000, ge=1)
    stale_seconds: float = Field(default=3600.0, ge=0)
    cold_update_share: float = Field(default=0.9, gt=0, le=1)
    # sequences, cache, storage
    sequence_share: float = Field(default=0.8, gt=0, le=1)
    cache_hit_share: float = Field(default=0.9, gt=0, le=1)
    least_block_reads: int = Field(default=10_000_000, ge=1)
    disk_share: float = Field(default=0.9, gt=0, le=1)
    log_bytes: float = Field(default=10.0 * _GB, gt=0)
    clock_seconds: float = Field(default=30.0, ge=0)
    support_days: float = Field(default=0.0, ge=0)
    migration_lock_seconds: float = Field(default=600.0, gt=0)
    partition_days: float = Field(default=2.0, gt=0)
    default_partition_rows: int = Field(default=1000, ge=1)
