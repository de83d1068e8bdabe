"""What can be a user: every field's rule, said in words. For one user of a request and a million of a file alike."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from opsteward.core.errors import FieldProblem
from opsteward.core.name_keys import email_key, name_problem
from opsteward.directory.types import NewUser
from opsteward.directory.user_fields import MAX_FULL_NAME, MAX_WORD, TEXTS

MAX_TAGS = 100
MAX_PROFILE_BYTES = 64 * 1024


def problems_of(new: NewUser) -> list[FieldProblem]:
    """Everything that keeps this from being a user; empty when nothing does."""
    found: list[FieldProblem] = []

    def check(field: str, value: str | None, most: int) -> None:
        if value is not None and (problem := name_problem(value, most=most)):
            found.append(FieldProblem(field=field, problem=problem, remedy=f"use 1 to {most} printable characters"))

    check("username", new.username, 255)
    check("full_name", new.full_name, MAX_FULL_NAME)
    check("role", new.role, 100)
    for field in TEXTS:
        check(field.name, getattr(new, field.name, None), field.limit)
    if new.email is not None:
        try:
            email_key(new.email)
        except ValueError as error:
            found.append(FieldProblem(field="email", problem=str(error), remedy="use an address like name@example.com"))
    if len(new.tags) > MAX_TAGS:
        found.append(FieldProblem(field="tags", problem=f"are {len(new.tags)}", remedy=f"use at most {MAX_TAGS}"))
    for tag in new.tags[:MAX_TAGS]:
        check("tags", tag, MAX_WORD)
    if new.profile_data and (problem := free_data_problem(new.profile_data)):
        found.append(FieldProblem(field="profile_data", problem=problem, remedy="leave it out, or shorten it"))
    return found


def free_data_problem(data: Mapping[str, object]) -> str | None:
    """What keeps free data from being stored as JSON, or None."""
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, TypeError, RecursionError, UnicodeEncodeError):
        return "can't be stored: it holds what JSON text can't (a lone surrogate, NaN) or is nested too deep"
    if len(text) > MAX_PROFILE_BYTES:
        return f"is {len(text)} bytes, the most is {MAX_PROFILE_BYTES}"
    return "holds the character NUL" if _holds_nul(data) else None


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, Mapping):
        return any(_holds_nul(k) or _holds_nul(v) for k, v in value.items())
    return isinstance(value, Sequence) and any(_holds_nul(one) for one in value)
