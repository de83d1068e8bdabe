"""The findings of the web's checks: how each is called, how grave it is, and how near to a cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opsteward.contracts.check import CheckResult, CheckStatus, Finding, Severity
from opsteward.core.json_types import JsonObject


@dataclass(frozen=True)
class Known:
    """A kind of finding. `rank`: 0 is a root cause, higher is more of a symptom."""

    title: str
    severity: Severity
    rank: int
    confidence: float = 0.95


_HIGH, _MEDIUM, _LOW = Severity.HIGH, Severity.MEDIUM, Severity.LOW
KNOWN = {
    "certificate_expired": Known("The certificate has expired", _HIGH, 1, 0.99),
    "certificate_not_yet_valid": Known("The certificate is not valid yet", _HIGH, 1, 0.99),
    "certificate_name": Known("The certificate is for another name", _HIGH, 1, 0.99),
    "certificate_chain": Known("The intermediate certificate is not sent along", _HIGH, 1, 0.97),
    "certificate_untrusted": Known("The certificate is not trusted", _HIGH, 1, 0.97),
    "certificate_ends": Known("The certificate ends soon", _MEDIUM, 1, 0.99),
    "tls_old_protocol": Known("The server speaks only an old TLS protocol", _HIGH, 1, 0.97),
    "tls_not_spoken": Known("The server does not speak TLS on this port", _HIGH, 1, 0.97),
    "tls_refused": Known("The TLS handshake is refused", _HIGH, 3, 0.9),
    "asset_missing": Known("The page names files that are not there", _HIGH, 2, 0.97),
    "error_page": Known("The page shows an error, with a status that says all is well", _HIGH, 3, 0.95),
    "default_page": Known("The page of an unconfigured server is shown", _HIGH, 2, 0.95),
    "blank_page": Known("The page is empty", _HIGH, 3, 0.95),
    "content_missing": Known("The page lacks what it should show", _HIGH, 3, 0.95),
    "mixed_content": Known("The secure page loads parts over plain HTTP", _MEDIUM, 3, 0.97),
    "redirect_loop": Known("The web application redirects without end", _HIGH, 4, 0.95),
    "http_error": Known("The page answers with an error", _HIGH, 4, 0.95),
    "page_slow": Known("The page is slow, and its files are not", _MEDIUM, 4, 0.9),
    "network_slow": Known("The way to the application, or all of it, is slow", _MEDIUM, 5, 0.9),
    "redirects_to_plain": Known("The secure page leads to one without TLS", _MEDIUM, 4, 0.95),
    "security_headers": Known("Security headers are missing", _LOW, 9, 0.9),
    "credential_expired": Known("Our credential for the API has expired", _HIGH, 1, 0.97),
    "credential_refused": Known("The API does not accept our credential", _HIGH, 2, 0.9),
    "right_missing": Known("The API lacks a right for our credential", _HIGH, 1, 0.95),
    "rate_limited": Known("The API limits our requests", _MEDIUM, 2, 0.97),
    "api_error": Known("The API answers with an error", _HIGH, 6, 0.95),
    "api_contract_drift": Known("The API does not answer as it promises", _HIGH, 2, 0.95),
    "operator_check_failed": Known("An operators' endpoint says that something is wrong", _HIGH, 3, 0.95),
}


def found(kind: str, description: str, *, component: str, evidence: JsonObject) -> Finding:
    """One finding of this kind."""
    known = KNOWN[kind]
    return Finding(
        type=kind,
        severity=known.severity,
        title=known.title,
        description=description,
        component=component,
        evidence=evidence,
        confidence=known.confidence,
        cause_rank=known.rank,
    )


def judged(findings: Sequence[Finding], summary: str, evidence: JsonObject, seconds: float | None) -> CheckResult:
    """FAIL with a finding of high severity, WARN with a medium one, else PASS."""
    ordered = sorted(findings, key=lambda each: (each.cause_rank, -each.confidence))
    severities = {each.severity for each in ordered}
    status = CheckStatus.PASS
    if severities & {_HIGH, _MEDIUM}:
        status = CheckStatus.FAIL if _HIGH in severities else CheckStatus.WARN
    told = "; ".join(each.description for each in ordered[:3]) or summary
    return CheckResult(status=status, summary=told, evidence=evidence, findings=ordered, seconds=seconds)
