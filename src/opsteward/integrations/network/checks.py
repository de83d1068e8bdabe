"""Does the name resolve, and does the port accept connections."""

from __future__ import annotations

from typing import ClassVar

from opsteward.contracts.check import Check, CheckResult, CheckStatus, Domain, Finding, Severity
from opsteward.contracts.connector import SystemRef
from opsteward.core.errors import ConnectorError
from opsteward.core.http_client import failure_kind
from opsteward.integrations.network.connector import NetworkConnector

_NO_NETWORK = CheckResult(
    status=CheckStatus.UNKNOWN, summary="The endpoint is a unix socket: there is no network to look at"
)


class DnsCheck(Check[NetworkConnector]):
    """FAIL when the endpoint's name has no address."""

    slug: ClassVar[str] = "network.dns"
    title: ClassVar[str] = "Name resolution"
    domain: ClassVar[Domain] = "network"
    timeout: ClassVar[float] = 5.0

    async def run(self, via: NetworkConnector, target: SystemRef) -> CheckResult:
        if via.config.host is None:
            return _NO_NETWORK
        try:
            addresses, seconds = await via.look_up()
        except ConnectorError as exc:
            kind = failure_kind(exc)
            if kind == "policy":
                raise
            return _failed(via, "dns_failure", "The name does not resolve", exc.detail, {"kind": kind})
        return CheckResult(
            status=CheckStatus.PASS,
            summary=f"{via.config.host} resolves to {', '.join(addresses[:4])}",
            evidence={"host": via.config.host, "addresses": addresses[:20]},
            seconds=seconds,
        )


class TcpCheck(Check[NetworkConnector]):
    """FAIL when no address of the endpoint accepts a connection; UNKNOWN when its name does not resolve."""

    slug: ClassVar[str] = "network.tcp"
    title: ClassVar[str] = "TCP reach"
    domain: ClassVar[Domain] = "network"
    timeout: ClassVar[float] = 8.0

    async def run(self, via: NetworkConnector, target: SystemRef) -> CheckResult:
        if via.config.host is None:
            return _NO_NETWORK
        addresses, _ = await via.look_up()
        attempts = await via.connect_each(addresses)
        evidence = {
            "host": via.config.host,
            "port": via.config.port,
            "attempts": [
                {"address": a.address, "seconds": round(a.seconds, 4), "error": a.error} for a in attempts[:20]
            ],
        }
        where = f"{via.config.host}:{via.config.port}"
        if attempts[-1].error:
            detail = f"{where} does not accept connections: {attempts[-1].error}"
            return _failed(via, "tcp_unreachable", "The port does not accept connections", detail, evidence)
        return CheckResult(
            status=CheckStatus.PASS,
            summary=f"{where} accepts connections ({attempts[-1].seconds * 1000:.1f} ms)",
            evidence=evidence,
            seconds=attempts[-1].seconds,
        )


def _failed(via: NetworkConnector, kind: str, title: str, description: str, evidence: dict[str, object]) -> CheckResult:
    finding = Finding(
        type=kind,
        severity=Severity.HIGH,
        title=title,
        description=description,
        component=f"{via.config.host}:{via.config.port}",
        evidence=evidence,
        confidence=0.95,
        cause_rank=6,
    )
    return CheckResult(status=CheckStatus.FAIL, summary=description, evidence=evidence, findings=[finding])
