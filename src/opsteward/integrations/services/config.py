"""What may be set for a service: where it listens, what is spoken there, and what is expected of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from opsteward.contracts.connector import SystemRef, parse_fields, split_endpoint
from opsteward.contracts.thresholds import Thresholds, condition_over
from opsteward.core.errors import Invalid


@dataclass(frozen=True)
class Protocol:
    """What a scheme stands for: the conversation, the default port (None: it has to be named), whether over TLS, and
    the name in the path that it may ask for."""

    speaks: str
    port: int | None
    tls: bool = False
    asks_by_name: bool = False


PROTOCOLS = {
    "tcp": Protocol("tcp", None),
    "tls": Protocol("tcp", None, tls=True),
    "redis": Protocol("redis", 6379),
    "rediss": Protocol("redis", 6379, tls=True),
    "smtp": Protocol("smtp", 25),
    "smtps": Protocol("smtp", 465, tls=True),
    "imap": Protocol("imap", 143),
    "imaps": Protocol("imap", 993, tls=True),
    "amqp": Protocol("amqp", 5672),
    "amqps": Protocol("amqp", 5671, tls=True),
    "grpc": Protocol("grpc", None, asks_by_name=True),
    "grpcs": Protocol("grpc", 443, tls=True, asks_by_name=True),
    "icmp": Protocol("icmp", 0),
}
_SERVICE_NAME = re.compile(r"[\w./-]{0,200}", re.ASCII)
#: What a condition may speak of.
EXPECTED_VALUES = ("latency", "answer", "certificate_days")


class ServiceSettings(Thresholds):
    """A system's own `settings`, as far as they concern its service."""

    certificate_warn_days: float = Field(default=14.0, ge=0)
    expect: Annotated[str, AfterValidator(condition_over(EXPECTED_VALUES))] = ""


class ServiceCredentials(BaseModel):
    """For Redis alone; the others are only greeted."""

    username: str = ""
    password: SecretStr = SecretStr("")


class ServiceConfig(BaseModel):
    """Everything one look needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int = Field(ge=0, le=65535)  # 0: the protocol has none
    speaks: str
    tls: bool
    asked: str = ""  # what is asked about, where one server stands for several services
    settings: ServiceSettings
    credentials: ServiceCredentials

    @property
    def where(self) -> str:
        """The address as people write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else self.host


def config_from(target: SystemRef, credentials: Mapping[str, str]) -> ServiceConfig:
    """Raises `Invalid` naming the field at fault."""
    parts = split_endpoint(target.endpoint)
    protocol = PROTOCOLS.get(parts.scheme)
    if protocol is None:
        raise Invalid.field("endpoint", f"scheme {parts.scheme!r} is no service's", f"use {', '.join(PROTOCOLS)}")
    if not parts.hostname:
        raise Invalid.field("endpoint", "names no host", f"use {parts.scheme}://host:port")
    if parts.username:
        raise Invalid.field("endpoint", "holds a user name", "put it into the system's credentials")
    port = parts.port or protocol.port
    if port is None:
        raise Invalid.field("endpoint", "names no port", f"use {parts.scheme}://host:port")
    asked = unquote(parts.path).strip("/")
    if asked and not protocol.asks_by_name:
        raise Invalid.field(
            "endpoint", f"holds a path, which {parts.scheme} has not", f"use {parts.scheme}://host:port"
        )
    if not _SERVICE_NAME.fullmatch(asked):
        raise Invalid.field(
            "endpoint", "names no service that can be asked for", "use grpc://host:port/package.Service"
        )
    reads = protocol.speaks == "redis"
    return ServiceConfig(
        host=parts.hostname,
        port=port,
        speaks=protocol.speaks,
        tls=protocol.tls,
        asked=asked,
        settings=parse_fields(ServiceSettings, target.settings, prefix="settings"),
        credentials=parse_fields(ServiceCredentials, credentials if reads else {}, prefix="credentials"),
    )
