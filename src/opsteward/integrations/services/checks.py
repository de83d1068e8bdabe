"""Does the service answer in its own protocol, fast enough, and with a certificate that lasts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from opsteward.contracts.check import Check, CheckResult, CheckStatus, Domain, Measure
from opsteward.contracts.connector import SystemRef
from opsteward.contracts.thresholds import held_against, told
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
    measures: ClassVar[Sequence[Measure]] = (Measure("certificate_days", limit=0.0),)

    async def run(self, via: ServiceConnector, target: SystemRef) -> CheckResult:
        config = via.config
        where = config.where
        evidence: JsonObject = {"host": config.host, "port": config.port, "protocol": config.speaks, "tls": config.tls}
        try:
            seen = await via.look()
        except AuthFailed:
            raise
        except ConnectorError as error:
            if failure_kind(error) in ("policy", "local"):  # we can't look: that says nothing about the system
                raise
            failed = evidence | {"detail": error.detail}
            title = "The service gives no usable answer"
            return told(CheckStatus.FAIL, "service_unreachable", title, error.detail, component=where, evidence=failed)
        days = seen.certificate_days
        evidence |= {"seconds": round(seen.seconds, 4), "answer": seen.answer, "certificate_days": days}
        result = held_against(
            config.settings,
            subject="service",
            where=where,
            said=seen.answer,
            seconds=seen.seconds,
            values={"answer": seen.answer, "certificate_days": days},
            evidence=evidence,
        )
        if result.status is not CheckStatus.FAIL and days is not None and days < config.settings.certificate_warn_days:
            return told(
                CheckStatus.WARN,
                "certificate_ends",
                "The service's certificate ends soon",
                f"The certificate of {where} ends in {days:.1f} days",
                component=where,
                evidence=evidence,
                seconds=seen.seconds,
            )
        return result
