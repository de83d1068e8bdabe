"""What may be set for a directory: where it is, how to bind, and which entries are which list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import unquote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from opsteward.contracts.connector import SystemRef, parse_fields, split_endpoint
from opsteward.contracts.thresholds import Expectation, condition_over
from opsteward.core.errors import Invalid

_Attribute = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9;.-]{0,99}$")]


class Disabled(BaseModel):
    """The attribute and value by which this directory says that an account is switched off."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attribute: _Attribute
    value: str = Field(min_length=1, max_length=200)


class LdapResource(BaseModel):
    """A list of entries. New ones are made below `parent` (else `base`), named by the attribute `rdn`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: str = Field(default="", max_length=1000)
    filter: str = Field(default="(objectClass=person)", max_length=2000)
    attributes: Annotated[tuple[_Attribute, ...], Field(max_length=500)] = ()
    #: Attributes that are lists whatever their number of values; others are a list when they have several.
    lists: Annotated[tuple[_Attribute, ...], Field(max_length=200)] = ()
    key: _Attribute = "uid"
    rdn: _Attribute = "uid"
    parent: str = Field(default="", max_length=1000)
    object_classes: Annotated[tuple[_Attribute, ...], Field(max_length=50)] = ("inetOrgPerson",)
    disabled: Disabled | None = None


#: The lists of a directory for which none are declared.
DEFAULT_LISTS: Mapping[str, LdapResource] = {
    "people": LdapResource(),
    "groups": LdapResource(
        filter="(|(objectClass=groupOfNames)(objectClass=posixGroup)(objectClass=group))",
        key="cn",
        rdn="cn",
        object_classes=("groupOfNames",),
        lists=("member", "memberUid"),
    ),
}
#: Those of an Active Directory, where a computer is a person too and nobody has a uid.
ACTIVE_DIRECTORY_LISTS: Mapping[str, LdapResource] = {
    "people": LdapResource(
        filter="(&(objectCategory=person)(objectClass=user))", key="sAMAccountName", rdn="cn", object_classes=("user",)
    ),
    "groups": LdapResource(
        filter="(objectClass=group)", key="sAMAccountName", rdn="cn", object_classes=("group",), lists=("member",)
    ),
}


#: What a condition on its health may speak of.
EXPECTED_VALUES = ("latency", "entries")


class LdapSettings(Expectation):
    """A system's own `settings`, as far as they concern its directory. Times in seconds."""

    check_timeout_seconds: float = Field(default=5.0, gt=0, le=9)
    #: What is searched for to see its health, below the endpoint's base; else the base itself is read.
    check_filter: str = Field(default="", max_length=2000)
    expect: Annotated[str, AfterValidator(condition_over(EXPECTED_VALUES))] = ""
    connect_timeout_seconds: float = Field(default=4.0, gt=0, le=30)
    timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    start_tls: bool = False
    verify_certificate: bool = True
    ca_file: str = Field(default="", max_length=1000)
    page_size: int = Field(default=500, ge=1, le=1000)
    resources: Annotated[dict[str, LdapResource], Field(max_length=50)] = Field(default_factory=dict)


class LdapCredentials(BaseModel):
    """The DN (for Active Directory also user@domain) to bind as; none binds anonymously."""

    username: str = ""
    password: SecretStr = SecretStr("")


class LdapConfig(BaseModel):
    """Everything one connection needs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: int
    tls: bool
    base: str
    settings: LdapSettings
    credentials: LdapCredentials


def config_from(target: SystemRef, credentials: Mapping[str, str]) -> LdapConfig:
    """Reads `ldap[s]://host[:port]/base-dn`. Raises `Invalid` naming the field at fault."""
    parts = split_endpoint(target.endpoint)
    if parts.scheme not in {"ldap", "ldaps"} or not parts.hostname:
        raise Invalid.field("endpoint", "is no ldap://host[:port]/base-dn")
    login = parse_fields(LdapCredentials, credentials, prefix="credentials")
    if login.username and not login.password.get_secret_value():
        # a directory takes a name without a password as nobody, and says yes
        raise Invalid.field("credentials.password", "is missing", "give one, or no username to bind anonymously")
    settings = parse_fields(LdapSettings, target.settings, prefix="settings")
    return LdapConfig(
        host=unquote(parts.hostname),
        port=parts.port or (636 if parts.scheme == "ldaps" else 389),
        tls=parts.scheme == "ldaps",
        base=unquote(parts.path.lstrip("/")),
        settings=settings,
        credentials=login,
    )
