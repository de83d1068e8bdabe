"""What may be set for a supervisord: its socket or address, how to sign in, which processes count."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from opsteward.contracts.connector import SystemRef, parse_fields, split_endpoint
from opsteward.core.errors import Invalid
from opsteward.core.process_condition import HANG_SECONDS

_LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
ProcessName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^*\s/]+$")]


class SupervisorSettings(BaseModel):
    """`processes`: the names that must run (`name` or `group:name`); absent means all of them. `memory_limit_mb`: more
    than any one of them should take. `hang_seconds`: for so long a process that hangs accepts no connection."""

    processes: list[ProcessName] | None = Field(default=None, max_length=1000)
    memory_limit_mb: float | None = Field(default=None, gt=0)
    hang_seconds: float = Field(default=HANG_SECONDS, gt=0, le=8)
    timeout_seconds: float = Field(default=4.0, gt=0, le=9)


class SupervisorCredentials(BaseModel):
    """What supervisord's own configuration names; empty where it asks for none."""

    username: str = ""
    password: SecretStr = SecretStr("")


class SupervisorConfig(BaseModel):
    """Either `socket_path` or host and port. `local`: its processes are this machine's, so /proc shows them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    socket_path: str = ""
    host: str = ""
    port: int = Field(default=9001, ge=1, le=65535)
    local: bool
    settings: SupervisorSettings
    credentials: SupervisorCredentials


def config_from(target: SystemRef, credentials: Mapping[str, str]) -> SupervisorConfig:
    """Reads `supervisor+unix:///path/to.sock` or `supervisor+http://host:port`.

    Raises `Invalid` naming the field at fault.
    """
    parts = split_endpoint(target.endpoint)
    settings = parse_fields(SupervisorSettings, target.settings, prefix="settings")
    login = parse_fields(SupervisorCredentials, credentials, prefix="credentials")
    if parts.username:
        raise Invalid.field("endpoint", "holds a user name", "put it into the system's credentials")
    if parts.scheme == "supervisor+unix":
        path = unquote(parts.path)
        if parts.netloc or not path.startswith("/") or "\x00" in path:
            raise Invalid.field("endpoint", "names no socket", "write supervisor+unix:///path/to.sock")
        if _is_no_socket(path):
            raise Invalid.field("endpoint", "is there, and no socket", "name the file of its [unix_http_server]")
        return SupervisorConfig(socket_path=path, local=True, settings=settings, credentials=login)
    if parts.scheme != "supervisor+http":
        raise Invalid.field("endpoint", "is not a supervisor+unix:// or supervisor+http:// URL")
    if not parts.hostname:
        raise Invalid.field("endpoint", "names no host")
    return SupervisorConfig(
        host=parts.hostname,
        port=parts.port or 9001,
        local=parts.hostname in _LOCAL_HOSTS,
        settings=settings,
        credentials=login,
    )


def _is_no_socket(path: str) -> bool:
    """Whether something else stands there; what is not there, or not for us to see, may be a socket later."""
    try:
        return not stat.S_ISSOCK(Path(path).stat().st_mode)
    except (OSError, ValueError):
        return False
