"""The settings of sources."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from opsteward.core.settings import SettingsGroup

Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.\-\[\]:]{1,200}$")]


class SourcesSettings(SettingsGroup):
    """Whom sources may believe besides the vendors themselves."""

    sns_endpoints: list[Origin] = Field(
        default_factory=list,
        description="Further origins whose certificates and confirmations of SNS are believed, as of an emulation.",
    )
