"""The settings of the SCIM server."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from opsteward.core.settings import SettingsGroup


class ScimSettings(SettingsGroup):
    """Which directory role a SCIM user has."""

    model_config = SettingsConfigDict(env_prefix="OPSTEWARD_SCIM_")

    roles: dict[str, str] = Field(
        default_factory=dict, description="Directory role for a value of SCIM's roles or userType, as JSON."
    )
    default_role: str = Field(
        default="standard_user", min_length=1, description="Directory role of SCIM's users whom scim_roles gives none."
    )
