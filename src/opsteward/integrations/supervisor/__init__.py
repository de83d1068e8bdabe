"""Processes under supervisord: which are down or hung, and restarting one of them."""

from __future__ import annotations

from opsteward.contracts.integration import Integration
from opsteward.integrations.supervisor.actions import RestartProcess
from opsteward.integrations.supervisor.checks import ProcessesCheck
from opsteward.integrations.supervisor.connector import SupervisorConnector

INTEGRATION = Integration(
    slug="supervisor",
    title="Supervisor",
    schemes=frozenset({"supervisor+unix", "supervisor+http"}),
    connector=SupervisorConnector,
    checks=(ProcessesCheck(),),
    actions=(RestartProcess(),),
)
