"""From where on the diagnoser speaks: chosen so that a small, well-kept database of a real company is silent."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class MysqlDiagnosisLimits(BaseModel):
    """A system's `settings.diagnosis`. Times in seconds, shares as fractions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Rules that are not asked for this system, by their ids.
    ignore: frozenset[str] = frozenset()
    connections_warn_share: float = Field(default=0.8, gt=0, le=1)
    connections_fail_share: float = Field(default=0.95, gt=0, le=1)
    lock_wait_seconds: float = Field(default=2.0, ge=0)
    idle_in_transaction_seconds: float = Field(default=60.0, ge=0)
    long_query_seconds: float = Field(default=300.0, ge=0)
    deadlocks_per_hour: float = Field(default=5.0, gt=0)
    least_deadlocks: int = Field(default=20, ge=1)
    sequence_share: float = Field(default=0.8, gt=0, le=1)
    least_rows: int = Field(default=50_000, ge=1)
    temp_tables_on_disk_share: float = Field(default=0.5, gt=0, le=1)
    temp_tables_on_disk_per_hour: float = Field(default=2000.0, gt=0)
    purge_backlog: int = Field(default=1_000_000, ge=1)
