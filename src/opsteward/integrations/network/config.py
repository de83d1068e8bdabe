"""What the network checks need of a registered system: its host and its port."""

from __future__ import annotations

from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, Field

from opsteward.contracts.connector import SystemRef, split_endpoint
from opsteward.core.errors import Invalid

DEFAULT_PORTS = {"postgresql": 5432, "postgres": 5432, "http": 80, "https": 443, "supervisor+http": 9001}


class NetworkConfig(BaseModel):
    """`host` is None where the endpoint is a unix socket: then there is no network to look at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str | None
    port: int = Field(ge=1, le=65535)
    timeout_seconds: float = Field(default=3.0, gt=0)


def config_from(target: SystemRef) -> NetworkConfig:
    """Host and port of the endpoint, with the scheme's default port. Raises `Invalid` naming `endpoint`."""
    parts = split_endpoint(target.endpoint)
    if parts.scheme not in DEFAULT_PORTS:
        raise Invalid.field("endpoint", f"scheme {parts.scheme!r} names no host and port")
    host = parts.hostname
    port = parts.port
    if parts.scheme in {"postgresql", "postgres"}:
        # PostgreSQL's own URL form: host (or the socket's folder) and port may also stand in the query.
        query = parse_qs(parts.query)
        host = query.get("host", [host or ""])[-1] or None
        if "port" in query:
            given = query["port"][-1]
            port = int(given) if given.isascii() and given.isdigit() and len(given) <= 5 else 0
        if host is None or host.startswith("/"):
            host = None
    elif not host:
        raise Invalid.field("endpoint", "names no host")
    if port is not None and not 1 <= port <= 65535:
        raise Invalid.field("endpoint", "has a port outside 1-65535")
    return NetworkConfig(host=host, port=port or DEFAULT_PORTS[parts.scheme])
