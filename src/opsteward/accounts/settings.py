"""The settings of sign-in and of approvals by a second person."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from opsteward.core.settings import SettingsGroup


class AccountSettings(SettingsGroup):
    """Who counts as independent of a requester."""

    approval_making_seconds: float = Field(
        default=86_400.0,
        ge=0,
        description="Nobody approves by a sign-in, token or role that comes from the requester, through whomever, and "
        "is newer than this.",
    )
    approval_strict: bool = Field(
        default=False, description="Nor by an older one: approvers must not be of the requester's making at all."
    )


class OidcSettings(SettingsGroup):
    """The OpenID Connect provider of the console's sign-in."""

    model_config = SettingsConfigDict(env_prefix="OPSTEWARD_OIDC_")

    issuer: str | None = Field(
        default=None, description="OpenID Connect provider for signing in to the console; unset: none. HTTPS."
    )
    client_id: str = Field(default="", description="What the provider calls this installation.")
    client_secret: SecretStr | None = Field(default=None, description="The client's secret there.")
    tenant: str = Field(default="default", description="Name of the tenant that the provider's people belong to.")
    operator_claim: str = Field(
        default="email", min_length=1, description="Claim that names the operator at the first sign-in."
    )
    auto_create_role: str | None = Field(
        default=None, description="Make unknown operators with this role; unset: an operator must exist."
    )
    roles_claim: str | None = Field(default=None, description="Claim with groups that oidc_roles maps; unset: no.")
    roles: dict[str, str] = Field(
        default_factory=dict, description="Role for each group, as JSON; given anew at each sign-in."
    )

    @field_validator("issuer")
    @classmethod
    def _secure_issuer(cls, value: str | None) -> str | None:
        parts = urlsplit(value or "https://unset")
        local = parts.hostname in ("127.0.0.1", "::1", "localhost")
        if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and local)):
            raise ValueError("is no https:// address")
        return value
