"""The records of one read, each once: what has no key, or one that came before, is told as a problem of the read."""

from __future__ import annotations

from collections.abc import Iterable

from opsteward.contracts.records import Batch, Record

_PROBLEMS_LIMIT = 100


class DistinctRecords:
    """One for each read. `problems` are sentences, the first hundred."""

    def __init__(self, *, without_key: str = "a row has no key") -> None:
        """`without_key`: what is told of a record that has none."""
        self._without_key = without_key
        self._seen: set[str] = set()
        self.problems: list[str] = []

    def __len__(self) -> int:
        return len(self._seen)

    def takes(self, record: Record | None) -> bool:
        """Whether it is a record that did not come before; else that is a problem."""
        if record is not None and record.native_id not in self._seen:
            self._seen.add(record.native_id)
            return True
        self.complain(self._without_key if record is None else f"two records have the key {record.native_id!r:.80}")
        return False

    def complain(self, problem: str) -> None:
        """A record that could not be read."""
        if len(self.problems) < _PROBLEMS_LIMIT:
            self.problems.append(problem)

    def batch(self, found: Iterable[tuple[Record | None, bool]]) -> Batch:
        """A part of the read; with each record, whether it counts as gone."""
        new = [(record, gone) for record, gone in found if self.takes(record) and record is not None]
        return Batch(
            upserts=[record for record, gone in new if not gone],
            deleted_ids=[record.native_id for record, gone in new if gone],
        )
