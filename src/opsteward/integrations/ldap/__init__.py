"""LDAP directories, OpenLDAP and Active Directory: entries as records, incrementally by syncrepl or USN."""

from __future__ import annotations

from opsteward.contracts.integration import Integration
from opsteward.integrations.ldap.checks import DirectoryCheck
from opsteward.integrations.ldap.connector import LdapConnector

INTEGRATION = Integration(
    slug="ldap",
    title="LDAP directory",
    schemes=frozenset({"ldap", "ldaps"}),
    connector=LdapConnector,
    checks=(DirectoryCheck(),),
)
