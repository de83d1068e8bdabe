"""Figures of a program of one's own: how long its operations take, what it counts, and which errors it meets.

from opsteward.troubleshooting import Monitoring

monitoring = Monitoring("billing")
with monitoring.timer("close the month"):
    ...
print(monitoring.export())
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from opsteward.core.clock import iso
from opsteward.core.errors import Invalid
from opsteward.troubleshooting.error_patterns import ErrorPattern, ErrorPatterns

_NAMES_LIMIT = 1000  # of each kind
_DURATIONS_KEPT = 1000  # of each operation, the newest
_NAME_LENGTH = 200


@dataclass(frozen=True, kw_only=True)
class TimerFigures:
    """Seconds. `failures` are operations that ended with an error; percentiles are of the newest thousand."""

    count: int
    failures: int
    running: int
    total: float
    mean: float
    shortest: float
    longest: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """All figures at one time (`at`: ISO 8601)."""

    name: str
    at: str
    uptime_seconds: float
    counters: dict[str, float]
    gauges: dict[str, float]
    timers: dict[str, TimerFigures]
    errors: Sequence[ErrorPattern]


@dataclass
class _Timer:
    count: int = 0
    failures: int = 0
    running: int = 0
    total: float = 0.0
    shortest: float = float("inf")
    longest: float = 0.0
    latest: deque[float] = field(default_factory=lambda: deque(maxlen=_DURATIONS_KEPT))


class Monitoring:
    """For one program; any thread and any coroutine may use it. Nothing leaves the program but by `export`."""

    def __init__(self, name: str = "program") -> None:
        self.name = name
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._counters: dict[str, float] = {}
        self._gauges: dict[str, float] = {}
        self._timers: dict[str, _Timer] = {}
        self._errors = ErrorPatterns()

    @contextmanager
    def timer(self, operation: str) -> Iterator[None]:
        """Time the block; an error that ends it is counted as a failure of the operation, and raised on."""
        with self._lock:
            timer = self._timers.setdefault(_checked(operation, self._timers), _Timer())
            timer.running += 1
        began = time.perf_counter()
        try:
            yield
        except BaseException as error:
            self._end(timer, began, failed=True)
            if isinstance(error, Exception):  # a cancelled coroutine is no error of its own
                self.error(error, operation=operation)
            raise
        self._end(timer, began, failed=False)

    def count(self, name: str, by: float = 1) -> None:
        """Add to a counter. Raises Invalid for less than nothing: what goes down is a gauge."""
        if by < 0:
            raise Invalid.field("by", "is less than 0", "use a gauge for what goes up and down")
        with self._lock:
            self._counters[_checked(name, self._counters)] = self._counters.get(name, 0) + by

    def gauge(self, name: str, value: float) -> None:
        """Say how much it is now."""
        with self._lock:
            self._gauges[_checked(name, self._gauges)] = value

    def error(self, error: BaseException | str, *, operation: str = "") -> None:
        """Count an error by its pattern; values in its text (ids, addresses) make no difference."""
        with self._lock:
            self._errors.add(error, operation=operation, at=time.time())

    def error_patterns(self) -> list[ErrorPattern]:
        """The errors so far by their pattern, the most frequent first, each with its trend and what to do."""
        with self._lock:
            return self._errors.found(time.time())

    def snapshot(self) -> Snapshot:
        """All figures as they are now."""
        patterns = self.error_patterns()
        with self._lock:
            return Snapshot(
                name=self.name,
                at=iso(datetime.now(UTC)),
                uptime_seconds=round(time.monotonic() - self._began, 3),
                counters=dict(self._counters),
                gauges=dict(self._gauges),
                timers={name: _figures(timer) for name, timer in self._timers.items()},
                errors=patterns,
            )

    def export(self, path: str | Path | None = None) -> Path:
        """Write a snapshot as JSON and give its path: the one named, a new file in the folder named, or one in the
        working folder. Raises Invalid where it can't be written."""
        named = Path.cwd() if path is None else Path(path)
        if named.is_dir():
            safe = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in self.name)[:60]
            named = named / f"{safe or 'program'}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.json"
        try:
            named.write_text(json.dumps(asdict(self.snapshot()), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        except OSError as error:
            raise Invalid.field(
                "path", f"can't be written ({error.strerror})", "name a file in a folder that is there"
            ) from None
        return named.resolve()

    def _end(self, timer: _Timer, began: float, *, failed: bool) -> None:
        seconds = time.perf_counter() - began
        with self._lock:
            timer.running -= 1
            timer.count += 1
            timer.failures += failed
            timer.total += seconds
            timer.shortest, timer.longest = min(timer.shortest, seconds), max(timer.longest, seconds)
            timer.latest.append(seconds)


def _checked(name: str, known: Mapping[str, object]) -> str:
    """The name, where it is one. Raises Invalid for none, and where there are too many: a value stands in a name."""
    if not name or len(name) > _NAME_LENGTH:
        raise Invalid.field("name", f"has {len(name)} characters", f"give it 1 to {_NAME_LENGTH}")
    if name not in known and len(known) >= _NAMES_LIMIT:
        raise Invalid.field("name", f"is one more than {_NAMES_LIMIT}", "leave ids and other values out of names")
    return name


def _figures(timer: _Timer) -> TimerFigures:
    ordered = sorted(timer.latest)

    def percentile(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 6) if ordered else 0.0

    return TimerFigures(
        count=timer.count,
        failures=timer.failures,
        running=timer.running,
        total=round(timer.total, 6),
        mean=round(timer.total / timer.count, 6) if timer.count else 0.0,
        shortest=round(timer.shortest, 6) if timer.count else 0.0,
        longest=round(timer.longest, 6),
        p50=percentile(0.5),
        p95=percentile(0.95),
        p99=percentile(0.99),
    )
