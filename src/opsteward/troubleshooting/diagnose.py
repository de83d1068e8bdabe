"""The diagnosers by themselves: all checks of one system, without a session, an incident or an effect."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from opsteward.contracts.check import Domain
from opsteward.contracts.connector import SystemRef
from opsteward.contracts.registry import Registry
from opsteward.core.fair_share import FairShare, current_party
from opsteward.systems.health_checks import health_of, run_checks
from opsteward.troubleshooting.assessment import diagnostic_report, health_score, prioritised
from opsteward.troubleshooting.types import SystemDiagnosis

DOMAINS: Sequence[Domain] = ("web", "database", "network")
#: Of this process: each check has a connection of its own, and a system that hangs takes all of its time.
_at_once = FairShare(4, waiting_limit=20)
_PATIENCE = 30.0  # seconds that a diagnosis waits for its turn


async def diagnose(
    registry: Registry,
    target: SystemRef,
    secret: Mapping[str, str],
    *,
    domains: Sequence[Domain] = DOMAINS,
    timeout: float,
) -> SystemDiagnosis:
    """Look at one system with the diagnosers of these domains, side by side; `timeout` in seconds for each check.

    A few run at once, shared fairly among tenants. Raises Busy when its turn does not come.
    """
    offered = [registry.checks_for(target, domain=domain) for domain in domains]
    async with _at_once.of(current_party.get(), patience=_PATIENCE):
        started = time.monotonic()
        groups = await asyncio.gather(*(run_checks(target, secret, checks, timeout=timeout) for checks in offered))
    seconds = time.monotonic() - started
    looked = [(domain, outcomes) for domain, outcomes in zip(domains, groups, strict=True) if outcomes]
    reports = [diagnostic_report(domain, outcomes, seconds) for domain, outcomes in looked]
    issues = prioritised(reports)
    return SystemDiagnosis(
        system=target.name,
        health_status=health_of([outcome for group in groups for outcome in group]),
        health_score=health_score(issues),
        issues=issues,
        advice=[issue for report in reports for issue in report.advice],
        unseen=[told for report in reports for told in report.unseen],
        reports=reports,
        duration=round(seconds, 3),
    )
