"""SCIM 2.0 servers: their users, groups and other resources as lists of records."""

from __future__ import annotations

from opsteward.contracts.integration import Integration
from opsteward.integrations.scim.checks import ScimServerCheck
from opsteward.integrations.scim.connector import ScimConnector

INTEGRATION = Integration(
    slug="scim",
    title="SCIM server",
    schemes=frozenset({"http", "https"}),
    types=frozenset({"scim"}),
    connector=ScimConnector,
    checks=(ScimServerCheck(),),
)
