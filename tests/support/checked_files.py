"""A file of users as the readers and the checker take it, without a database."""

from __future__ import annotations

from collections.abc import Iterator

from opsteward.directory.enrollment_rules.rules import SHIPPED, Rules
from opsteward.directory.imports.batch_sql import STAGED
from opsteward.directory.imports.day_order import day_order_of
from opsteward.directory.imports.reading import records
from opsteward.directory.imports.records import Problem, Reading
from opsteward.directory.imports.row_checks import Checker
from opsteward.directory.imports.text_encoding import EncodingFinder


class Checked:
    """What comes out of a file; it is read in small blocks, as a stream is."""

    def __init__(self, content: bytes, file_format: str, *, block: int = 1000, mapping: dict[str, str] | None = None):
        finder = EncodingFinder()
        finder.look(content)
        encoding, note = finder.found()
        self.notes = [note] if note else []
        reading = Reading(format=file_format, encoding=encoding, mapping=mapping or {})
        typed = file_format in ("json", "ndjson")

        def again() -> Iterator[bytes]:
            return iter([content[at : at + block] for at in range(0, len(content), block)])

        order = day_order_of(again, reading)
        checker = Checker(Rules(SHIPPED), [], enrollment_type=None, typed=typed, day_order=order)
        self.users: dict[str, dict[str, str]] = {}
        self.problems: list[Problem] = []
        self.failed = self.rows = 0
        for batch in checker.batches(records(again(), reading, self.notes.append), first_size=2, size=2, skip=0):
            for line in batch.staged:
                user = dict(zip(STAGED, line.rstrip("\n").split("\t"), strict=True))
                self.users[user["username"]] = user
            self.problems += batch.problems
            self.failed += len(batch.failed)
            self.rows = batch.last

    @property
    def statuses(self) -> dict[str, str | None]:
        return {name: None if user["status"] == "\\N" else user["status"] for name, user in self.users.items()}

    @property
    def skipped(self) -> int:
        return self.rows - len(self.users) - self.failed
