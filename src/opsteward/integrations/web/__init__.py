"""Web applications over http and https: what their health page answers."""

from __future__ import annotations

from opsteward.contracts.integration import Integration
from opsteward.integrations.web.checks import HttpStatusCheck
from opsteward.integrations.web.connector import WebConnector

INTEGRATION = Integration(
    slug="web",
    title="Web application",
    schemes=frozenset({"http", "https"}),
    connector=WebConnector,
    checks=(HttpStatusCheck(),),
)
