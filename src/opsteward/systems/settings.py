"""The settings of health checks."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from opsteward.core.settings import SettingsGroup


class CheckSettings(SettingsGroup):
    """How long checks may take; a room that runs checks inherits this."""

    diagnosis_timeout: float = Field(default=30.0, gt=0, description="Longest diagnosis of one domain.")


class SystemSettings(CheckSettings):
    """How often systems are checked, and what counts as degraded and as recovered."""

    check_interval_critical: float = Field(default=30.0, gt=0, description="Seconds between checks, critical systems.")
    check_interval_standard: float = Field(default=60.0, gt=0, description="Seconds between checks, standard systems.")
    check_interval_backup: float = Field(default=300.0, gt=0, description="Seconds between checks, backup systems.")
    response_time_threshold: float = Field(default=2.0, gt=0, description="Slower answers degrade a system.")
    health_retention: float = Field(
        default=90 * 86_400.0, gt=0, description="Systems' health and response times are forgotten after this."
    )
    figures_every: float = Field(
        default=300.0, ge=1, description="Seconds between looks at what can run out (disk, connections, certificates)."
    )
    figures_retention: float = Field(
        default=30 * 86_400.0, gt=0, description="Figures of what can run out are forgotten after this."
    )
    sync_retention: float = Field(
        default=90 * 86_400.0, gt=0, description="Syncs are forgotten after this, and can not be undone any more."
    )
    saga_retention: float = Field(
        default=90 * 86_400.0,
        gt=0,
        description="Changes over several systems (sagas) are forgotten after this.",
    )
    early_warning_days: float = Field(
        default=14.0, gt=0, le=365, description="What will have run out within so many days is told."
    )
    recovery_passes: int = Field(default=2, ge=1, le=20, description="Passing checks in a row that end an alert.")
    secret_env_prefix: str = Field(
        default="CREDENTIAL_",
        min_length=1,
        description="Credentials of systems may be env:NAME for variables whose names start so.",
    )
    secret_folders: list[Path] = Field(
        default_factory=list, description="Credentials of systems may be file:/path for files below these folders."
    )
    secret_commands: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Credentials of systems may be command:NAME for these commands, each a list of its words.",
    )
    recovery_seconds: float = Field(
        default=10.0, ge=0, le=3600, description="A failing system must pass for so long; doubled by each relapse."
    )
    check_concurrency: int = Field(
        default=200, ge=1, le=5000, description="Systems that are looked at at the same time."
    )
