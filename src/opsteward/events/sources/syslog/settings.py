"""The settings of the syslog listener."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, IPvAnyNetwork, model_validator

from opsteward.core.settings import SettingsGroup


def host_and_port(value: str) -> tuple[str, int]:
    """Of "514", "0.0.0.0:514" or "[::]:514"; without a host, this machine alone. Raises ValueError."""
    host, _, port = value.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not port.isdigit() or not 0 <= int(port) <= 65_535:
        raise ValueError("is no port, nor an address with one as 0.0.0.0:514")
    return host, int(port)


def _checked(value: str) -> str:
    host_and_port(value)
    return value


Address = Annotated[str, AfterValidator(_checked)]


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
