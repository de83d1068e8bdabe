"""The one action that stands for all changes of a sync."""

from __future__ import annotations

from opsteward.contracts.integration import Integration
from opsteward.integrations.sync.actions import ApplySync

INTEGRATION = Integration(slug="sync", title="Sync between systems", actions=(ApplySync(),))
