"""The one action that stands for all steps of a saga."""

from __future__ import annotations

from opsteward.contracts.integration import Integration
from opsteward.integrations.sagas.actions import ApplySaga

INTEGRATION = Integration(slug="sagas", title="Changes over several systems", actions=(ApplySaga(),))
