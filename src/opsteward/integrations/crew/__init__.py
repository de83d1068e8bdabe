"""The action that stands for a change of the crew's delegation matrix."""

from __future__ import annotations

from opsteward.contracts.integration import Integration
from opsteward.integrations.crew.actions import ChangeMatrix

INTEGRATION = Integration(slug="crew", title="The crew", actions=(ChangeMatrix(),))
