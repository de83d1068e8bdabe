"""The settings of actions."""

from __future__ import annotations

from pydantic import Field

from opsteward.core.settings import RetrySettings
from opsteward.systems.settings import CheckSettings


class ActionSettings(CheckSettings, RetrySettings):
    """Time limits of executions, checks after them and approvals."""

    action_timeout: float = Field(default=60.0, gt=0, description="Longest execution of one action.")
    verify_timeout: float = Field(default=30.0, gt=0, description="How long a repaired system may take to be healthy.")
    approval_ttl: float = Field(default=86_400.0, gt=0, description="An approval not given in this time expires.")
    freeze_seconds: float = Field(
        default=3600.0, ge=0, description="After an action did not help, it is not tried on that target for this long."
    )
