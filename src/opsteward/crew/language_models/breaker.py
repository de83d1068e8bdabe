"""A circuit breaker for each model: after some failures in a row it is not asked for a while, then tried once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class _Circuit:
    failures: int = 0
    open_until: float = 0.0


@dataclass
class Breakers:
    """The breakers of one process."""

    failures: int
    seconds: float
    clock: Callable[[], float] = time.monotonic
    _circuits: dict[str, _Circuit] = field(default_factory=dict)

    def may_ask(self, model: str) -> bool:
        """Whether it may be asked now. After its time one try is let through, which decides."""
        circuit = self._circuits.get(model)
        if circuit is None or circuit.failures < self.failures:
            return True
        if self.clock() < circuit.open_until:
            return False
        circuit.open_until = self.clock() + self.seconds  # others wait for what this try comes to
        return True

    def note(self, model: str, *, ok: bool) -> None:
        """How a call ended."""
        circuit = self._circuits.setdefault(model, _Circuit())
        if ok:
            circuit.failures = 0
            return
        circuit.failures += 1
        if circuit.failures >= self.failures:
            circuit.open_until = self.clock() + self.seconds
