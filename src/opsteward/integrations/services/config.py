"""What may be set for a service: where it listens, what is spoken there, and what is expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from opsteward.contracts.connector import SystemRef, parse_fields, split_endpoint
from opsteward.core.conditions import parse_condition
from opsteward.core.errors import Invalid


@dataclass(frozen=True)
class Protocol:
    """What a scheme stands for: the conversation, the default port (None: it has to be named), whether over TLS."""

    speaks: str
    port: int | None
    tls: bool = False


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
}
#: What a condition may speak of.
EXPECTED_VALUES = ("latency", "answer", "certificate_days")


def _condition(text: str) -> str:
    if text:
        try:
            parse_condition(text, known=EXPECTED_VALUES)
        except Invalid as refused:
            raise ValueError("; ".join(f"{one.problem} ({one.remedy})" for one in refused.problems)) from None
    return text


class ServiceSettings(BaseModel):
    """A system's own `settings`, as far as they concern its service. Times in seconds."""

    response_time_seconds: float = Field(default=2.0, gt=0)
    timeout_seconds: float = Field(default=5.0, gt=0, le=9)
    certificate_warn_days: float = Field(default=14.0, ge=0)
    expect: Annotated[str, AfterValidator(_condition)] = ""


class ServiceCredentials(BaseModel):
    """For Redis alone; the others are only greeted."""

    username: str = ""
    password: SecretStr = SecretStr("")


class ServiceConfig(BaseModel):
    """Everything one look needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int = Field(ge=1, le=65535)
    speaks: str
    tls: bool
    settings: ServiceSettings
    credentials: ServiceCredentials


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
    reads = protocol.speaks == "redis"
    return ServiceConfig(
        host=parts.hostname,
        port=port,
        speaks=protocol.speaks,
        tls=protocol.tls,
        settings=parse_fields(ServiceSettings, target.settings, prefix="settings"),
        credentials=parse_fields(ServiceCredentials, credentials if reads else {}, prefix="credentials"),
    )
