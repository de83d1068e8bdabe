"""Network reach of any system whose endpoint names a host and a port: DNS and TCP."""

from __future__ import annotations

from opsteward.contracts.integration import Integration
from opsteward.integrations.network.checks import DnsCheck, LatencyCheck, TcpCheck
from opsteward.integrations.network.config import DEFAULT_PORTS
from opsteward.integrations.network.connector import NetworkConnector

INTEGRATION = Integration(
    slug="network",
    title="Network reach",
    schemes=frozenset(DEFAULT_PORTS),
    connector=NetworkConnector,
    checks=(DnsCheck(), TcpCheck(), LatencyCheck()),
)
