"""What may be set for a MariaDB or MySQL server: where it is, how to sign in, which tables are lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from opsteward.contracts.connector import SystemRef, parse_fields, split_endpoint
from opsteward.contracts.tables import Tables
from opsteward.contracts.thresholds import Expectation, condition_over
from opsteward.core.errors import Invalid
from opsteward.integrations.mysql.diagnosis_limits import MysqlDiagnosisLimits

#: What a condition on its health may speak of.
EXPECTED_VALUES = ("latency", "version", "read_only", "connections", "max_connections", "replica_lag_seconds")


class MysqlSettings(Expectation):
    """A system's own `settings`, as far as they concern its database. Times in seconds."""

    check_timeout_seconds: float = Field(default=5.0, gt=0, le=9)
    expect: Annotated[str, AfterValidator(condition_over(EXPECTED_VALUES))] = ""
    connect_timeout_seconds: float = Field(default=4.0, gt=0, le=30)
    timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    tls: bool = False
    #: Whether the certificate has to name the host of the endpoint.
    check_certificate_name: bool = True
    ca_file: str = Field(default="", max_length=1000)
    #: From where on the diagnosis speaks, and which of its rules are not asked.
    diagnosis: MysqlDiagnosisLimits = MysqlDiagnosisLimits()
    resources: Tables = Field(default_factory=dict)


class MysqlCredentials(BaseModel):
    """The account to sign in as."""

    username: str = ""
    password: SecretStr = SecretStr("")


class MysqlConfig(BaseModel):
    """Everything one connection needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int
    database: str
    username: str
    password: SecretStr
    settings: MysqlSettings


def config_from(target: SystemRef, credentials: Mapping[str, str]) -> MysqlConfig:
    """Reads `mysql://[user@]host[:port]/database`. Raises `Invalid` naming the field at fault."""
    parts = split_endpoint(target.endpoint)
    if parts.scheme not in {"mysql", "mariadb"} or not parts.hostname:
        raise Invalid.field("endpoint", "is no mysql://host[:port]/database")
    if parts.query:
        raise Invalid.field("endpoint", "holds options", "put them into settings")
    login = parse_fields(MysqlCredentials, credentials, prefix="credentials")
    username = login.username or unquote(parts.username or "")
    if not username:
        raise Invalid.field("credentials.username", "is missing", "the account that Opsteward signs in as")
    return MysqlConfig(
        host=unquote(parts.hostname),
        port=parts.port or 3306,
        database=unquote(parts.path.lstrip("/")),
        username=username,
        password=login.password,
        settings=parse_fields(MysqlSettings, target.settings, prefix="settings"),
    )
