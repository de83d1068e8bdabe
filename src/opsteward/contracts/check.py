"""A read-only look at one system: health on an interval, deeper diagnosis on demand."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

from pydantic import BaseModel

from opsteward.contracts.connector import Connector, SystemRef

Domain = Literal["web", "database", "network"]


class CheckStatus(StrEnum):
    """`unknown` means the check could not look; it is never a failure of the system."""

    PASS = "pass"  # noqa: S105 - a check's outcome
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"


class Severity(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, kw_only=True)
class ProposedFix:
    """An action that may mend a finding: plain data, so that a check can't cause an effect itself.

    `params` must fit the action's `params_model` and name the exact thing (a session with its start
    time, a process with its start time), not "whatever is there when we arrive".
    """

    action: str
    params: Mapping[str, object]
    reason: str


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, with its proof. `cause_rank`: 0 is a root cause; higher is more of a symptom."""

    type: str
    severity: Severity
    title: str
    description: str
    component: str
    evidence: Mapping[str, object]
    confidence: float
    cause_rank: int = 5
    fixes: Sequence[ProposedFix] = ()


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What one look showed. `seconds` is the system's response time, not the check's overhead.

    `advice` is what should be better or may become trouble, and harms nobody now: never taken for a cause, never mended
    by itself. `unseen` says,
    each in a sentence, what could not be looked at and what would make it possible.
    """

    status: CheckStatus
    summary: str
    evidence: Mapping[str, object] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    advice: Sequence[Finding] = ()
    unseen: Sequence[str] = ()
    seconds: float | None = None


@dataclass(frozen=True)
class Measure:
    """A figure in a check's evidence that can run out, reached from either side of its limit: `value` and `limit` are
    names there, a limit also a number. `each`: the list there that holds several, and what names one in it."""

    value: str
    limit: float | str
    each: tuple[str, str] | None = None


ConnectorT = TypeVar("ConnectorT", bound=Connector[BaseModel])


class Check(ABC, Generic[ConnectorT]):
    """Read-only. `health` checks run on the system's interval; all checks of a domain run in a diagnosis.

    A check that can't look (no permission, connector down for another reason) answers UNKNOWN. One whose
    very subject is reachability (HTTP status, database connect, TCP) answers FAIL when it can't reach.
    """

    slug: ClassVar[str]
    title: ClassVar[str]
    domain: ClassVar[Domain]
    health: ClassVar[bool] = False
    measures: ClassVar[Sequence[Measure]] = ()  # kept every few minutes, for the early warning
    timeout: ClassVar[float] = 10.0  # seconds

    def fits(self, target: SystemRef) -> bool:
        """Whether it has anything to look at on such a system, by its registration alone."""
        return True

    @abstractmethod
    async def run(self, via: ConnectorT, target: SystemRef) -> CheckResult:
        """Look once. May raise only ConnectorError (the caller maps it to UNKNOWN)."""


#: One of a list of checks: which connector it looks through is known to the check alone.
AnyCheck: TypeAlias = Check[Any]
