"""Web applications over http and https: what their health page, their pages and their API answer, and their TLS."""

from __future__ import annotations

from opsteward.contracts.integration import Integration
from opsteward.integrations.web.api import ApiCheck, OperatorCheck
from opsteward.integrations.web.checks import HttpStatusCheck
from opsteward.integrations.web.connector import WebConnector
from opsteward.integrations.web.page import PageCheck, PageWatch
from opsteward.integrations.web.tls import TlsCheck

INTEGRATION = Integration(
    slug="web",
    title="Web application",
    schemes=frozenset({"http", "https"}),
    connector=WebConnector,
    checks=(HttpStatusCheck(), TlsCheck(), PageCheck(), PageWatch(), ApiCheck(), OperatorCheck()),
)
