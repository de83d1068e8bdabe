"""Does the service answer in its own protocol, fast enough, and with a certificate that lasts."""

from __future__ import annotations

from typing import ClassVar

from opsteward.contracts.check import Check, CheckResult, CheckStatus, Domain, Finding, Severity
from opsteward.contracts.connector import SystemRef
from opsteward.core.conditions import parse_condition
from opsteward.core.errors import AuthFailed, ConnectorError
from opsteward.core.http_client import failure_kind
from opsteward.core.json_types import JsonObject
from opsteward.integrations.services.connector import ServiceConnector


class ServiceCheck(Check[ServiceConnector]):
    """FAIL when it can't be reached, does not speak its protocol or `expect` does not hold; WARN when it is slow or its
    certificate ends soon; UNKNOWN where it refuses our credentials."""

    slug: ClassVar[str] = "services.answers"
    title: ClassVar[str] = "Answer in its own protocol"
    domain: ClassVar[Domain] = "network"
    health: ClassVar[bool] = True

    async def run(self, via: ServiceConnector, target: SystemRef) -> CheckResult:
        config = via.config
        settings = config.settings
        where = f"{config.host}:{config.port}"
        evidence: JsonObject = {"host": config.host, "port": config.port, "protocol": config.speaks, "tls": config.tls}
        try:
            seen = await via.look()
        except AuthFailed:
            raise
        except ConnectorError as error:
            if failure_kind(error) == "policy":  # we may not look there: that says nothing about the system
                raise
            told = evidence | {"detail": error.detail}
            return _told(CheckStatus.FAIL, "service_unreachable", error.detail, where, told, None)
        evidence |= {
            "seconds": round(seen.seconds, 4),
            "answer": seen.answer,
            "certificate_days": seen.certificate_days,
        }
        values = {"latency": seen.seconds, "answer": seen.answer, "certificate_days": seen.certificate_days}
        days = seen.certificate_days
        if settings.expect and not parse_condition(settings.expect).holds(values):
            detail = f"{where} does not answer as expected: {settings.expect}"
            return _told(CheckStatus.FAIL, "service_unexpected", detail, where, evidence, seen.seconds)
        if days is not None and days < settings.certificate_warn_days:
            detail = f"The certificate of {where} ends in {days:.1f} days"
            return _told(CheckStatus.WARN, "certificate_ends", detail, where, evidence, seen.seconds)
        if seen.seconds > settings.response_time_seconds:
            detail = f"{where} answers in {seen.seconds:.2f} s, more than {settings.response_time_seconds:g} s"
            return _told(CheckStatus.WARN, "service_slow", detail, where, evidence, seen.seconds)
        summary = f"{where} answers in {1000 * seen.seconds:.1f} ms: {seen.answer}"
        return CheckResult(status=CheckStatus.PASS, summary=summary, evidence=evidence, seconds=seen.seconds)


_TITLES = {
    "service_unreachable": "The service gives no usable answer",
    "service_unexpected": "The service does not answer as expected",
    "service_slow": "The service answers slowly",
    "certificate_ends": "The service's certificate ends soon",
}


def _told(
    status: CheckStatus, kind: str, detail: str, where: str, evidence: JsonObject, seconds: float | None
) -> CheckResult:
    finding = Finding(
        type=kind,
        severity=Severity.HIGH if status is CheckStatus.FAIL else Severity.MEDIUM,
        title=_TITLES[kind],
        description=detail,
        component=where,
        evidence=evidence,
        confidence=0.95,
        cause_rank=6,
    )
    return CheckResult(status=status, summary=detail, evidence=evidence, findings=[finding], seconds=seconds)
