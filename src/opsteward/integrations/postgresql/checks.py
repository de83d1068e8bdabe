"""Can we connect, who sits idle in a transaction, which statement runs too long."""

from __future__ import annotations

import time
from typing import ClassVar, TypedDict

from opsteward.contracts.check import Check, CheckResult, CheckStatus, Domain, Finding, Severity
from opsteward.contracts.connector import SystemRef
from opsteward.core.errors import ConnectorError
from opsteward.core.http_client import failure_kind
from opsteward.core.json_types import Json
from opsteward.integrations.postgresql.backend_sessions import (
    IDLE_IN_TRANSACTION,
    MAX_SESSIONS,
    Session,
    describe,
    sessions_in_state,
    termination,
)
from opsteward.integrations.postgresql.connector import PostgresConnector


class Server(TypedDict):
    """What a server says of itself."""

    version: str
    standby: bool


class ConnectCheck(Check[PostgresConnector]):
    """FAIL when the database can't be reached or refuses our sign-in; `seconds` is sign-in plus one query."""

    slug: ClassVar[str] = "postgresql.connect"
    title: ClassVar[str] = "Database connection"
    domain: ClassVar[Domain] = "database"
    health: ClassVar[bool] = True

    async def run(self, via: PostgresConnector, target: SystemRef) -> CheckResult:
        from opsteward.integrations.postgresql.diagnosis.connecting import explain

        started = time.monotonic()
        try:
            rows = await via.rows(
                "select current_setting('server_version') as version, pg_is_in_recovery() as standby", shape=Server
            )
        except ConnectorError as exc:
            kind = failure_kind(exc)
            if kind == "policy":  # we may not look there: that says nothing about the system
                raise
            reason = explain(exc)
            evidence = {
                "kind": kind,
                "reason": reason.id,
                "cause": reason.cause,
                "advice": reason.advice,
                "detail": exc.detail,
                "database": via.config.dbname,
                "role": via.config.username,
            }
            finding = Finding(
                type="database_unreachable",
                severity=Severity.HIGH,
                title=reason.finds,
                description=exc.detail,
                component=via.config.dbname,
                evidence=evidence,
                confidence=0.95,
                cause_rank=3,
            )
            return CheckResult(status=CheckStatus.FAIL, summary=exc.detail, evidence=evidence, findings=[finding])
        seconds = time.monotonic() - started
        return CheckResult(
            status=CheckStatus.PASS,
            summary=f"PostgreSQL {rows[0]['version']} answered in {seconds * 1000:.0f} ms",
            evidence={"version": rows[0]["version"], "standby": rows[0]["standby"]},
            seconds=seconds,
        )


class IdleInTransactionCheck(Check[PostgresConnector]):
    """WARN for sessions that hold a transaction open and do nothing, longer than the setting allows."""

    slug: ClassVar[str] = "postgresql.idle_in_transaction"
    title: ClassVar[str] = "Idle in transaction"
    domain: ClassVar[Domain] = "database"

    async def run(self, via: PostgresConnector, target: SystemRef) -> CheckResult:
        limit = via.config.settings.idle_in_transaction_seconds
        await via.require_insight()
        rows = await sessions_in_state(via, IDLE_IN_TRANSACTION, seconds=limit)
        if not rows:
            return CheckResult(
                status=CheckStatus.PASS, summary=f"No session is idle in transaction for over {limit:g} s"
            )
        summary = f"{len(rows)} session(s) idle in transaction for over {limit:g} s"
        fixes = []
        endable = [row for row in rows if row["protected"] is None]
        if endable:
            reason = f"idle in transaction for {endable[0]['state_age'] or 0.0:.0f} s"
            fixes = [termination(endable, expect="idle in transaction", reason=reason, pin="xact_start")]
        finding = Finding(
            type="idle_in_transaction",
            severity=Severity.MEDIUM,
            title="Sessions sit idle inside open transactions",
            description=summary + ". They hold their locks and keep VACUUM from cleaning up.",
            component=rows[0]["datname"],
            evidence={"sessions": _described(rows), "threshold_seconds": limit},
            confidence=0.9,
            cause_rank=2,
            fixes=fixes,
        )
        return CheckResult(status=CheckStatus.WARN, summary=summary, evidence=finding.evidence, findings=[finding])


class LongQueriesCheck(Check[PostgresConnector]):
    """WARN for statements that run longer than the setting allows; reports only, for they may be wanted."""

    slug: ClassVar[str] = "postgresql.long_queries"
    title: ClassVar[str] = "Long statements"
    domain: ClassVar[Domain] = "database"

    async def run(self, via: PostgresConnector, target: SystemRef) -> CheckResult:
        limit = via.config.settings.long_query_seconds
        await via.require_insight()
        rows = await sessions_in_state(via, ["active"], seconds=limit)
        if not rows:
            return CheckResult(status=CheckStatus.PASS, summary=f"No statement runs for over {limit:g} s")
        longest = rows[0]["state_age"] or 0.0
        summary = f"{len(rows)} statement(s) run for over {limit:g} s, the longest for {longest:.0f} s"
        finding = Finding(
            type="long_query",
            severity=Severity.MEDIUM,
            title="Statements run for very long",
            description=summary,
            component=rows[0]["datname"],
            evidence={"sessions": _described(rows), "threshold_seconds": limit},
            confidence=0.8,
            cause_rank=5,
        )
        return CheckResult(status=CheckStatus.WARN, summary=summary, evidence=finding.evidence, findings=[finding])


def _described(rows: list[Session]) -> list[Json]:
    return [describe(row) for row in rows[:MAX_SESSIONS]]
