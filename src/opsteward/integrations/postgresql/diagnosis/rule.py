"""What a rule of the diagnoser is: an entry of the catalogue, and the function that judges a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from opsteward.contracts.check import ProposedFix, Severity
from opsteward.integrations.postgresql.diagnosis.snapshot import Reading, Snapshot

#: Where a cause lies, and so who mends it.
Cause = Literal["application", "workload", "configuration", "capacity", "maintenance", "schema", "environment"]
#: Causes before symptoms: what lock chains (0), leaks (1) and idle transactions (2) are measured against.
ROOT: Final = 0
CONTRIBUTES: Final = 3
SYMPTOM: Final = 6


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that a rule found: what it is about, what is wrong in words, and the values that show it."""

    component: str
    says: str
    values: Mapping[str, object]
    severity: Severity | None = None  # the rule's own where it is not said
    is_risk: bool | None = None  # likewise
    fixes: Sequence[ProposedFix] = ()


@dataclass(frozen=True)
class Unseen:
    """A part of what the rule is about could not be looked at, and what would make it possible."""

    why: str


Judge: TypeAlias = Callable[[Snapshot], Iterator[Fault | Unseen]]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """`is_risk`: what it finds may become trouble and harms nobody now. Like what is of low severity it is told as
    advice, and never taken for the cause of an incident.

    `remedy` names the actions that a finding may propose; none where a person has to act, as `advice` says.
    """

    id: str
    subject: str
    finds: str
    severity: Severity
    is_risk: bool
    cause: Cause
    rank: int
    reads: tuple[Reading, ...]
    remedy: tuple[str, ...]
    advice: str
    judge: Judge


@dataclass(frozen=True)
class Rules:
    """The rules of one subject, in the order in which they are written."""

    subject: str
    entries: list[Rule]

    def rule(
        self,
        finds: str,
        *reads: Reading,
        severity: Severity = Severity.MEDIUM,
        is_risk: bool = False,
        cause: Cause,
        rank: int = CONTRIBUTES,
        remedy: tuple[str, ...] = (),
        advice: str,
    ) -> Callable[[Judge], Judge]:
        """Makes the function a rule; its name, without the underscore, is the rule's id."""

        def add(judge: Judge) -> Judge:
            self.entries.append(
                Rule(
                    id=judge.__name__.removeprefix("_"),
                    subject=self.subject,
                    finds=finds,
                    severity=severity,
                    is_risk=is_risk or severity is Severity.LOW,
                    cause=cause,
                    rank=rank,
                    reads=reads,
                    remedy=remedy,
                    advice=advice,
                    judge=judge,
                )
            )
            return judge

        return add


def bytes_in_words(size: float) -> str:
    """512 kB, 3.2 GB"""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"


def seconds_in_words(seconds: float) -> str:
    """45 s, 12 min, 3.5 h, 8 days"""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172800 else f"{seconds / 86400:.0f} days"
