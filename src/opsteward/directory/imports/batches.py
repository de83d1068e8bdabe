"""Checked rows, ready to be copied into staging: one batch is what goes into one transaction."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from opsteward.directory.enrollment_rules.rules import Rule, due_access
from opsteward.directory.imports.records import KnownRow, Problem, Record, error, warning
from opsteward.directory.types import UserStatus


class Enrolling(NamedTuple):
    """How rows are enrolled that bear this number: by which rule, and which status the file gives them."""

    number: int
    name: str
    rule: Rule
    status: str | None

    @property
    def standing(self) -> UserStatus:
        """The status of a new user."""
        if self.status in (UserStatus.INACTIVE, UserStatus.SUSPENDED, UserStatus.ARCHIVED):
            return UserStatus(self.status)
        return UserStatus.PENDING if self.rule.needed() else UserStatus.ACTIVE

    def for_sql(self) -> dict[str, object]:
        """As the statements join it: what it gives a new user at once, and its enrolment."""
        stages = self.rule.needed()
        permissions, systems = due_access(self.rule, (), status=self.standing)
        return {
            "no": self.number, "type": self.name, "automatic": not stages, "stages": stages,
            "escalate_after": stages[0]["escalate_after"] if stages else None, "standing": self.standing,
            "permissions": permissions, "systems": systems, "access_days": self.rule.access_days,
        }  # fmt: skip


@dataclass(kw_only=True)
class Batch:
    """`first` to `last` are rows of the file; `staged` are lines in the text format of COPY."""

    first: int
    last: int = 0
    staged: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    failed: set[int] = field(default_factory=set)
    #: line of the file by row, where the format has lines
    lines: dict[int, int] = field(default_factory=dict)
    #: usernames of rows that are kept out: who is named in the file is not absent from it
    refused_keys: list[str] = field(default_factory=list)
    nameless: int = 0
    #: by the number that staged rows bear
    enrolling: list[Enrolling] = field(default_factory=list)
    #: why the file can't be read any further
    broken: str = ""
    #: share of the file that is read, 0-1
    read: float = 0.0
    #: of what the rows say, by row, where that is worth keeping
    digests: dict[int, bytes] = field(default_factory=dict)
    #: rows that were not checked, for an earlier import has taken the same
    known: list[KnownRow] = field(default_factory=list)
    #: all of its rows, where some are known
    records: list[Record] = field(default_factory=list)


class Staged(NamedTuple):
    """A row that may be a user, and its line for staging."""

    username: str
    email: str
    key: str
    address: str
    line: str


class Building(Batch):
    """A batch that is being filled."""

    def __init__(self, first: int) -> None:
        super().__init__(first=first, last=first - 1)
        self.usernames: dict[str, int] = {}
        self.addresses: dict[str, int] = {}
        self.numbers: dict[tuple[object, ...], int] = {}

    def error(self, record: Record, field: str, reason: str, value: object = "") -> None:
        """Keep the row out, and say why."""
        self.problems.append(error(record, field, reason, value))

    def warn(self, record: Record, field: str, reason: str, value: object = "") -> None:
        """Say what was done to the row."""
        self.problems.append(warning(record, field, reason, value))

    def add(self, record: Record, staged: Staged) -> bool:
        """False, and an error, for one whose name or address a row before it in this batch has."""
        twin = self.usernames.get(staged.key)
        if twin is not None:
            self.error(record, "username", f"is the same as in row {twin}", staged.username)
            return False
        twin = self.addresses.get(staged.address)
        if twin is not None:
            self.error(record, "email", f"is the same as in row {twin}", staged.email)
            return False
        self.usernames[staged.key] = self.addresses[staged.address] = record.row
        self.staged.append(staged.line)
        return True

    def refuse(self, record: Record, key: str | None) -> None:
        """Keep the row out; a user whom it names is not absent for that."""
        self.failed.add(record.row)
        if key is None:
            self.nameless += 1
        else:
            self.refused_keys.append(key)

    def number_of(self, place: tuple[object, ...], name: str, rule: Rule, status: str | None) -> int:
        """The number that rows of this rule and status bear from now on."""
        self.numbers[place] = len(self.enrolling)
        self.enrolling.append(Enrolling(len(self.enrolling), name, rule, status))
        return self.numbers[place]


#: The first of four bits of the variant, by a random digit.
_VARIANTS = {f"{digit:x}": "89ab"[digit & 3] for digit in range(16)}


def ids() -> Iterator[str]:
    """Pairs of time-ordered ids (UUID version 7), two cells in the text of COPY; each later than the one before."""
    millis = 0
    while True:
        millis = max(millis + 1, time.time_ns() // 1_000_000)
        noise = os.urandom(8 * 4096).hex()
        head = f"{millis:012x}7"
        for number in range(0, 4096, 2):
            at = number * 16
            yield (
                f"{head}{number:03x}{_VARIANTS[noise[at]]}{noise[at + 1 : at + 16]}\t"
                f"{head}{number + 1:03x}{_VARIANTS[noise[at + 16]]}{noise[at + 17 : at + 32]}"
            )


def array_text(values: list[str]) -> str:
    """An array literal of PostgreSQL."""
    if not values:
        return "{}"
    inner = ",".join('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    return f"{{{inner}}}"
