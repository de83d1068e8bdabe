"""How an HTTP API is declared: its lists, their paging, how to sign in, and how fast it may be asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from opsteward.contracts.connector import SystemRef, parse_fields, split_endpoint
from opsteward.core.errors import Invalid
from opsteward.core.http_client.json_calls import Login

_Path = Annotated[str, Field(max_length=500, pattern=r"^[^\s?#]*$")]
#: A way into a reply: names joined by dots.
_Way = Annotated[str, Field(max_length=200)]
_Param = Annotated[str, Field(max_length=100, pattern=r"^[^\s&=?#]*$")]


class Paging(BaseModel):
    """How the pages of a list follow each other.

    `page` and `offset` count, `cursor` sends what the reply holds at `next`, `next_url` follows the address there, and
    `link` the one of the Link header. `size` records are asked for by `size_param`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["none", "page", "offset", "cursor", "next_url", "link"] = "none"
    param: _Param = ""
    first: int = Field(default=1, ge=0, le=1)
    size_param: _Param = ""
    size: int = Field(default=100, ge=1, le=10_000)
    next: _Way = ""


class Call(BaseModel):
    """How one kind of change is sent; `{id}` in the path is the record's id. `body` is sent beside its values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["POST", "PUT", "PATCH", "DELETE"]
    path: _Path
    body: Annotated[dict[str, bool | int | str], Field(max_length=50)] = {}


class RestResource(BaseModel):
    """A list of records: `items` is the way to it in a reply (empty: the reply is the list), `id` names a record."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: _Path
    id: _Way = "id"
    key: _Way = ""
    items: _Way = ""
    query: Annotated[dict[str, str], Field(max_length=50)] = {}
    paging: Paging = Paging()
    #: The way to the number of all records, to tell whether the list came whole.
    total: _Way = ""
    #: The parameter that asks for what changed since a time, and the way to that time in a record.
    since_param: _Param = ""
    changed: _Way = ""
    #: The way to what is true of an account in use, and to what is true of a record that was deleted.
    active: _Way = ""
    deleted: _Way = ""
    one: _Path = ""
    create: Call | None = None
    update: Call | None = None
    disable: Call | None = None
    delete: Call | None = None


class RestSettings(BaseModel):
    """A system's own `settings`, as far as they concern its API. Times in seconds."""

    timeout_seconds: float = Field(default=15.0, gt=0, le=300)
    calls_per_second: float | None = Field(default=None, gt=0, le=1000)
    api_key_header: str = Field(default="X-API-Key", pattern=r"^[A-Za-z0-9-]{1,100}$")
    resources: Annotated[dict[str, RestResource], Field(max_length=100)] = {}


class RestCredentials(BaseModel):
    """A bearer token, an API key, a user name with password, or OAuth 2 client credentials."""

    token: SecretStr = SecretStr("")
    api_key: SecretStr = SecretStr("")
    username: str = ""
    password: SecretStr = SecretStr("")
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    token_url: str = ""
    scope: str = ""


class RestConfig(BaseModel):
    """Everything one look at an API needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str
    settings: RestSettings
    credentials: RestCredentials

    @property
    def login(self) -> Login:
        """The credentials as they are sent."""
        known = self.credentials
        return Login(
            token=known.token.get_secret_value(),
            api_key=known.api_key.get_secret_value(),
            api_key_header=self.settings.api_key_header,
            username=known.username,
            password=known.password.get_secret_value(),
            client_id=known.client_id,
            client_secret=known.client_secret.get_secret_value(),
            token_url=known.token_url,
            scope=known.scope,
        )


def config_from(target: SystemRef, credentials: Mapping[str, str]) -> RestConfig:
    """Reads the base address and the declared lists. Raises `Invalid` naming the field at fault."""
    parts = split_endpoint(target.endpoint)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise Invalid.field("endpoint", "is no http(s)://host/base of an API")
    settings = parse_fields(RestSettings, target.settings, prefix="settings")
    login = parse_fields(RestCredentials, credentials, prefix="credentials")
    if login.client_id and not login.token_url.startswith(("https://", "http://")):
        raise Invalid.field("credentials.token_url", "is missing", "the address that gives tokens")
    for name, resource in settings.resources.items():
        where = f"settings.resources.{name}"
        paging = resource.paging
        if paging.kind in {"page", "offset", "cursor"} and not paging.param:
            raise Invalid.field(f"{where}.paging.param", "is missing", f"name the parameter of the {paging.kind}")
        if paging.kind in {"cursor", "next_url"} and not paging.next:
            raise Invalid.field(f"{where}.paging.next", "is missing", "the way to it in the reply, as meta.next")
        if ".." in resource.path.split("/") or "//" in resource.path:
            raise Invalid.field(f"{where}.path", "is no path below the endpoint")
        for kind in ("update", "disable", "delete"):
            call: Call | None = getattr(resource, kind)
            if call is not None and "{id}" not in call.path:
                raise Invalid.field(f"{where}.{kind}.path", "does not say whose", "put {id} into it")
    return RestConfig(base=target.endpoint, settings=settings, credentials=login)
