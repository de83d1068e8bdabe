"""The settings of metrics and of the audit log's witnesses."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from opsteward.core.settings import SettingsGroup


class TelemetrySettings(SettingsGroup):
    """Who may read the metrics, and where the ends of the audit chains are kept."""

    metrics_public: bool = Field(
        default=False, description="Let programs of this machine read /metrics without a token."
    )
    metrics_port: int | None = Field(
        default=None, ge=0, le=65535, description="Where a worker serves its own /metrics; 0 picks a free port."
    )
    audit_witnesses: list[Path] = Field(
        default_factory=list,
        description="Folders, best on other machines, that keep where the audit chains end, beside the home.",
    )
