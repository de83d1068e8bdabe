"""Runs checks: bounded in time, each on its own connector, one broken probe never stops the others."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from opsteward.contracts.check import CheckResult, CheckStatus, Finding
from opsteward.contracts.connector import SystemRef
from opsteward.contracts.registry import OfferedCheck
from opsteward.core.errors import OpsError
from opsteward.core.json_types import Json, JsonObject
from opsteward.core.log import get_logger
from opsteward.core.redact import redact_json, redact_text
from opsteward.systems.service import connected
from opsteward.systems.types import CheckOutcome

log = get_logger(__name__)

_MAX_DEPTH = 20  # of evidence; what lies deeper becomes text


async def run_checks(
    target: SystemRef, secret: Mapping[str, str], offered: Sequence[OfferedCheck], *, timeout: float
) -> list[CheckOutcome]:
    """Run the checks side by side, each for at most its own timeout and `timeout` seconds."""
    return list(await asyncio.gather(*(_run_check(target, secret, one, timeout) for one in offered)))


async def _run_check(
    target: SystemRef, secret: Mapping[str, str], offered: OfferedCheck, timeout: float
) -> CheckOutcome:
    check = offered.check
    try:
        async with asyncio.timeout(min(check.timeout, timeout)), connected(offered.connector, target, secret) as via:
            result = await check.run(via, target)
    except TimeoutError:
        result = _unknown(f"did not finish within {min(check.timeout, timeout):g} s")
    except OpsError as error:
        result = _unknown(redact_text(error.detail))
    except Exception as error:  # a plug-in's bug is not the system's failure, and must not stop the session
        log.exception("systems.check.crashed", check=check.slug, system=target.name)
        result = _unknown(f"the check itself failed ({type(error).__name__})")
    return CheckOutcome(system=target, check=check.slug, title=check.title, result=_storable(result))


def _storable(result: CheckResult) -> CheckResult:
    """The result with nothing in it that no database takes: one check's evidence must not lose what others saw."""
    return replace(
        result,
        summary=str(_plain(result.summary)),
        evidence=_evidence(result.evidence),
        findings=[_storable_finding(each) for each in result.findings],
        advice=[_storable_finding(each) for each in result.advice],
        unseen=[str(_plain(each)) for each in result.unseen],
    )


def _storable_finding(found: Finding) -> Finding:
    component, description = str(_plain(found.component)), str(_plain(found.description))
    return replace(found, evidence=_evidence(found.evidence), component=component, description=description)


def _evidence(found: Mapping[str, object]) -> JsonObject:
    return {str(_plain(key)): _plain(value) for key, value in found.items()}


def _plain(value: object, depth: int = 0) -> Json:
    """As JSON that PostgreSQL keeps: no NUL, no half characters, no NaN; what is no JSON becomes text."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, bool | int | None) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        return {str(_plain(str(key))): _plain(each, depth + 1) for key, each in value.items()}
    if depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [_plain(each, depth + 1) for each in value]
    return _plain(str(value))


def _unknown(why: str) -> CheckResult:
    return CheckResult(status=CheckStatus.UNKNOWN, summary=why)


def health_of(outcomes: Sequence[CheckOutcome]) -> str:
    """down if any check fails, degraded if any warns, healthy if any passes, else unknown."""
    statuses = {outcome.result.status for outcome in outcomes}
    for status, health in (
        (CheckStatus.FAIL, "down"),
        (CheckStatus.WARN, "degraded"),
        (CheckStatus.PASS, "healthy"),
    ):
        if status in statuses:
            return health
    return "unknown"


def evidence_of(outcomes: Sequence[CheckOutcome]) -> list[JsonObject]:
    """The outcomes as plain, redacted data."""
    return [
        {
            "check": o.check,
            "title": o.title,
            "status": o.result.status.value,
            "summary": redact_text(o.result.summary),
            "seconds": o.result.seconds,
            "evidence": redact_json(o.result.evidence),
        }
        for o in outcomes
    ]
