"""Checked rows, ready to be copied into staging: one batch is what goes into one transaction."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from opsteward.directory.enrollment_rules.rules import Rule
from opsteward.directory.imports.records import Problem, Record, error

#: Which optional fields a row gives: what it does not give stays as it is.
ROLE, DEPARTMENT, EXTERNAL_ID, PROFILE_DATA, TAGS, EXPIRES_AT = 1, 2, 4, 8, 16, 32


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
    #: what the rules give, by the number that staged rows bear
    rules: list[dict[str, Any]] = field(default_factory=list)
    #: why the file can't be read any further
    broken: str = ""
    #: share of the file that is read, 0-1
    read: float = 0.0


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
        self.numbers: dict[tuple[Any, ...], int] = {}

    def add(self, record: Record, staged: Staged) -> bool:
        """False, and an error, for one whose name or address a row before it in this batch has."""
        twin = self.usernames.get(staged.key)
        if twin is not None:
            self.problems.append(error(record, "username", f"is the same as in row {twin}", staged.username))
            return False
        twin = self.addresses.get(staged.address)
        if twin is not None:
            self.problems.append(error(record, "email", f"is the same as in row {twin}", staged.email))
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

    def number_of(self, place: tuple[Any, ...], name: str, rule: Rule) -> int:
        """The number that rows of this rule bear from now on."""
        stages = rule.needed()
        self.numbers[place] = len(self.rules)
        self.rules.append(
            {
                "no": len(self.rules),
                "type": name,
                "automatic": not stages,
                "stages": stages,
                "escalate_after": stages[0]["escalate_after"] if stages else None,
                "permissions": sorted(rule.permissions),
                "systems": sorted(rule.system_access),
                "access_days": rule.access_days,
                "welcome_template": rule.welcome_template,
            }
        )
        return self.numbers[place]


def ids() -> Iterator[str]:
    """Time-ordered ids (UUID version 7) as hexadecimal digits, each later than the one before."""
    millis = 0
    while True:
        millis = max(millis + 1, time.time_ns() // 1_000_000)
        noise = os.urandom(8 * 4096).hex()
        head = f"{millis:012x}7"
        for number in range(4096):
            at = number * 16
            yield f"{head}{number:03x}{'89ab'[int(noise[at], 16) & 3]}{noise[at + 1 : at + 16]}"


def array_text(values: list[str]) -> str:
    """An array literal of PostgreSQL."""
    if not values:
        return "{}"
    inner = ",".join('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)
    return f"{{{inner}}}"
