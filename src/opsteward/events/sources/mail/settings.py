"""The settings of the mail listener."""

from __future__ import annotations

from pydantic import Field, IPvAnyNetwork

from opsteward.core.settings import SettingsGroup
from opsteward.events.sources.listen_address import Address


class MailSettings(SettingsGroup):
    """Where mail is taken, and from whom. Off while no address is given."""

    mail_smtp: Address | None = Field(
        default=None, description="Take mail by SMTP here, as 2525 (this machine alone) or 0.0.0.0:25. Unset: not."
    )
    mail_senders: dict[IPvAnyNetwork, str] = Field(
        default_factory=lambda: {"127.0.0.0/8": "default", "::1/128": "default"},
        validate_default=True,
        description="From which networks mail is taken, each with its tenant; of several that fit, the narrowest.",
    )
    mail_bytes: int = Field(default=1_048_576, ge=10_000, le=50_000_000, description="Bytes of one mail at most.")
    mail_connections: int = Field(
        default=100, ge=1, le=5_000, description="Most connections that send mail; a quarter of them from one address."
    )
