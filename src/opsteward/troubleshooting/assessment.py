"""The reasoning between the looks: pure functions from what was seen to what it means. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opsteward.contracts.check import CheckStatus, Finding
from opsteward.contracts.connector import SystemRef
from opsteward.core.crypto import digest
from opsteward.core.json_types import JsonObject
from opsteward.core.redact import redact, redact_text
from opsteward.events.standing_orders.types import Subject
from opsteward.systems.health_checks import evidence_of, health_of
from opsteward.systems.types import CheckOutcome
from opsteward.troubleshooting.types import DiagnosticReport, Fix, Issue

_SEVERITY_ORDER = {"high": 0, "medium": 1, "low": 2}
_PENALTY = {"high": 40, "medium": 20, "low": 8}


def diagnostic_report(
    domain: str,
    outcomes: Sequence[CheckOutcome],
    duration: float,
    unseen: Mapping[str, str] | None = None,
    looked_at: str = "",
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
        looked_at=looked_at,
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
            fixes=[
                *operators_repairs(finding, outcome.system),
                *(Fix(action=f.action, params=dict(f.params), reason=f.reason) for f in finding.fixes),
            ],
        )
        for finding in findings
    ]


def operators_repairs(finding: Finding, system: SystemRef) -> list[Fix]:
    """The operator's own command for such a finding, by the system's setting `repairs`: `{finding: command}`, or
    `{finding:component: command}` for one part alone; several are tried in their order. They come first: the operator
    knows best what mends it."""
    repairs = system.settings.get("repairs")
    if not isinstance(repairs, Mapping):
        return []
    names = repairs.get(f"{finding.type}:{finding.component}") or repairs.get(finding.type)
    params: JsonObject = {
        "finding": finding.type,
        "system": system.name[:200],
        "component": finding.component[:500],
        "reason": finding.description[:1000],
    }
    reason = f"the operator's repair of {finding.type}"
    return [
        Fix(action=f"command.{name}", params=params, reason=reason)
        for name in (names if isinstance(names, list) else [names])
        if isinstance(name, str) and name
    ]


def subject_of(issue: Issue, fix: Fix | None = None) -> Subject:
    """A finding as standing orders are asked about it, with all fixes that it proposes or with one of them."""
    return Subject(
        kind="finding",
        fields={
            "finding": issue.type,
            "system": issue.system,
            "system_type": issue.system_type,
            "severity": issue.severity,
            "component": issue.component,
        },
        proposed_actions=frozenset(each.action for each in ([fix] if fix else issue.fixes)),
    )


def prioritised(reports: Sequence[DiagnosticReport]) -> list[Issue]:
    """All issues, what speaks for itself before symptoms, then by severity and confidence; each once."""
    issues = {issue.id: issue for report in reports for issue in report.issues_found}
    return sorted(
        issues.values(),
        key=lambda i: (i.cause_rank, _SEVERITY_ORDER.get(i.severity, 3), -i.confidence, i.system, i.type),
    )


def health_score(issues: Sequence[Issue]) -> int:
    """0 to 100: each issue takes away by severity, weighed by its confidence; 100 means nothing was found."""
    return max(0, round(100 - sum(_PENALTY.get(issue.severity, 8) * issue.confidence for issue in issues)))
