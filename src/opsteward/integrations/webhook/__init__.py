"""Webhooks out: changes sent, signed, to an address that takes them."""

from __future__ import annotations

from opsteward.contracts.integration import Integration
from opsteward.integrations.webhook.connector import WebhookConnector

INTEGRATION = Integration(
    slug="webhook",
    title="Webhook",
    schemes=frozenset({"http", "https"}),
    types=frozenset({"webhook"}),
    connector=WebhookConnector,
)
