"""The schemas that are served, and what discovery tells of this server. Only here `scim2_models` is shaped."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator
from scim2_models import EnterpriseUser as _EnterpriseUser
from scim2_models import Extension, Reference, Required, Resource, ResourceType, ScimPolicy, ServiceProviderConfig
from scim2_models import Group as _Group
from scim2_models import User as _User

from opsteward.api.scim import references
from opsteward.api.settings import ApiSettings
from opsteward.core.json_types import Json, JsonObject
from opsteward.directory.scim.types import ENTERPRISE, Kind

#: Operations that one bulk request may hold: each is a transaction of its own.
MAX_OPERATIONS = 500
#: Resources in one page.
MAX_RESULTS = 1000
_Email: Any = _User.Emails
_Manager: Any = _EnterpriseUser.model_fields["manager"].annotation.__args__[0]  # type: ignore[union-attr]


class Email(_Email):  # type: ignore[misc]
    """An address. It is checked and compared as everywhere here, and kept as it was sent."""

    value: str | None = None
    """Email address for the user."""


class User(_User[Any]):
    """User Account"""

    emails: list[Email] | None = None  # type: ignore[assignment]  # wider than the library's: any address of ours
    """Email addresses for the user."""

    @field_validator("roles", mode="before")
    @classmethod
    def _without_json(cls, value: Json) -> Json:
        return references.without_json(["roles"], references.as_entries(value)) if value is not None else None


class Manager(_Manager):  # type: ignore[misc]
    """The user's manager. Identity providers send its id alone."""

    ref: Annotated[Reference[User] | None, Required.false] = Field(
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    """The URI of the SCIM resource representing the User's manager."""


class EnterpriseUser(_EnterpriseUser):
    """Enterprise User"""

    manager: Manager | None = None
    """The user's manager."""

    @field_validator("manager", mode="before")
    @classmethod
    def _any_form(cls, value: Json) -> Json:
        return references.reference(value)


class Group(_Group):
    """Group"""

    @field_validator("members", mode="before")
    @classmethod
    def _any_form(cls, value: Json) -> Json:
        return references.members(value)


EXTENDED_USER: Any = User.__class_getitem__(EnterpriseUser)
MODELS: dict[Kind, type[Resource[Any]]] = {Kind.USER: EXTENDED_USER, Kind.GROUP: Group}
EXTENSIONS: dict[str, type[Extension]] = {ENTERPRISE: EnterpriseUser}
#: What identity providers do beside the letter of the standard; what no schema has is kept as it came.
POLICY = ScimPolicy(
    unknown=ScimPolicy.Unknown.keep,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)


def provider_config(settings: ApiSettings, base: str) -> JsonObject:
    """What this server can do."""
    config = ServiceProviderConfig.model_validate(
        {
            "patch": {"supported": True},
            "bulk": {
                "supported": True,
                "maxOperations": MAX_OPERATIONS,
                "maxPayloadSize": settings.max_ingest_bytes,
            },
            "filter": {"supported": True, "maxResults": MAX_RESULTS},
            "changePassword": {"supported": False},
            "sort": {"supported": True},
            "etag": {"supported": True},
            "authenticationSchemes": [
                {
                    "type": "oauthbearertoken",
                    "name": "API token",
                    "description": "A token of an operator with the role provisioner, as a bearer token.",
                    "specUri": "https://www.rfc-editor.org/info/rfc6750",
                    "primary": True,
                }
            ],
        }
    )
    return _described(config, "ServiceProviderConfig", f"{base}/ServiceProviderConfig")


def resource_types(base: str) -> list[JsonObject]:
    """Users, with the enterprise extension, and groups."""
    found = [ResourceType.from_resource(model) for model in MODELS.values()]
    return [_described(one, "ResourceType", f"{base}/ResourceTypes/{one.id}") for one in found]


def schemas(base: str) -> list[JsonObject]:
    """The schemas of these resources."""
    found = [one.to_schema() for one in (User, EnterpriseUser, Group)]
    return [_described(one, "Schema", f"{base}/Schemas/{one.id}") for one in found]


def _described(resource: Any, kind: str, location: str) -> JsonObject:
    return {**resource.model_dump(), "meta": {"resourceType": kind, "location": location}}
