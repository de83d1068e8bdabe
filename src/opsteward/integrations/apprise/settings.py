"""The addresses of notifications."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from opsteward.core.settings import SettingsGroup


class NotifySettings(SettingsGroup):
    """Who is notified, as Apprise URLs."""

    model_config = SettingsConfigDict(env_prefix="OPSTEWARD_NOTIFY_")

    security: list[str] = Field(default_factory=list, description="Apprise URLs for alert_security_team.")
    oncall: list[str] = Field(default_factory=list, description="Apprise URLs for escalate.")
    admin: list[str] = Field(default_factory=list, description="Apprise URLs for notify_admin.")
    users: list[str] = Field(
        default_factory=list,
        description="Apprise URLs for messages to single users, with {email} where the user's address goes; "
        "none: users get no welcome message.",
    )
    push_hosts: list[str] = Field(
        default_factory=list,
        description="Hosts of push services of your own, on private addresses, that browsers may name; those of the "
        "browsers' vendors need nothing.",
    )
    slack_origins: list[Annotated[str, Field(pattern=r"^https?://[a-z0-9.\-\[\]:]{1,200}$")]] = Field(
        default=["https://hooks.slack.com", "https://hooks.slack-gov.com"],
        description="Where Slack is answered what became of a button that was pressed.",
    )
