"""The diagnosis of a MariaDB or MySQL server: one snapshot, judged by ten rules."""

from __future__ import annotations

from typing import ClassVar

from opsteward.contracts.check import Check, CheckResult, CheckStatus, Domain
from opsteward.contracts.connector import SystemRef
from opsteward.core.blocking_calls import in_thread
from opsteward.integrations.mysql.connector import MysqlConnector


class MysqlDiagnosisCheck(Check[MysqlConnector]):
    """WARN for what may be the cause of an incident; what is mere advice is told beside it, and so is what it could
    not look at."""

    slug: ClassVar[str] = "mysql.diagnosis"
    title: ClassVar[str] = "Diagnosis"
    domain: ClassVar[Domain] = "database"
    timeout: ClassVar[float] = 10.0

    async def run(self, via: MysqlConnector, target: SystemRef) -> CheckResult:
        from opsteward.integrations.mysql.rules import RULES, judge
        from opsteward.integrations.mysql.snapshot import take

        shot = await take(via)
        faults, advice, unseen = await in_thread(judge, shot, via.config.settings.diagnosis)
        summary = f"{len(RULES)} rules, {len(faults)} fault(s), {len(advice)} advice"
        if unseen:
            summary += f", could not look for {len(unseen)}"
        status = CheckStatus.WARN if faults else CheckStatus.UNKNOWN if "gone" in shot.unread else CheckStatus.PASS
        return CheckResult(
            status=status,
            summary=summary,
            evidence={"rules": len(RULES)},
            findings=faults,
            advice=advice,
            unseen=unseen,
        )
