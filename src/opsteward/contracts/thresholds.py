"""What every health check is held against: an answer in time, a condition of one's own; and how its outcome is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, TypeVar

from pydantic import BaseModel, Field

from opsteward.contracts.check import CheckResult, CheckStatus, Finding, Severity
from opsteward.core.conditions import parse_condition
from opsteward.core.errors import ConnectorError, Invalid, Timeout
from opsteward.core.http_client import failure_kind

T = TypeVar("T")


def condition_over(known: Sequence[str]) -> Callable[[str], str]:
    """A validator of conditions that speak of these values alone."""

    def check(text: str) -> str:
        if text:
            try:
                parse_condition(text, known=known)
            except Invalid as refused:
                raise ValueError("; ".join(f"{one.problem} ({one.remedy})" for one in refused.problems)) from None
        return text

    return check


class Expectation(BaseModel):
    """What an answer is held against: its time in seconds, and a condition."""

    response_time_seconds: float = Field(default=2.0, gt=0)
    expect: Annotated[str, Field(max_length=500)] = ""


class Thresholds(Expectation):
    """The part of a system's `settings` that most checks share; no check waits longer for an answer."""

    timeout_seconds: float = Field(default=5.0, gt=0, le=9)


def told(
    status: CheckStatus,
    kind: str,
    title: str,
    detail: str,
    *,
    component: str,
    evidence: Mapping[str, object],
    seconds: float | None = None,
    cause_rank: int = 6,
) -> CheckResult:
    """A result with one finding: FAIL is of high severity, anything else of medium."""
    finding = Finding(
        type=kind,
        severity=Severity.HIGH if status is CheckStatus.FAIL else Severity.MEDIUM,
        title=title,
        description=detail,
        component=component,
        evidence=evidence,
        confidence=0.95,
        cause_rank=cause_rank,
    )
    return CheckResult(status=status, summary=detail, evidence=evidence, findings=[finding], seconds=seconds)


async def answer_within(seconds: float, look: Awaitable[T], where: str) -> T:
    """What the look gives. Raises Timeout where that takes too long, whatever the connector's own patience is."""
    try:
        async with asyncio.timeout(seconds):
            return await look
    except TimeoutError:
        raise Timeout(f"{where} did not answer within {seconds:g} s") from None


def unusable(error: ConnectorError, *, subject: str, title: str, where: str) -> CheckResult:
    """FAIL for a system that gave no usable answer. Raises the error where it tells nothing of the system: we may not
    look there, or not at that."""
    if failure_kind(error) in ("policy", "permission", "local"):
        raise error
    evidence = {"kind": failure_kind(error), "detail": error.detail}
    kind = f"{subject}_unreachable"
    return told(CheckStatus.FAIL, kind, title, error.detail, component=where, evidence=evidence, cause_rank=3)


def held_against(
    thresholds: Expectation,
    *,
    subject: str,
    where: str,
    said: str,
    seconds: float,
    values: Mapping[str, object],
    evidence: Mapping[str, object],
) -> CheckResult:
    """An answer that came: FAIL where the condition does not hold, WARN where it was slow, else PASS.

    `subject` begins the kinds of finding (`ldap` gives `ldap_slow`), `where` is the address, `said` the
    answer in words.
    """
    if thresholds.expect and not parse_condition(thresholds.expect).holds({"latency": seconds, **values}):
        detail = f"{where} does not answer as expected: {thresholds.expect}"
        title = "The answer is not as expected"
        return told(
            CheckStatus.FAIL,
            f"{subject}_unexpected",
            title,
            detail,
            component=where,
            evidence=evidence,
            seconds=seconds,
        )
    if seconds > thresholds.response_time_seconds:
        detail = f"{where} answers in {seconds:.2f} s, more than {thresholds.response_time_seconds:g} s"
        return told(
            CheckStatus.WARN,
            f"{subject}_slow",
            "The answer is slow",
            detail,
            component=where,
            evidence=evidence,
            seconds=seconds,
        )
    summary = f"{where} answers in {1000 * seconds:.1f} ms: {said}"
    return CheckResult(status=CheckStatus.PASS, summary=summary, evidence=evidence, seconds=seconds)
