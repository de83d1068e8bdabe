"""Does the name resolve, does the port accept connections, and how good is the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from opsteward.contracts.check import Check, CheckResult, CheckStatus, Domain
from opsteward.contracts.connector import SystemRef
from opsteward.contracts.thresholds import told
from opsteward.core.errors import ConnectorError
from opsteward.core.http_client import failure_kind
from opsteward.core.json_types import JsonObject
from opsteward.integrations.network.client import TcpAttempt
from opsteward.integrations.network.connector import NetworkConnector

_SLOW = 0.8  # seconds
_SENT_AGAIN = 0.9  # seconds
_CONNECTIONS = 6
_NO_NETWORK = CheckResult(
    status=CheckStatus.UNKNOWN, summary="The endpoint is a unix socket: there is no network to look at"
)


class DnsCheck(Check[NetworkConnector]):
    """FAIL when the endpoint's name has no address; WARN when it takes long to resolve."""

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
            seen = {"host": via.config.host, "kind": kind}
            return _found(via, CheckStatus.FAIL, "dns_failure", "The name does not resolve", exc.detail, seen)
        evidence: JsonObject = {
            "host": via.config.host,
            "addresses": [*addresses[:20]],
            "seconds": round(seconds, 4),
        }
        if seconds > _SLOW:
            detail = f"{via.config.host} was resolved only after {seconds:.2f} s"
            return _found(via, CheckStatus.WARN, "dns_slow", "The name resolves slowly", detail, evidence, seconds)
        return CheckResult(
            status=CheckStatus.PASS,
            summary=f"{via.config.host} resolves to {', '.join(addresses[:4])}",
            evidence=evidence,
            seconds=seconds,
        )


class TcpCheck(Check[NetworkConnector]):
    """FAIL when no address of the endpoint accepts a connection, told apart by whether anybody answers; WARN when it
    takes long; UNKNOWN when its name does not resolve."""

    slug: ClassVar[str] = "network.tcp"
    title: ClassVar[str] = "TCP reach"
    domain: ClassVar[Domain] = "network"
    timeout: ClassVar[float] = 8.0

    async def run(self, via: NetworkConnector, target: SystemRef) -> CheckResult:
        if via.config.host is None:
            return _NO_NETWORK
        addresses, _ = await via.look_up()
        attempts = await via.connect_each(addresses)
        evidence: JsonObject = {
            "host": via.config.host,
            "port": via.config.port,
            "attempts": [
                {"address": a.address, "seconds": round(a.seconds, 4), "error": a.error} for a in attempts[:20]
            ],
        }
        where = f"{via.config.host}:{via.config.port}"
        if attempts[-1].error:
            detail = f"{where} does not accept connections: {attempts[-1].error}"
            kind, title = _unreached(attempts)
            return _found(via, CheckStatus.FAIL, kind, title, detail, evidence)
        if attempts[-1].seconds > _SLOW:
            detail = f"{where} accepted a connection only after {attempts[-1].seconds:.2f} s"
            title = "Connections are made slowly"
            return _found(via, CheckStatus.WARN, "tcp_slow", title, detail, evidence, attempts[-1].seconds)
        return CheckResult(
            status=CheckStatus.PASS,
            summary=f"{where} accepts connections ({attempts[-1].seconds * 1000:.1f} ms)",
            evidence=evidence,
            seconds=attempts[-1].seconds,
        )


class LatencyCheck(Check[NetworkConnector]):
    """WARN when some of several connections fail or take far longer than the others, or all of them are slow."""

    slug: ClassVar[str] = "network.latency"
    title: ClassVar[str] = "Latency and loss"
    domain: ClassVar[Domain] = "network"
    timeout: ClassVar[float] = 10.0

    async def run(self, via: NetworkConnector, target: SystemRef) -> CheckResult:
        if via.config.host is None:
            return _NO_NETWORK
        addresses, _ = await via.look_up()
        attempts = [(await via.connect_each(addresses[:1]))[-1] for _ in range(_CONNECTIONS)]
        where = f"{via.config.host}:{via.config.port}"
        made = sorted(each.seconds for each in attempts if not each.error)
        if not made:  # told by the look at the port
            return CheckResult(status=CheckStatus.UNKNOWN, summary=f"{where} accepts no connection")
        median = made[len(made) // 2]
        # a packet that is lost is sent again after a second, and then after two more
        lost = len(attempts) - len(made) + sum(each > _SENT_AGAIN and each > 5 * median for each in made)
        evidence: JsonObject = {
            "host": via.config.host,
            "port": via.config.port,
            "connections": len(attempts),
            "failed_or_sent_again": lost,
            "median_seconds": round(median, 4),
            "longest_seconds": round(made[-1], 4),
        }
        if lost:
            detail = f"{lost} of {len(attempts)} connections to {where} failed or had to be tried again"
            return _found(
                via, CheckStatus.WARN, "network_loss", "Packets are lost on the way", detail, evidence, median
            )
        if median > _SLOW / 2:
            detail = f"a connection to {where} takes {median * 1000:.0f} ms"
            return _found(via, CheckStatus.WARN, "network_slow", "The way is slow", detail, evidence, median)
        summary = f"{len(made)} connections to {where}: {median * 1000:.1f} ms, the longest {made[-1] * 1000:.1f} ms"
        return CheckResult(status=CheckStatus.PASS, summary=summary, evidence=evidence, seconds=median)


def _unreached(attempts: Sequence[TcpAttempt]) -> tuple[str, str]:
    """Type and title: somebody answers that nobody listens, or nobody answers at all."""
    if all(each.refused for each in attempts):
        return "tcp_refused", "Nobody listens on the port"
    if all(each.silent for each in attempts):
        return "tcp_filtered", "Nobody answers: a filter is in between, or the machine is gone"
    return "tcp_unreachable", "The port does not accept connections"


def _found(
    via: NetworkConnector,
    status: CheckStatus,
    kind: str,
    title: str,
    description: str,
    evidence: Mapping[str, object],
    seconds: float | None = None,
) -> CheckResult:
    return told(
        status,
        kind,
        title,
        description,
        component=f"{via.config.host}:{via.config.port}",
        evidence=evidence,
        seconds=seconds,
    )
