"""What a direct call is: its system, its statement or path, and the values that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from opsteward.core.json_types import JsonObject

ROWS_DEFAULT = 10_000
ROWS_LIMIT = 100_000
SECONDS_DEFAULT = 10.0
SECONDS_LIMIT = 120.0


class ValueType(StrEnum):
    """What a value has to be."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    TIME = "time"
    TEXTS = "texts"
    INTEGERS = "integers"


@dataclass(frozen=True, kw_only=True)
class CallValue:
    """One value of a call. Without a default it has to be given. Bounds are of numbers and days, or of a text's or
    list's length."""

    name: str
    type: ValueType
    says: str = ""
    has_default: bool = False
    default: object = None
    low: object = None
    high: object = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DirectCall:
    """A query (`statement`) or a list of an API (`declared`), named."""

    name: str
    says: str
    system: str
    values: Mapping[str, CallValue]
    #: SQL with %(name)s for each value
    statement: str = ""
    #: path, query, items and paging of a list, with {name} for each value
    declared: Mapping[str, object] = field(default_factory=dict)
    max_rows: int = ROWS_DEFAULT
    seconds: float = SECONDS_DEFAULT
    file: str = ""


@dataclass(frozen=True, kw_only=True)
class CallFileProblem:
    """What is wrong in a file, where, and how to mend it."""

    file: str
    line: int
    field: str
    problem: str
    remedy: str


@dataclass(frozen=True, kw_only=True)
class CallRows:
    """What a call gave. `cut`: there was more than it may give."""

    call: str
    system: str
    rows: list[JsonObject]
    cut: bool
    seconds: float
