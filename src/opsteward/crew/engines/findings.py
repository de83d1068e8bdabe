"""What is odd about each of many rows; several signs make one surer."""

from __future__ import annotations


class Findings:
    """Kinds and reasons by the place of the row."""

    def __init__(self, size: int) -> None:
        self.reasons: list[list[str]] = [[] for _ in range(size)]
        self.kinds: list[list[str]] = [[] for _ in range(size)]
        self._innocent = [1.0] * size

    def add(self, place: int, kind: str, sure: float, reason: str) -> None:
        """One sign more, `sure` of 1."""
        self.reasons[place].append(reason)
        self.kinds[place].append(kind)
        self._innocent[place] *= 1 - sure

    def score(self, place: int) -> float:
        """From 0 to 1."""
        return 1 - self._innocent[place]
