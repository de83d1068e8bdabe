"""The settings of the syslog listener."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, IPvAnyNetwork, model_validator

from opsteward.core.settings import SettingsGroup
from opsteward.events.sources.listen_address import Address


class SyslogSettings(SettingsGroup):
    """Where syslog is listened for, from whom, and how much may wait. Off while no address is given."""

    syslog_udp: Address | None = Field(
        default=None, description="Take syslog by UDP here, as 5514 (this machine alone) or 0.0.0.0:514. Unset: not."
    )
    syslog_tcp: Address | None = Field(default=None, description="The same by TCP.")
    syslog_tls: Address | None = Field(default=None, description="The same by TLS; needs the certificate and its key.")
    syslog_tls_certificate: Path | None = Field(default=None, description="The listener's certificate, a PEM file.")
    syslog_tls_key: Path | None = Field(default=None, description="The key of that certificate, a PEM file.")
    syslog_tls_client_ca: Path | None = Field(
        default=None, description="Senders by TLS must show a certificate that these sign, a PEM file. Unset: none."
    )
    syslog_senders: dict[IPvAnyNetwork, str] = Field(
        default_factory=lambda: {"127.0.0.0/8": "default", "::1/128": "default"},
        validate_default=True,
        description="From which networks syslog is taken, each with its tenant; of several that fit, the narrowest.",
    )
    syslog_message_limit: int = Field(
        default=65_536, ge=480, le=1_000_000, description="Bytes of one syslog message; what is beyond is left out."
    )
    syslog_buffer: int = Field(
        default=33_554_432, ge=1_000_000, description="Bytes of syslog that may wait to be stored, in each process."
    )
    syslog_connections: int = Field(
        default=400,
        ge=1,
        le=20_000,
        description="Most connections that send syslog; a quarter of them from one address.",
    )

    @property
    def listens(self) -> bool:
        """Whether there is anything to listen on."""
        return bool(self.syslog_udp or self.syslog_tcp or self.syslog_tls)

    @model_validator(mode="after")
    def _tls_is_whole(self) -> SyslogSettings:
        if self.syslog_tls and not (self.syslog_tls_certificate and self.syslog_tls_key):
            raise ValueError("syslog_tls needs syslog_tls_certificate and syslog_tls_key")
        return self
