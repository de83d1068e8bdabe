"""The settings of imports."""

from __future__ import annotations

from pydantic import Field

from opsteward.core.settings import SettingsGroup


class ImportSettings(SettingsGroup):
    """Batches of an import, its limit of leavers, and how long its report is kept."""

    batch: int = Field(
        validation_alias="OPSTEWARD_IMPORT_BATCH",
        default=500,
        ge=1,
        le=5000,
        description="Rows of one batch of an import; ten batches are one transaction.",
    )
    retention: float = Field(
        validation_alias="OPSTEWARD_IMPORT_RETENTION",
        default=30 * 86_400.0,
        gt=0,
        description="Ended imports and their reports are forgotten after this.",
    )
    max_leavers: float = Field(
        validation_alias="OPSTEWARD_USERS_FULL_IMPORT_MAX_LEAVERS",
        default=0.05,
        ge=0,
        lt=1,
        description="Largest share of the users that a full import may make leave.",
    )
