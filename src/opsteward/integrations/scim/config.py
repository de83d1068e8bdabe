"""What may be set for a SCIM server: its base address, how to sign in, its lists and their keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from opsteward.contracts.connector import SystemRef, parse_fields, split_endpoint
from opsteward.contracts.thresholds import Expectation, condition_over
from opsteward.core.errors import Invalid
from opsteward.core.http_client.json_calls import Login


class ScimResource(BaseModel):
    """A list: where it is below the base address, its unique attribute, and the schemas of new records."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(pattern=r"^[A-Za-z0-9._~-]{1,100}$")
    key: str = Field(default="userName", pattern=r"^[A-Za-z][A-Za-z0-9_.:-]{0,99}$")
    schemas: Annotated[tuple[str, ...], Field(max_length=20)] = ()


_DEFAULT = {
    "users": ScimResource(path="Users", schemas=("urn:ietf:params:scim:schemas:core:2.0:User",)),
    "groups": ScimResource(path="Groups", key="displayName", schemas=("urn:ietf:params:scim:schemas:core:2.0:Group",)),
}


#: What a condition on its health may speak of.
EXPECTED_VALUES = ("latency", "config", "total")


class ScimSettings(Expectation):
    """A system's own `settings`, as far as they concern SCIM. Times in seconds."""

    check_timeout_seconds: float = Field(default=5.0, gt=0, le=9)
    expect: Annotated[str, AfterValidator(condition_over(EXPECTED_VALUES))] = ""
    timeout_seconds: float = Field(default=15.0, gt=0, le=300)
    page_size: int = Field(default=100, ge=1, le=1000)
    calls_per_second: float | None = Field(default=None, gt=0, le=1000)
    #: Ask for what was modified since; not every server can, and deletions show in full reads only.
    incremental: bool = True
    resources: Annotated[dict[str, ScimResource], Field(max_length=50)] = Field(default_factory=dict)


class ScimCredentials(BaseModel):
    """A bearer token, a user name with password, or OAuth 2 client credentials."""

    token: SecretStr = SecretStr("")
    username: str = ""
    password: SecretStr = SecretStr("")
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    token_url: str = ""


class ScimConfig(BaseModel):
    """Everything one look at a SCIM server needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str
    settings: ScimSettings
    credentials: ScimCredentials

    @property
    def resources(self) -> Mapping[str, ScimResource]:
        """The declared lists, else users and groups."""
        return self.settings.resources or _DEFAULT

    @property
    def login(self) -> Login:
        """The credentials as they are sent."""
        known = self.credentials
        return Login(
            token=known.token.get_secret_value(),
            username=known.username,
            password=known.password.get_secret_value(),
            client_id=known.client_id,
            client_secret=known.client_secret.get_secret_value(),
            token_url=known.token_url,
        )


def config_from(target: SystemRef, credentials: Mapping[str, str]) -> ScimConfig:
    """Reads the base address of a SCIM server. Raises `Invalid` naming the field at fault."""
    parts = split_endpoint(target.endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Invalid.field("endpoint", "is no http(s)://host/base of a SCIM server")
    if parts.query or parts.fragment or parts.username:
        raise Invalid.field("endpoint", "holds more than an address", "credentials go into credentials")
    login = parse_fields(ScimCredentials, credentials, prefix="credentials")
    if login.client_id and not login.token_url.startswith(("https://", "http://")):
        raise Invalid.field("credentials.token_url", "is missing", "the address that gives tokens")
    settings = parse_fields(ScimSettings, target.settings, prefix="settings")
    return ScimConfig(base=target.endpoint, settings=settings, credentials=login)
