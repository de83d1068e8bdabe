"""Names that must resolve: what resolvers answer for a name, and whether they agree."""

from __future__ import annotations

from opsteward.contracts.integration import Integration
from opsteward.integrations.dns.checks import DnsRecordsCheck
from opsteward.integrations.dns.connector import DnsConnector

INTEGRATION = Integration(
    slug="dns", title="DNS", schemes=frozenset({"dns"}), connector=DnsConnector, checks=(DnsRecordsCheck(),)
)
