"""The TLS of a web application: does it speak it, and will every visitor trust its certificate."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlsplit

from opsteward.contracts.check import Check, CheckResult, Domain
from opsteward.contracts.connector import SystemRef
from opsteward.core.blocking_calls import in_waiting_thread
from opsteward.core.errors import Timeout, Unreachable
from opsteward.core.http_client import REGISTERED_SYSTEMS, resolve_host
from opsteward.core.json_types import Json, JsonObject
from opsteward.core.tls_look import TlsSeen, look_at_tls
from opsteward.integrations.web.connector import WebConnector
from opsteward.integrations.web.findings import found, judged

_KINDS = {
    "expired": "certificate_expired",
    "not_yet_valid": "certificate_not_yet_valid",
    "name": "certificate_name",
    "chain": "certificate_chain",
    "untrusted": "certificate_untrusted",
    "old_protocol": "tls_old_protocol",
    "not_spoken": "tls_not_spoken",
    "refused": "tls_refused",
}


class TlsCheck(Check[WebConnector]):
    """FAIL for a certificate that visitors refuse, an old protocol or no TLS at all; WARN when the certificate ends
    soon; UNKNOWN where no connection is made."""

    slug: ClassVar[str] = "web.tls"
    title: ClassVar[str] = "TLS and certificate"
    domain: ClassVar[Domain] = "web"
    health: ClassVar[bool] = True

    def fits(self, target: SystemRef) -> bool:
        return target.endpoint.lower().startswith("https:")

    async def run(self, via: WebConnector, target: SystemRef) -> CheckResult:
        parts = urlsplit(via.config.page_url)
        host, port = parts.hostname or "", parts.port or 443
        settings = via.config.settings
        addresses = await resolve_host(host, port, REGISTERED_SYSTEMS)
        patience = settings.timeout_seconds / 2
        try:
            seen = await in_waiting_thread(
                look_at_tls, addresses[0][1], port, host, authority=settings.certificate_authority, timeout=patience
            )
        except TimeoutError:
            raise Timeout(f"{host}:{port} did not answer within {patience:g} s") from None
        except OSError as gone:
            raise Unreachable(f"No connection to {host}:{port}: {gone.strerror or 'no answer in time'}") from None
        return _judged(f"{host}:{port}", seen, settings.certificate_warn_days)


def _judged(where: str, seen: TlsSeen, warn_days: float) -> CheckResult:
    names: list[Json] = [*seen.names]
    evidence: JsonObject = {
        "host": where,
        "protocol": seen.protocol,
        "certificate_days": seen.days,
        "certificate_names": names,
        "issuer": seen.issuer,
        "certificates_sent": seen.sent,
        "problem": seen.problem,
        "detail": seen.detail,
    }
    findings = []
    if seen.problem:
        told = f"{where}: {seen.detail}"
        findings.append(found(_KINDS[seen.problem], told, component=where, evidence=evidence))
    elif seen.days is not None and seen.days < warn_days:
        told = f"The certificate of {where} ends in {seen.days:.1f} days"
        findings.append(found("certificate_ends", told, component=where, evidence=evidence))
    lasts = f", its certificate lasts {seen.days:.0f} days" if seen.days is not None else ""
    return judged(findings, f"{where} speaks {seen.protocol}{lasts}", evidence, None)
