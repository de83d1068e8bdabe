"""What a visitor of the web application gets: status, time, error page. Symptoms, never the cause."""

from __future__ import annotations

from typing import ClassVar

from opsteward.contracts.check import Check, CheckResult, CheckStatus, Domain, Finding, Severity
from opsteward.contracts.connector import SystemRef
from opsteward.contracts.thresholds import held_against
from opsteward.core.conditions import parse_condition
from opsteward.core.errors import BadReply, ConnectorError
from opsteward.core.http_client import HttpReply, failure_kind, safe_url
from opsteward.core.json_types import JsonObject
from opsteward.integrations.web.client import condition_values, page_title
from opsteward.integrations.web.connector import WebConnector
from opsteward.integrations.web.flow import StepSeen

_NO_ANSWER = "The web application gives no usable answer"
#: By the kind of failure: type, title and rank of the finding.
_UNANSWERED = {
    "redirects": ("redirect_loop", "The web application redirects without end", 4),
    "broken": ("connection_broken", "The connection is broken off in the middle", 6),
}
_EXCERPT = 500  # characters of an error page kept as evidence


class HttpStatusCheck(Check[WebConnector]):
    """FAIL when there is no answer or not the expected status; WARN when it is slow."""

    slug: ClassVar[str] = "web.http_status"
    title: ClassVar[str] = "HTTP status and response time"
    domain: ClassVar[Domain] = "web"
    health: ClassVar[bool] = True

    async def run(self, via: WebConnector, target: SystemRef) -> CheckResult:
        if via.config.settings.steps:
            return _judge_visit(via, await via.visit())
        url = safe_url(via.config.url)
        try:
            reply = await via.fetch()
        except ConnectorError as exc:
            kind = failure_kind(exc)
            if kind == "policy":  # we may not look there: that says nothing about the system
                raise
            name, title, rank = _UNANSWERED.get(
                kind, ("http_error" if isinstance(exc, BadReply) else "http_unreachable", _NO_ANSWER, 8)
            )
            finding = _finding(
                name,
                Severity.HIGH,
                title,
                exc.detail,
                component=url,
                evidence={"url": url, "kind": kind, "detail": exc.detail},
                cause_rank=rank,
            )
            return CheckResult(
                status=CheckStatus.FAIL, summary=exc.detail, evidence=finding.evidence, findings=[finding]
            )
        return _judge(via, reply, url)


def _judge(via: WebConnector, reply: HttpReply, url: str) -> CheckResult:
    settings = via.config.settings
    evidence: JsonObject = {
        "url": url,
        "status": reply.status,
        "seconds": round(reply.seconds, 4),
        "redirects": list(reply.redirects),
        "content_type": reply.headers.get("content-type", "")[:200],
        "bytes": len(reply.body),
        "truncated": reply.truncated,
        "incomplete": reply.incomplete,
    }
    summary = f"{url} answered {reply.status} in {reply.seconds:.2f} s"
    status = CheckStatus.PASS
    findings: list[Finding] = []
    if not settings.expects(reply.status):
        evidence |= {"page_title": page_title(reply), "body_excerpt": reply.text(_EXCERPT)}
        status = CheckStatus.FAIL
        findings.append(
            _finding(
                "http_error",
                Severity.HIGH if reply.status >= 500 else Severity.MEDIUM,
                f"The web application answers with status {reply.status}",
                summary,
                component=url,
                evidence=evidence,
            )
        )
    elif settings.expect and not parse_condition(settings.expect).holds(condition_values(reply)):
        evidence |= {"expected": settings.expect, "body_excerpt": reply.text(_EXCERPT)}
        status = CheckStatus.FAIL
        summary = f"{summary}, but not as expected: {settings.expect}"
        findings.append(
            _finding(
                "http_unexpected",
                Severity.HIGH,
                "The web application does not answer as expected",
                summary,
                component=url,
                evidence=evidence,
            )
        )
    elif reply.seconds > settings.response_time_seconds:
        evidence["threshold_seconds"] = settings.response_time_seconds
        status = CheckStatus.WARN
        findings.append(
            _finding(
                "http_slow",
                Severity.MEDIUM,
                "The web application answers slowly",
                f"{summary}, more than {settings.response_time_seconds:g} s",
                component=url,
                evidence=evidence,
                cause_rank=9,
            )
        )
    return CheckResult(status=status, summary=summary, evidence=evidence, findings=findings, seconds=reply.seconds)


def _judge_visit(via: WebConnector, seen: list[StepSeen]) -> CheckResult:
    settings, last = via.config.settings, seen[-1]
    seconds = sum(step.seconds for step in seen)
    url = safe_url(via.config.url)
    evidence: JsonObject = {
        "url": url,
        "seconds": round(seconds, 4),
        "steps": [
            {"step": s.name, "url": s.url, "status": s.status, "seconds": round(s.seconds, 4), "problem": s.problem}
            for s in seen
        ],
    }
    if last.error is not None and failure_kind(last.error) == "policy":
        raise last.error
    if last.problem:
        detail = f"{last.name} of {len(settings.steps)}: {last.problem}"
        finding = _finding(
            "http_step_failed",
            Severity.HIGH,
            "A visitor of the web application does not get through",
            detail,
            component=url,
            evidence=evidence,
        )
        return CheckResult(status=CheckStatus.FAIL, summary=detail, evidence=evidence, findings=[finding])
    return held_against(
        settings.model_copy(update={"expect": ""}),
        subject="http",
        where=url,
        said=f"all {len(seen)} steps went well",
        seconds=seconds,
        values={},
        evidence=evidence,
    )


def _finding(
    kind: str,
    severity: Severity,
    title: str,
    description: str,
    *,
    component: str,
    evidence: JsonObject,
    cause_rank: int = 8,
) -> Finding:
    return Finding(
        type=kind,
        severity=severity,
        title=title,
        description=description,
        component=component,
        evidence=evidence,
        confidence=0.95,
        cause_rank=cause_rank,
    )
