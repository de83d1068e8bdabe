"""Services that are looked at in their own protocol: TCP, TLS, Redis, SMTP, IMAP, AMQP."""

from __future__ import annotations

from opsteward.contracts.integration import Integration
from opsteward.integrations.services.checks import ServiceCheck
from opsteward.integrations.services.config import PROTOCOLS
from opsteward.integrations.services.connector import ServiceConnector

INTEGRATION = Integration(
    slug="services",
    title="Service in its own protocol",
    schemes=frozenset(PROTOCOLS),
    connector=ServiceConnector,
    checks=(ServiceCheck(),),
)
