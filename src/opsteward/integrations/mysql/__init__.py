"""MariaDB and MySQL: declared tables and queries as lists of records."""

from __future__ import annotations

from opsteward.contracts.integration import Integration
from opsteward.integrations.mysql.actions import KillConnection
from opsteward.integrations.mysql.checks import ServerCheck
from opsteward.integrations.mysql.connector import MysqlConnector
from opsteward.integrations.mysql.diagnosis import MysqlDiagnosisCheck

INTEGRATION = Integration(
    slug="mysql",
    title="MariaDB and MySQL",
    schemes=frozenset({"mysql", "mariadb"}),
    connector=MysqlConnector,
    checks=(ServerCheck(), MysqlDiagnosisCheck()),
    actions=(KillConnection(),),
)
