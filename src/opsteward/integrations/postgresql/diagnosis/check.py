"""The diagnosis of a PostgreSQL server: one snapshot, judged by all rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from opsteward.contracts.check import Check, CheckResult, CheckStatus, Domain, Finding
from opsteward.contracts.connector import SystemRef
from opsteward.core.blocking_calls import in_thread
from opsteward.integrations.postgresql.connector import PostgresConnector

if TYPE_CHECKING:
    from opsteward.integrations.postgresql.diagnosis.rule import Fault, Rule
    from opsteward.integrations.postgresql.diagnosis.snapshot import Snapshot

_FAULTS_PER_RULE = 10


class DiagnosisCheck(Check[PostgresConnector]):
    """WARN for what may be the cause of an incident; what is mere advice is told beside it, and so is what it could
    not look at."""

    slug: ClassVar[str] = "postgresql.diagnosis"
    title: ClassVar[str] = "Diagnosis"
    domain: ClassVar[Domain] = "database"
    timeout: ClassVar[float] = 10.0

    async def run(self, via: PostgresConnector, target: SystemRef) -> CheckResult:
        from opsteward.integrations.postgresql.diagnosis.catalogue import READINGS, RULES
        from opsteward.integrations.postgresql.diagnosis.snapshot import take

        ignored = via.config.settings.diagnosis.ignore
        rules = [rule for rule in RULES if rule.id not in ignored]
        shot = await take(via, READINGS)
        findings, unseen = await in_thread(judge, shot, rules)
        faults = [finding for finding, is_risk in findings if not is_risk]
        advice = [finding for finding, is_risk in findings if is_risk]
        told = [f"{len(rules)} rules", f"{len(faults)} fault(s)", f"{len(advice)} advice"]
        if unseen:
            told.append(f"could not look for {len(unseen)}")
        evidence = {
            "server": shot.facts["release"],
            "standby": shot.facts["standby"],
            "rules": len(rules),
            "seconds": round(sum(shot.seconds.values()), 3),
            "seconds_watched": round(shot.watched, 3),
        }
        looked = not shot.unread.get("gone") and shot.found
        status = CheckStatus.WARN if faults else CheckStatus.PASS if looked else CheckStatus.UNKNOWN
        return CheckResult(
            status=status,
            summary=", ".join(told) + (f"; {shot.unread['gone']}" if "gone" in shot.unread else ""),
            evidence=evidence,
            findings=faults,
            advice=advice,
            unseen=[f"{rule}: {why}" for rule, why in unseen],
        )


def judge(shot: Snapshot, rules: Iterable[Rule]) -> tuple[list[tuple[Finding, bool]], list[tuple[str, str]]]:
    """What the rules find in a snapshot, and whether it is a mere risk; and for each rule that could not look, why."""
    from opsteward.integrations.postgresql.diagnosis.rule import Unseen
    from opsteward.integrations.postgresql.diagnosis.snapshot import CouldNotLook

    findings: list[tuple[Finding, bool]] = []
    unseen: list[tuple[str, str]] = []
    for rule in rules:
        found = 0
        try:
            for told in rule.judge(shot):
                if isinstance(told, Unseen):
                    unseen.append((rule.id, told.why))
                    continue
                found += 1
                if found <= _FAULTS_PER_RULE:
                    is_risk = rule.is_risk if told.is_risk is None else told.is_risk
                    findings.append((_finding(shot, rule, told), is_risk))
        except CouldNotLook as why:
            unseen.append((rule.id, str(why)))
    findings.sort(key=lambda found: _place(*found))
    return findings, unseen


def _place(finding: Finding, is_risk: bool) -> tuple[int, int, str, str]:
    """Causes come before symptoms, and risks by how grave they are."""
    gravity = ["high", "medium", "low"].index(finding.severity)
    return (0 if is_risk else finding.cause_rank, gravity, finding.type, finding.component)


def _finding(shot: Snapshot, rule: Rule, fault: Fault) -> Finding:
    queries = {reading.name: " ".join(reading.sql.split()) for reading in rule.reads if reading.sql}
    return Finding(
        type=rule.id,
        severity=fault.severity or rule.severity,
        title=rule.finds,
        description=fault.says,
        component=fault.component,
        evidence={
            **fault.values,
            "cause": rule.cause,
            "advice": rule.advice,
            "queries": queries,
            "at": shot.facts["now"],
        },
        confidence=0.9 if rule.rank < 6 else 0.7,
        cause_rank=rule.rank,
        fixes=fault.fixes,
    )
