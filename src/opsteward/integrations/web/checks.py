"""What a visitor of the web application gets: status, time, error page. Symptoms, never the cause."""

from __future__ import annotations

import json
from typing import ClassVar

from opsteward.contracts.check import Check, CheckResult, CheckStatus, Domain, Finding, Severity
from opsteward.contracts.connector import SystemRef
from opsteward.core.conditions import parse_condition
from opsteward.core.errors import BadReply, ConnectorError
from opsteward.core.http_client import HttpReply, failure_kind, safe_url
from opsteward.core.json_types import JsonObject
from opsteward.integrations.web.client import page_title
from opsteward.integrations.web.connector import WebConnector

_MAX_TEXT = 64 * 1024  # characters that a condition sees
_EXCERPT = 500  # characters of an error page kept as evidence


class HttpStatusCheck(Check[WebConnector]):
    """FAIL when there is no answer or not the expected status; WARN when it is slow."""

    slug: ClassVar[str] = "web.http_status"
    title: ClassVar[str] = "HTTP status and response time"
    domain: ClassVar[Domain] = "web"
    health: ClassVar[bool] = True

    async def run(self, via: WebConnector, target: SystemRef) -> CheckResult:
        url = safe_url(via.config.url)
        try:
            reply = await via.fetch()
        except ConnectorError as exc:
            kind = failure_kind(exc)
            if kind == "policy":  # we may not look there: that says nothing about the system
                raise
            finding = _finding(
                "http_error" if isinstance(exc, BadReply) else "http_unreachable",
                Severity.HIGH,
                "The web application gives no usable answer",
                exc.detail,
                component=url,
                evidence={"url": url, "kind": kind, "detail": exc.detail},
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
    elif settings.expect and not parse_condition(settings.expect).holds(_values(reply)):
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


def _values(reply: HttpReply) -> dict[str, object]:
    """What a condition may speak of; `json` is null where the body is none."""
    body = reply.text(_MAX_TEXT)
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    return {
        "status": reply.status,
        "latency": reply.seconds,
        "body": body,
        "json": document,
        "headers": {name.lower(): value for name, value in reply.headers.items()},
        "redirects": len(reply.redirects),
    }


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
