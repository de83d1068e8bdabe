"""The settings of troubleshooting sessions."""

from __future__ import annotations

from pydantic import Field

from opsteward.actions.settings import ActionSettings


class SessionSettings(ActionSettings):
    """How long a session keeps trying; it runs checks and actions within their settings."""

    further_looks: int = Field(default=3, ge=0, le=20, description="Looks a session takes again before it gives up.")
    look_again_after: float = Field(default=2.0, gt=0, description="Seconds between such looks.")
    max_attempts_per_session: int = Field(default=3, ge=1, le=20, description="Different fixes one session may try.")
