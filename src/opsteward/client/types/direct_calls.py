"""What the API takes and answers about direct calls, written from the OpenAPI document by
`python docs/generate.py`.

At run time these are the JSON documents themselves: a field that a newer instance adds is there, untyped.
"""

from __future__ import annotations

from typing import NotRequired, TypedDict

from opsteward.core.json_types import Json


class CallFileProblem(TypedDict):
    """What is wrong in a file, where, and how to mend it."""

    file: str
    line: int
    field: str
    problem: str
    remedy: str


class CallIn(TypedDict):
    """The values of the call."""

    values: NotRequired[dict[str, Json]]


class CallRows(TypedDict):
    """What a call gave. `cut`: there was more than it may give."""

    call: str
    system: str
    rows: list[dict[str, Json]]
    cut: bool
    seconds: float


class CallValueOut(TypedDict):
    """A value that a call takes. It has to be sent where it is `required`."""

    name: str
    type: str
    says: str
    required: bool
    default: Json
    choices: list[str]


class DirectCallOut(TypedDict):
    """A call: what it reads, from which system, by which values, and within which limits."""

    name: str
    says: str
    system: str
    reads: str
    values: list[CallValueOut]
    rows: int
    seconds: float
    file: str


class DirectCallsOut(TypedDict):
    """All calls of the installation, and what is wrong in their files."""

    items: list[DirectCallOut]
    problems: list[CallFileProblem]
