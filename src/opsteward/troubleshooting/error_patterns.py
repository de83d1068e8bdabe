"""Errors of one program by their pattern: how often, since when, whether they become more, and what to do."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from opsteward.core.redact import redact_text
from opsteward.events.classification import classify
from opsteward.events.templates import mask

Trend = Literal["rising", "steady", "falling", "new"]

_PATTERNS_LIMIT = 500
_TIMES_LIMIT = 1000  # of one pattern, the newest
_TREND_SPAN = 600.0  # seconds, held against as many before
_FEW = 5  # errors that tell no trend yet
_RISING, _FALLING = 2.0, 0.5

#: The first whose words stand in the message or in the error's name.
_RECOMMENDATIONS: Final[Sequence[tuple[str, str]]] = (
    (r"too many (connections|clients)|connection slots|pool.{0,40}(exhaust|timeout|limit)|queuepool",
     "Connections are used up: look for those that are never given back, make the pool fit the server's limit"),
    (r"deadlock", "Transactions lock each other: take locks in one order, keep transactions short, and retry"),
    (r"(lock|statement).{0,20}timeout|could not obtain lock|canceling statement due to",
     "A statement waits or runs too long: find who blocks it (`opsteward diagnose`), and the missing index"),
    (r"connection refused|econnrefused|does not accept connections|nobody listens",
     "Nothing listens there: look whether the service runs, and at host and port"),
    (r"name or service not known|getaddrinfo|nxdomain|name resolution|enotfound",
     "The name has no address: look at DNS and at the host's name"),
    (r"certificate|ssl|tls", "The certificate is not accepted: look at its end, its name and its chain"),
    (r"connection (reset|aborted)|broken pipe|econnreset|server closed|remote end closed",
     "The other side breaks off: look whether it restarts, and at timeouts of proxies in between"),
    (r"no space left|disk full|enospc|quota exceeded", "The disk is full: free space by your rule, then enlarge it"),
    (r"too many open files|emfile", "File descriptors are used up: find what is not closed, or raise the limit"),
    (r"out of memory|memoryerror|cannot allocate|oom",
     "Memory is used up: look for what grows without end, or give it more"),
    (r"\b429\b|rate.?limit|too many requests|throttl", "The other side limits you: send less at once, wait as it says"),
    (r"\b401\b|unauthori[sz]ed|authentication failed|invalid (token|password|credentials)|expired token",
     "Who you are is not accepted: renew the credential"),
    (r"\b403\b|forbidden|permission denied|access denied|insufficient privilege",
     "You may not do this: have the right granted"),
    (r"\b50[234]\b|bad gateway|service unavailable|gateway timeout",
     "What stands behind the proxy does not answer: look at that service first"),
    (r"time[d ]?-?out|deadline exceeded",
     "No answer in time: look at the latency of what is called; retry with growing pauses"),
    (r"duplicate key|unique constraint|already exists", "It is there already: make it harmless to do the same again"),
    (r"(undefined|no such) (table|column)|relation .{1,80} does not exist|migration",
     "Code and schema differ: apply the migrations, or roll the release back"),
    (r"no such file|filenotfound|enoent", "A file is missing: look at the path and at what should have written it"),
    (r"jsondecode|unexpected (token|end)|invalid json|parse error",
     "The answer is not what is expected: compare it with the API's contract"),
    (r"typeerror|attributeerror|nullpointer|keyerror|indexerror|undefined is not|none.?type",
     "A fault of the program: see the stack trace and the last release"),
)  # fmt: skip
_COMPILED = [(re.compile(words, re.IGNORECASE), advice) for words, advice in _RECOMMENDATIONS]
_BY_CATEGORY: Final = {
    "validation_error": "What was sent does not fit: tell the sender which field, and what is expected",
    "security_issue": "Have the security team look at it",
    "system_error": "Diagnose the system that it names (`opsteward diagnose SYSTEM`)",
    "ignorable": "Nothing has to be done",
}


@dataclass(frozen=True, kw_only=True)
class ErrorPattern:
    """Errors that say the same. Instants in seconds since 1970; `example` is one of them, without secrets."""

    pattern: str
    error_type: str
    count: int
    first_at: float
    last_at: float
    operations: Sequence[str]
    category: str
    severity: str
    trend: Trend
    recommendation: str
    example: str


@dataclass
class _Seen:
    error_type: str
    example: str
    count: int = 0
    first_at: float = 0.0
    times: deque[float] = field(default_factory=lambda: deque(maxlen=_TIMES_LIMIT))
    operations: dict[str, None] = field(default_factory=dict)


class ErrorPatterns:
    """Bounded: beyond some hundred patterns the one that was not seen for longest is forgotten."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], _Seen] = {}

    def add(self, error: BaseException | str, *, operation: str, at: float) -> None:
        """Count an error; `at` in seconds since 1970."""
        error_type = type(error).__name__ if isinstance(error, BaseException) else ""
        message = redact_text(str(error))
        key = (error_type, mask(message))
        seen = self._seen.pop(key, None) or _Seen(error_type, message[:1000], first_at=at)
        self._seen[key] = seen  # now the newest
        seen.count += 1
        seen.times.append(at)
        if operation and len(seen.operations) < 20:
            seen.operations[operation] = None
        if len(self._seen) > _PATTERNS_LIMIT:
            del self._seen[next(iter(self._seen))]

    def found(self, now: float) -> list[ErrorPattern]:
        """The most frequent first."""
        patterns = [_pattern(template, seen, now) for (_, template), seen in self._seen.items()]
        return sorted(patterns, key=lambda each: (-each.count, each.pattern))


def recommendation(error_type: str, message: str, category: str) -> str:
    """What to do about such an error."""
    text = f"{error_type} {message[:2000]}"
    return next((advice for words, advice in _COMPILED if words.search(text)), _BY_CATEGORY.get(category, ""))


def _pattern(template: str, seen: _Seen, now: float) -> ErrorPattern:
    judged = classify(error_type=seen.error_type or None, message=seen.example)
    return ErrorPattern(
        pattern=template,
        error_type=seen.error_type,
        count=seen.count,
        first_at=seen.first_at,
        last_at=seen.times[-1],
        operations=list(seen.operations),
        category=judged.category.value,
        severity=judged.severity.value,
        trend=_trend(seen, now),
        recommendation=recommendation(seen.error_type, seen.example, judged.category.value),
        example=seen.example,
    )


def _trend(seen: _Seen, now: float) -> Trend:
    late = sum(at > now - _TREND_SPAN for at in seen.times)
    early = sum(now - 2 * _TREND_SPAN < at <= now - _TREND_SPAN for at in seen.times)
    if seen.first_at > now - _TREND_SPAN:
        return "new"
    if late + early < _FEW:
        return "steady"
    ratio = (late + 0.5) / (early + 0.5)
    return "rising" if ratio > _RISING else "falling" if ratio < _FALLING else "steady"
