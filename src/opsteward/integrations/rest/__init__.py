"""HTTP APIs whose lists are declared in settings: paths, paging, keys, how records are changed."""

from __future__ import annotations

from opsteward.contracts.integration import Integration
from opsteward.integrations.rest.connector import RestConnector

INTEGRATION = Integration(
    slug="rest",
    title="HTTP API",
    schemes=frozenset({"http", "https"}),
    types=frozenset({"api"}),
    connector=RestConnector,
)
