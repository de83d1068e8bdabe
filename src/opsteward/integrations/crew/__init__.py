"""The crew's actions: a change of its delegation matrix, its routes at a gateway."""

from __future__ import annotations

from opsteward.contracts.integration import Integration
from opsteward.integrations.crew.actions import ChangeMatrix, RegisterRoutes
from opsteward.integrations.crew.gateway import Gateway


def build(gateway: Gateway | None) -> Integration:
    """With the gateway that is configured, if any."""
    return Integration(slug="crew", title="The crew", actions=(ChangeMatrix(), RegisterRoutes(gateway)))
