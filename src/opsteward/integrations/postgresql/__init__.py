"""PostgreSQL servers: who is connected, who waits for whom, and ending the session that holds others up."""

from __future__ import annotations

from opsteward.contracts.integration import Integration
from opsteward.integrations.postgresql.actions import TerminateSession
from opsteward.integrations.postgresql.cancelling import CancelStatement
from opsteward.integrations.postgresql.checks import ConnectCheck, IdleInTransactionCheck, LongQueriesCheck
from opsteward.integrations.postgresql.connections import ConnectionsCheck
from opsteward.integrations.postgresql.connector import PostgresConnector
from opsteward.integrations.postgresql.diagnosis.check import DiagnosisCheck
from opsteward.integrations.postgresql.lock_chains import LockChainsCheck
from opsteward.integrations.postgresql.object_actions import OBJECT_ACTIONS
from opsteward.integrations.postgresql.role_membership import KEEP_ACCESS, KeepAccess

INTEGRATION = Integration(
    slug="postgresql",
    title="PostgreSQL",
    schemes=frozenset({"postgresql", "postgres"}),
    connector=PostgresConnector,
    checks=(
        ConnectCheck(),
        LockChainsCheck(),
        ConnectionsCheck(),
        IdleInTransactionCheck(),
        LongQueriesCheck(),
        DiagnosisCheck(),
    ),
    actions=(TerminateSession(), CancelStatement(), *OBJECT_ACTIONS, KeepAccess()),
    access=KEEP_ACCESS,
)
