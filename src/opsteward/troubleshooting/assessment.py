"""The reasoning between the looks: pure functions from what was seen to what it means. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opsteward.contracts.check import CheckStatus, Finding
from opsteward.core.crypto import digest
from opsteward.core.redact import redact, redact_text
from opsteward.events.standing_orders.types import Subject
from opsteward.systems.health_checks import evidence_of, health_of
from opsteward.systems.types import CheckOutcome
from opsteward.troubleshooting.types import DiagnosticReport, Fix, Issue

_SEVERITY_ORDER = {"high": 0, "medium": 1, "low": 2}
_PENALTY = {"high": 40, "medium": 20, "low": 8}


def diagnostic_report(
    domain: str, outcomes: Sequence[CheckOutcome], duration: float, unseen: Mapping[str, str] | None = None
) -> DiagnosticReport:
    """One diagnoser's report from the outcomes of its checks; `unseen` says why some systems could not be looked at."""
    issues = [issue for outcome in outcomes for issue in issues_of(outcome)]
    blind_spots = [f"{o.check} on {o.system.name}: {o.result.summary}" for o in outcomes if _is_blind(o)]
    blind_spots += [f"{o.system.name}: {why}" for o in outcomes for why in o.result.unseen]
    blind = [o for o in outcomes if _is_blind(o)]
    recommendations = [f"{fix.action} on {issue.system}: {fix.reason}" for issue in issues for fix in issue.fixes]
    recommendations += [f"give {o.check} a way to look at {o.system.name}: {o.result.summary}" for o in blind]
    recommendations += [f"make it possible to look at {name}: {why}" for name, why in (unseen or {}).items()]
    return DiagnosticReport(
        bot_name=f"{domain} diagnoser",
        bot_type=domain,
        issues_found=issues,
        health_status=health_of(outcomes),
        recommendations=[redact_text(r) for r in recommendations],
        duration=round(duration, 3),
        checks=[{"system": o.system.name, **e} for o, e in zip(outcomes, evidence_of(outcomes), strict=True)],
        advice=[issue for outcome in outcomes for issue in _issues(outcome, outcome.result.advice)],
        unseen=[redact_text(told) for told in blind_spots],
    )


def _is_blind(outcome: CheckOutcome) -> bool:
    return outcome.result.status is CheckStatus.UNKNOWN


def issues_of(outcome: CheckOutcome) -> list[Issue]:
    """The findings of one check as issues; the same finding has the same id each time."""
    return _issues(outcome, outcome.result.findings)


def _issues(outcome: CheckOutcome, findings: Sequence[Finding]) -> list[Issue]:
    return [
        Issue(
            id=digest([str(outcome.system.id), finding.type, finding.component])[:16],
            type=finding.type,
            severity=finding.severity.value,
            title=redact_text(finding.title),
            description=redact_text(finding.description),
            detected_by=outcome.check,
            evidence=redact(dict(finding.evidence)),
            component=finding.component,
            confidence=finding.confidence,
            cause_rank=finding.cause_rank,
            system_id=outcome.system.id,
            system=outcome.system.name,
            system_type=outcome.system.type,
            fixes=[Fix(action=f.action, params=dict(f.params), reason=f.reason) for f in finding.fixes],
        )
        for finding in findings
    ]


def subject_of(issue: Issue) -> Subject:
    """A finding as standing orders are asked about it."""
    return Subject(
        kind="finding",
        fields={
            "finding": issue.type,
            "system": issue.system,
            "system_type": issue.system_type,
            "severity": issue.severity,
            "component": issue.component,
        },
        proposed_actions=frozenset(fix.action for fix in issue.fixes),
    )


def prioritised(reports: Sequence[DiagnosticReport]) -> list[Issue]:
    """All issues, root causes before symptoms, then by severity and confidence; each once."""
    issues = {issue.id: issue for report in reports for issue in report.issues_found}
    return sorted(
        issues.values(),
        key=lambda i: (i.cause_rank, _SEVERITY_ORDER.get(i.severity, 3), -i.confidence, i.system, i.type),
    )


def health_score(issues: Sequence[Issue]) -> int:
    """0 to 100: each issue takes away by severity, weighed by its confidence; 100 means nothing was found."""
    return max(0, round(100 - sum(_PENALTY.get(issue.severity, 8) * issue.confidence for issue in issues)))


def findings_in_words(issues: Sequence[Issue]) -> str:
    """One sentence for the timeline."""
    if not issues:
        return "no cause found"
    first = f"{issues[0].title} ({issues[0].system})"
    if len(issues) == 1:
        return first
    return f"{first}; and {len(issues) - 1} more that may follow from it"
