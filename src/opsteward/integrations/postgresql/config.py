"""What may be set for a PostgreSQL server: where it is, how to sign in, which thresholds hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args
from urllib.parse import parse_qs, unquote

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from opsteward.contracts.connector import SystemRef, parse_fields, split_endpoint
from opsteward.contracts.tables import Tables
from opsteward.core.errors import Invalid
from opsteward.integrations.postgresql.diagnosis_limits import DiagnosisLimits

SslMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
_OPTIONS = frozenset({"host", "port", "dbname", "sslmode", "sslrootcert"})


class PostgresSettings(BaseModel):
    """A system's own `settings`, as far as they concern its database. Times in seconds."""

    connect_timeout_seconds: float = Field(default=4.0, gt=0, le=9)
    lock_wait_seconds: float = Field(default=2.0, gt=0)
    idle_in_transaction_seconds: float = Field(default=60.0, gt=0)
    leak_idle_seconds: float = Field(default=60.0, gt=0)
    long_query_seconds: float = Field(default=300.0, gt=0)
    connections_warn_share: float = Field(default=0.80, gt=0, le=1)
    connections_fail_share: float = Field(default=0.95, gt=0, le=1)
    #: Whose members users with access to this system are; empty: nobody's access is kept here.
    access_role: str = Field(default="", max_length=63)
    #: From where on the diagnosis speaks, and which of its rules are not asked.
    diagnosis: DiagnosisLimits = DiagnosisLimits()
    #: Tables and queries as lists of records.
    resources: Tables = {}


class PostgresCredentials(BaseModel):
    """The role to sign in as; no password where the server asks for none (peer, trust, unix socket)."""

    username: str = ""
    password: SecretStr = SecretStr("")


class PostgresConfig(BaseModel):
    """Everything one connection needs. `host` is a name, an address, or a socket's folder (starts with /)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int = Field(ge=1, le=65535)
    dbname: str
    username: str
    password: SecretStr
    sslmode: SslMode
    sslrootcert: str
    settings: PostgresSettings


def config_from(target: SystemRef, credentials: Mapping[str, str]) -> PostgresConfig:
    """Reads `postgresql://[user@]host[:port]/database` or `postgresql:///database?host=/socket/folder`.

    Only the options host, port, dbname, sslmode and sslrootcert are taken from the query: others could
    make the client read files or change the session. Raises `Invalid` naming the field at fault.
    """
    parts = split_endpoint(target.endpoint)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise Invalid.field("endpoint", "is not a postgresql:// URL")
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    unknown = sorted(set(query) - _OPTIONS)
    if unknown:
        raise Invalid.field("endpoint", f"holds options that are not taken: {', '.join(unknown)[:200]}")
    host = query.get("host") or unquote(parts.hostname or "")
    if not host:
        raise Invalid.field("endpoint", "names no host", "for a unix socket add ?host=/its/folder")
    if "," in host or "," in parts.netloc:
        raise Invalid.field("endpoint", "names several hosts", "register each server by itself")
    port = query.get("port") or str(parts.port or 5432)
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535):
        raise Invalid.field("endpoint", "has a port outside 1-65535")
    sslmode = query.get("sslmode", "prefer")
    if sslmode not in get_args(SslMode):
        raise Invalid.field("endpoint", f"sslmode is none of {', '.join(get_args(SslMode))}")
    login = parse_fields(PostgresCredentials, credentials, prefix="credentials")
    username = login.username or unquote(parts.username or "")
    if not username:
        raise Invalid.field("credentials.username", "is missing", "the role that Opsteward signs in as")
    config = PostgresConfig(
        host=host,
        port=int(port),
        dbname=query.get("dbname") or unquote(parts.path.lstrip("/")) or "postgres",
        username=username,
        password=login.password,
        sslmode=sslmode,
        sslrootcert=query.get("sslrootcert", ""),
        settings=parse_fields(PostgresSettings, target.settings, prefix="settings"),
    )
    for field, text in (("endpoint", config.dbname), ("endpoint", config.host), ("credentials", username)):
        if "\x00" in text:
            raise Invalid.field(field, "holds a NUL character")
    return config
