"""Every setting, in one typed place: environment `OPSTEWARD_*` > `opsteward.toml` > default.

A wrong setting stops the start with the setting's name. `docs/reference/settings.md` is generated from here.
"""

from __future__ import annotations

import os
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from opsteward.core.errors import FieldProblem, Invalid
from opsteward.core.running_instance import default_home, local_url, toml_file


class Settings(BaseSettings):
    """The settings of one installation. Times are seconds, sizes are bytes unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix="OPSTEWARD_", extra="forbid", validate_default=True)

    home: Path = Field(default_factory=default_home, description="Folder of all files: embedded database, keys, token.")
    database_url: SecretStr | None = Field(
        default=None,
        validation_alias=AliasChoices("DATABASE_URL", "database_url"),
        description="Your own PostgreSQL >= 15 (postgresql://user:password@host/db). Unset: the embedded one.",
    )
    secret_key: SecretStr | None = Field(
        default=None, description="32 random bytes, base64. Unset: made in the home. All processes need the same."
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 picks a free one.")
    public_url: str | None = Field(default=None, description="How browsers reach us; unset: http://host:port.")
    trusted_proxies: list[IPv4Network | IPv6Network] = Field(
        default_factory=list,
        description="Addresses or networks of proxies whose X-Forwarded-For and -Proto are believed, as JSON.",
    )
    max_connections: int = Field(
        default=4096, ge=16, le=60_000, description="Most connections held at once; fewer where descriptors are few."
    )
    max_connections_per_address: int = Field(
        default=1024,
        ge=8,
        le=60_000,
        description="Most connections of one address; trusted proxies have no such limit.",
    )
    log_level: str = Field(
        default="INFO",
        validation_alias=AliasChoices("LOG_LEVEL", "log_level"),
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="DEBUG, INFO, WARNING or ERROR.",
    )
    log_format: str = Field(default="auto", pattern="^(auto|json|text)$", description="json, text, or auto (terminal).")

    database_pool_size: int = Field(default=5, ge=1, le=200, description="Connections kept open per role.")
    database_pool_max: int = Field(
        default=20, ge=1, le=500, description="Most connections per role; up to four more look up who asks."
    )
    api_requests_at_once: int = Field(
        default=16, ge=1, le=500, description="Requests that use the database at once; others wait their turn."
    )
    api_patience: float = Field(
        default=30.0, gt=0, le=600, description="Seconds after which a waiting request is told to come back later."
    )
    workers: int = Field(default=20, ge=1, le=1000, description="Workflows that one process runs at once.")
    task_slots: int = Field(default=100, ge=1, le=10_000, description="Tasks that one process runs at once.")
    task_slots_spare: int = Field(
        default=10, ge=0, le=1000, description="Of these, slots kept free for critical and high tasks."
    )
    drain_seconds: float = Field(
        default=10.0, ge=0, le=3600, description="How long an ending process lets running tasks come to their end."
    )
    max_tasks_per_request: int = Field(default=10_000, ge=1, le=100_000, description="Most tasks in one submission.")
    max_task_params_bytes: int = Field(default=65_536, ge=1024, description="Largest parameters of one task.")
    max_task_result_bytes: int = Field(default=1_048_576, ge=1024, description="Largest result of one task, as JSON.")
    task_retention: float = Field(
        default=30 * 86_400.0, gt=0, description="Ended tasks and workflows are forgotten after this."
    )
    agent_beat_seconds: float = Field(
        default=10.0, ge=0.2, le=600, description="A process says so often, in one statement, that its agents live."
    )
    agent_failures: int = Field(
        default=5, ge=1, le=100, description="Failed runs in a row after which a background agent counts as failed."
    )
    agent_retention: float = Field(
        default=30 * 86_400.0, gt=0, description="Agents' figures and messages are forgotten after this."
    )
    health_retention: float = Field(
        default=90 * 86_400.0, gt=0, description="Systems' health and response times are forgotten after this."
    )
    measure_seconds: float = Field(
        default=30.0, ge=1, le=3600, description="So often every process writes down its own CPU, memory and lag."
    )
    alert_queue: int = Field(default=100, ge=1, description="More tasks that wait for a place are an alert.")
    alert_processing_seconds: float = Field(default=5.0, gt=0, description="Slower tasks, on average, are an alert.")
    alert_error_rate: float = Field(default=0.02, gt=0, le=1, description="A larger share of failed tasks is an alert.")
    alert_memory: float = Field(
        default=0.85, gt=0, le=1, description="A larger share of a machine's memory in use is an alert."
    )
    changes_retention: float = Field(
        default=86_400.0, gt=0, description="Who follows the live feed can come back within this and miss nothing."
    )
    ws_buffer: int = Field(
        default=1000, ge=10, le=100_000, description="Changes kept in memory for one slow follower of the live feed."
    )
    ws_stall_timeout: float = Field(
        default=60.0, gt=0, description="A follower that takes nothing for so long is let go."
    )
    metrics_public: bool = Field(
        default=False, description="Let programs of this machine read /metrics without a token."
    )
    metrics_port: int | None = Field(
        default=None, ge=0, le=65535, description="Where a worker serves its own /metrics; 0 picks a free port."
    )
    plugins: list[str] = Field(
        default_factory=list, description="Further integrations to load, each as module:attribute."
    )
    queue_poll_interval: float = Field(
        default=1.0, ge=0.05, le=60, description="Seconds between looks at the queue while nothing runs."
    )
    process_lost_after: float = Field(default=5.0, gt=0.5, description="A silent process is taken for dead after this.")

    import_at_once: int = Field(
        default=1000, ge=1, le=5000, description="An import of at most so many users is done within its request."
    )
    import_batch: int = Field(
        default=500, ge=1, le=5000, description="Rows of one batch of an import; ten batches are one transaction."
    )
    max_import_bytes: int = Field(default=2**31, ge=1024, description="Largest file of users to import.")
    import_retention: float = Field(
        default=30 * 86_400.0, gt=0, description="Ended imports and their reports are forgotten after this."
    )
    users_full_import_max_leavers: float = Field(
        default=0.05, ge=0, lt=1, description="Largest share of the users that a full import may make leave."
    )

    max_body_bytes: int = Field(default=1_048_576, ge=1024, description="Largest body of an ordinary request.")
    max_ingest_bytes: int = Field(default=16_777_216, ge=1024, description="Largest body of POST /api/v1/events.")
    max_json_depth: int = Field(default=64, ge=4, le=200, description="Deepest nesting of a JSON body.")
    max_events_per_request: int = Field(default=10_000, ge=1, description="Most events in one request.")

    check_interval_critical: float = Field(default=30.0, gt=0, description="Seconds between checks, critical systems.")
    check_interval_standard: float = Field(default=60.0, gt=0, description="Seconds between checks, standard systems.")
    check_interval_backup: float = Field(default=300.0, gt=0, description="Seconds between checks, backup systems.")
    response_time_threshold: float = Field(default=2.0, gt=0, description="Slower answers degrade a system.")
    recovery_passes: int = Field(default=2, ge=1, le=20, description="Passing checks in a row that end an alert.")

    diagnosis_timeout: float = Field(default=30.0, gt=0, description="Longest diagnosis of one domain.")
    action_timeout: float = Field(default=60.0, gt=0, description="Longest execution of one action.")
    max_retries: int = Field(
        default=5, ge=0, le=100, description="Tries after the first of an action that may yet work."
    )
    backoff_factor: float = Field(default=2.0, ge=1, le=10, description="Each wait between tries is so much longer.")
    max_backoff: float = Field(default=300.0, gt=0, description="Longest wait between tries.")
    verify_timeout: float = Field(default=30.0, gt=0, description="How long a repaired system may take to be healthy.")
    approval_ttl: float = Field(default=86_400.0, gt=0, description="An approval not given in this time expires.")
    freeze_seconds: float = Field(
        default=3600.0, ge=0, description="After an action did not help, it is not tried on that target for this long."
    )
    further_looks: int = Field(default=3, ge=0, le=20, description="Looks a session takes again before it gives up.")
    look_again_after: float = Field(default=2.0, gt=0, description="Seconds between such looks.")
    max_attempts_per_session: int = Field(default=3, ge=1, le=20, description="Different fixes one session may try.")

    oidc_issuer: str | None = Field(
        default=None, description="OpenID Connect provider for signing in to the console; unset: none. HTTPS."
    )
    oidc_client_id: str = Field(default="", description="What the provider calls this installation.")
    oidc_client_secret: SecretStr | None = Field(default=None, description="The client's secret there.")
    oidc_tenant: str = Field(default="default", description="Name of the tenant that the provider's people belong to.")
    oidc_operator_claim: str = Field(
        default="email", min_length=1, description="Claim that names the operator at the first sign-in."
    )
    oidc_auto_create_role: str | None = Field(
        default=None, description="Make unknown operators with this role; unset: an operator must exist."
    )
    oidc_roles_claim: str | None = Field(default=None, description="Claim with groups that oidc_roles maps; unset: no.")
    oidc_roles: dict[str, str] = Field(
        default_factory=dict, description="Role for each group, as JSON; given anew at each sign-in."
    )

    scim_roles: dict[str, str] = Field(
        default_factory=dict, description="Directory role for a value of SCIM's roles or userType, as JSON."
    )
    scim_default_role: str = Field(
        default="standard_user", min_length=1, description="Directory role of SCIM's users whom scim_roles gives none."
    )

    audit_witnesses: list[Path] = Field(
        default_factory=list,
        description="Folders, best on other machines, that keep where the audit chains end, beside the home.",
    )
    approval_making_seconds: float = Field(
        default=86_400.0,
        ge=0,
        description="Nobody approves by a sign-in, token or role that comes from the requester, through whomever, and "
        "is newer than this.",
    )
    approval_strict: bool = Field(
        default=False, description="Nor by an older one: approvers must not be of the requester's making at all."
    )

    notify_security: list[str] = Field(default_factory=list, description="Apprise URLs for alert_security_team.")
    notify_oncall: list[str] = Field(default_factory=list, description="Apprise URLs for escalate.")
    notify_admin: list[str] = Field(default_factory=list, description="Apprise URLs for notify_admin.")
    notify_users: list[str] = Field(
        default_factory=list,
        description="Apprise URLs for messages to single users, with {email} where the user's address goes; "
        "none: users get no welcome message.",
    )

    @field_validator("home")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("oidc_issuer")
    @classmethod
    def _secure_issuer(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "https://unset")
        local = parts.hostname in ("127.0.0.1", "::1", "localhost")
        if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
            raise ValueError("is no https:// address")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=toml_file())

    @property
    def given_secret(self) -> str | None:
        """The secret key, where it is a setting and no file."""
        return self.secret_key.get_secret_value() if self.secret_key else None

    @property
    def url(self) -> str:
        """How a browser or the CLI on this machine reaches us."""
        return self.public_url or local_url(self.host, self.port)


#: Variables under our prefix that are not settings of the server: the CLI's, and the tests' and benchmarks'.
CLIENT_VARIABLES = frozenset({"OPSTEWARD_URL", "OPSTEWARD_TOKEN", "OPSTEWARD_MEASURING_DATA"})


def env_name(field: str) -> str:
    """The environment variable of a setting."""
    return {"database_url": "DATABASE_URL", "log_level": "LOG_LEVEL"}.get(field, f"OPSTEWARD_{field.upper()}")


def _setting_of(location: str) -> str:
    """The variable to set right; a validator names some settings by their variable already."""
    return location if location.isupper() else env_name(location)


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. Raises Invalid that names each wrong or unknown setting."""
    known = {env_name(name) for name in Settings.model_fields} | CLIENT_VARIABLES
    problems = [
        FieldProblem(field=name, problem="is not a setting", remedy="see docs/reference/settings.md")
        for name in os.environ
        if name.startswith("OPSTEWARD_") and name not in known
    ]
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        problems += [
            FieldProblem(field=_setting_of(str(e["loc"][0]) if e["loc"] else "?"), problem=e["msg"])
            for e in error.errors(include_input=False)
        ]
    if problems:
        raise Invalid(problems=problems)
    return settings
