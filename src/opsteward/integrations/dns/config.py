"""What may be set for a name in the DNS: its record type, what it must answer, the resolvers to ask."""

from __future__ import annotations

import ipaddress
from typing import Annotated
from urllib.parse import parse_qs, unquote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from opsteward.contracts.connector import SystemRef, parse_fields, split_endpoint
from opsteward.contracts.thresholds import Thresholds, condition_over
from opsteward.core.errors import Invalid

#: What a condition may speak of.
EXPECTED_VALUES = ("latency", "answers", "ttl", "authoritative")
RECORD_TYPES = ("A", "AAAA", "CAA", "CNAME", "DNSKEY", "DS", "MX", "NS", "PTR", "SOA", "SRV", "TXT")
_RESOLVERS_LIMIT = 10
_VALUES_LIMIT = 100


def _server(text: str) -> str:
    """`host`, `host:port`, `2001:db8::1` or `[2001:db8::1]:port`."""
    server_of(text)
    return text


def server_of(text: str) -> tuple[str, int]:
    """Host and port of a resolver. Raises ValueError."""
    host, port = text.strip(), ""
    if host.startswith("["):
        host, _, port = host[1:].partition("]")
        if port and not port.startswith(":"):
            raise ValueError("is no resolver: use host, host:port or [address]:port")
        port = port[1:]
    elif host.count(":") == 1:
        host, _, port = host.partition(":")
    elif ":" in host:
        ipaddress.IPv6Address(host)
    number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else (53 if not port else 0)
    if not host or len(host) > 253 or not 1 <= number <= 65535 or any(c.isspace() or c in "/@?#" for c in host):
        raise ValueError("is no resolver: use host, host:port or [address]:port")
    return host, number


class DnsSettings(Thresholds):
    """A system's own `settings`, as far as they concern the DNS. Without `resolvers` those of this machine are
    asked."""

    record_type: Annotated[str, AfterValidator(str.upper)] = "A"
    #: The values that the answer must have, in any order; none: any answer will do.
    expected: Annotated[list[Annotated[str, Field(max_length=4000)]], Field(max_length=_VALUES_LIMIT)] = Field(
        default_factory=list
    )
    resolvers: Annotated[
        list[Annotated[str, AfterValidator(_server), Field(max_length=260)]], Field(max_length=_RESOLVERS_LIMIT)
    ] = Field(default_factory=list)
    expect: Annotated[str, Field(max_length=500), AfterValidator(condition_over(EXPECTED_VALUES))] = ""


class DnsConfig(BaseModel):
    """Everything one look needs. `resolvers`: host and port of each."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    record_type: str
    resolvers: tuple[tuple[str, int], ...]
    settings: DnsSettings


def config_from(target: SystemRef) -> DnsConfig:
    """Reads `dns:name`, `dns://resolver/name` and either with `?type=MX` (RFC 4501). Raises `Invalid` naming the field
    at fault."""
    parts = split_endpoint(target.endpoint)
    settings = parse_fields(DnsSettings, target.settings, prefix="settings")
    name = unquote(parts.path).strip("/")
    if parts.username:
        raise Invalid.field("endpoint", "holds a user name", "resolvers are asked without one")
    resolvers = [server_of(each) for each in settings.resolvers]
    if parts.hostname and name:
        resolvers.insert(0, (parts.hostname, parts.port or 53))
    elif parts.hostname:  # dns://name: as people write it
        name = parts.hostname
    record_type = parse_qs(parts.query).get("type", [settings.record_type])[-1].upper()
    if record_type not in RECORD_TYPES:
        raise Invalid.field(
            "settings.record_type", f"{record_type[:20]!r} is no record type here", f"use {', '.join(RECORD_TYPES)}"
        )
    if not _is_name(name):
        raise Invalid.field("endpoint", "names nothing to look up", "use dns:name or dns://resolver/name?type=A")
    return DnsConfig(name=name, record_type=record_type, resolvers=tuple(resolvers), settings=settings)


def _is_name(name: str) -> bool:
    try:
        name.encode("idna" if not name.isascii() else "ascii")
    except UnicodeError:
        return False
    labels = name.rstrip(".").split(".")
    return 0 < len(name) <= 253 and all(0 < len(each) <= 63 and not set(each) & set(" /@\\") for each in labels)
