"""One row after the other: is it a user, and which rule lets it in? Everything said about it is a problem of its row.

Nothing here asks the database. Plain text takes a short way, for there may be a million rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from opsteward.core.clock import iso
from opsteward.core.errors import Invalid
from opsteward.core.name_keys import MAX_EMAIL, email_key, folded, lookalike_key, name_problem
from opsteward.directory.enrollment_rules.rules import Rule, Rules, meeting
from opsteward.directory.imports.batches import (
    DEPARTMENT,
    EXPIRES_AT,
    EXTERNAL_ID,
    PROFILE_DATA,
    ROLE,
    TAGS,
    Batch,
    Building,
    Staged,
    array_text,
    ids,
)
from opsteward.directory.imports.columns import FIELDS
from opsteward.directory.imports.dates import instant_of
from opsteward.directory.imports.records import Record, Unreadable, error, warning
from opsteward.directory.types import UserStatus
from opsteward.directory.users.validation import (
    MAX_FULL_NAME,
    MAX_PROFILE_BYTES,
    MAX_TAGS,
    MAX_WORD,
    free_data_problem,
)

_FIELDS = frozenset({*FIELDS, "profile_data."})
_PLAIN_NAME = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?").fullmatch
_PLAIN_ADDRESS = re.compile(
    r"([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)@([!-~]+)"
).fullmatch
_EXCEL_TEXT = re.compile(r'="(.*)"', re.DOTALL).fullmatch
_MAX_DEPTH = 64
_STATUSES = frozenset(UserStatus)
_CACHED = 20_000
_NULL = "\\N"
#: Marks a manager who is named by id.
BY_ID = "\x01"


class Checker:
    """Checks the rows of one file under the rules of its tenant."""

    def __init__(
        self, rules: Rules, duties: Sequence[tuple[str, str]], *, enrollment_type: str | None, typed: bool
    ) -> None:
        """`typed`: values have types (JSON); else all are text, and blank means none."""
        self._rules = rules
        self._duties = list(duties)
        self._wanted = enrollment_type
        self._typed = typed
        self._attributes = sorted({name for rule in rules.by_name.values() for name in rule.match.attributes})
        self._departments = any(rule.match.departments for rule in rules.by_name.values())
        self._chosen: dict[tuple[Any, ...], tuple[str, Rule, str]] = {}
        self._plain_words: set[str] = set()
        self._domains: set[str] = set()
        self._ids = ids()

    def batches(self, records: Iterator[Record], *, size: int, skip: int) -> Iterator[Batch]:
        """The rows in batches of `size`; the first `skip` rows are read and left. A broken file ends the last batch."""
        batch = Building(skip + 1)
        try:
            for record in records:
                if record.row <= skip:
                    continue
                self._take(record, batch)
                batch.last = record.row
                if record.row - batch.first + 1 >= size:
                    yield batch
                    batch = Building(record.row + 1)
        except (Unreadable, UnicodeError) as broken:
            at, reason = (broken.row, broken.reason) if isinstance(broken, Unreadable) else (0, "has another encoding")
            line = broken.line if isinstance(broken, Unreadable) else None
            batch.broken = reason
            batch.problems.append(error(Record(at, line, None), "file", reason))
        if batch.last >= batch.first or batch.problems:
            yield batch

    # -- one row -----------------------------------------------------------------------------------------------

    def _take(self, record: Record, batch: Building) -> None:
        before = len(batch.problems)
        if record.line is not None:
            batch.lines[record.row] = record.line
        if record.values is None:
            batch.problems.append(error(record, "row", record.problem))
            batch.refuse(record, None)
            return
        values = record.values
        if not self._typed:
            values = _unwrapped(record, values, batch)
        key = self._username(record, values.get("username"), batch)
        staged = self._staged(record, values, key, batch)
        refused = len(batch.problems) > before and any(one.kind == "error" for one in batch.problems[before:])
        if refused or staged is None or not batch.add(record, staged):
            batch.refuse(record, key)

    def _username(self, record: Record, value: Any, batch: Building) -> str | None:
        if type(value) is str and _PLAIN_NAME(value):
            return value.lower()
        text = self._text(record, "username", value, 255, batch)
        return folded(text) if text is not None else None

    def _staged(self, record: Record, values: Mapping[str, Any], key: str | None, batch: Building) -> Staged | None:
        get = values.get
        if not values.keys() <= _FIELDS:
            for unknown in [field for field in values if field not in _FIELDS][:5]:
                batch.problems.append(error(record, unknown, "is no field", values[unknown]))
        username: str = values["username"].strip() if key is not None else ""
        email, address = self._email(record, get("email"), batch)
        name = get("full_name")
        if name is None or name == "":
            name = _joined(get("first_name"), get("last_name")) or name
        full_name = self._text(record, "full_name", name, MAX_FULL_NAME, batch)
        given = 0
        role = self._word(record, "role", get("role"), 100, batch)
        if role is not None:
            given |= ROLE
        department = self._word(record, "department", get("department"), MAX_WORD, batch)
        if "department" in values:
            given |= DEPARTMENT
        external = get("external_id")
        if "external_id" in values:
            given |= EXTERNAL_ID
            external = self._text(record, "external_id", external, 255, batch) if external not in (None, "") else None
        profile = "{}"
        attributes: Mapping[str, Any] = {}
        if "profile_data" in values:
            given |= PROFILE_DATA
            attributes = self._profile(record, values, batch)
            profile = _json_text(record, attributes, batch) if attributes else "{}"
        tags: list[str] = []
        if "tags" in values:
            given |= TAGS
            tags = self._tags(record, get("tags"), batch)
        expires = None
        if "expires_at" in values:
            given |= EXPIRES_AT
            expires = self._instant(record, get("expires_at"), batch)
        manager = self._manager(record, values, key, batch) if "manager" in values or "manager_id" in values else None
        rule = self._rule(record, role or "standard_user", department, attributes, get("enrollment_type"), batch)
        status = self._status(record, get("status"), batch) if "status" in values else None
        if key is None or address is None or full_name is None:
            return None
        names = f"{username}\t{key}\t{email}\t{address}\t{full_name}\t{role or 'standard_user'}"
        if "\\" in names:
            names = names.replace("\\", "\\\\")
        line = (
            f"{record.row}\t{next(self._ids)}\t{next(self._ids)}\t{names}\t"
            f"{_NULL if key.isascii() else _cell(lookalike_key(key))}\t{_cell(department)}\t{_cell(external)}\t"
            f"{_cell(profile)}\t{_cell(array_text(tags)) if tags else '{}'}\t"
            f"{_NULL if expires is None else iso(expires)}\t{_cell(manager)}\t{rule}\t{given}\t{_cell(status)}\n"
        )
        return Staged(username, email, key, address, line)

    # -- its fields --------------------------------------------------------------------------------------------

    def _text(self, record: Record, field: str, value: Any, most: int, batch: Building) -> str | None:
        """A name, without the spaces around it; None and an error where it is none."""
        if type(value) is str and 0 < len(value) <= most and value.isprintable() and value[0] != " " != value[-1]:
            return value
        if value is None or value == "":
            batch.problems.append(error(record, field, "is missing"))
            return None
        if not isinstance(value, str):
            batch.problems.append(error(record, field, "is no text", value))
            return None
        text = value.strip()
        if text and text != value:
            batch.problems.append(warning(record, field, "had spaces around it, which were taken off", value))
        if problem := name_problem(text, most=most):
            batch.problems.append(error(record, field, problem, value))
            return None
        return text

    def _word(self, record: Record, field: str, value: Any, most: int, batch: Building) -> str | None:
        if value is None or value == "":
            return None
        if type(value) is str and value in self._plain_words and len(value) <= most:
            return value
        if isinstance(value, str) and not value.strip():
            batch.problems.append(warning(record, field, "holds nothing but spaces: read as none", value))
            return None
        text = self._text(record, field, value, most, batch)
        if text is not None and text == value and len(self._plain_words) < _CACHED:
            self._plain_words.add(value)
        return text

    def _email(self, record: Record, value: Any, batch: Building) -> tuple[str, str | None]:
        if type(value) is str and len(value) <= MAX_EMAIL and (found := _PLAIN_ADDRESS(value)):
            if found[2] in self._domains and len(found[1]) <= 64:
                return value, value.lower()
        elif value is None or value == "":
            batch.problems.append(error(record, "email", "is missing"))
            return "", None
        elif not isinstance(value, str):
            batch.problems.append(error(record, "email", "is no text", value))
            return "", None
        text = value.strip()
        if text != value:
            batch.problems.append(warning(record, "email", "had spaces around it, which were taken off", value))
        try:
            key = email_key(text)
        except ValueError as problem:
            batch.problems.append(error(record, "email", str(problem), value))
            return "", None
        domain = text.rpartition("@")[2]
        if domain.isascii() and key == text.lower() and len(self._domains) < _CACHED:
            self._domains.add(domain)
        return text, key

    def _profile(self, record: Record, values: Mapping[str, Any], batch: Building) -> Mapping[str, Any]:
        value = values["profile_data"]
        if not self._typed and isinstance(value, str):
            if not value.strip():
                value = {}
            else:
                try:
                    value = json.loads(value)
                except (ValueError, RecursionError):
                    value = None
        if value is None and self._typed:
            value = {}
        if not isinstance(value, Mapping):
            batch.problems.append(error(record, "profile_data", "is no JSON object", values["profile_data"]))
            return {}
        more = values.get("profile_data.")
        return {**value, **more} if more else value

    def _tags(self, record: Record, value: Any, batch: Building) -> list[str]:
        if isinstance(value, str):
            text = value.strip()
            if text.startswith("["):
                try:
                    value = json.loads(text)
                except (ValueError, RecursionError):
                    value = None
            elif not self._typed:
                value = [part.strip() for part in text.split(",") if part.strip()]
        if value is None and self._typed:
            return []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            batch.problems.append(error(record, "tags", "is no list of texts", value))
            return []
        if len(value) > MAX_TAGS:
            batch.problems.append(error(record, "tags", f"are {len(value)}, the most is {MAX_TAGS}"))
        for one in value[:MAX_TAGS]:
            if problem := name_problem(one, most=MAX_WORD):
                batch.problems.append(error(record, "tags", problem, one))
        return value

    def _instant(self, record: Record, value: Any, batch: Building) -> datetime | None:
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            batch.problems.append(error(record, "expires_at", "is no ISO 8601 text", value))
            return None
        try:
            found, assumed = instant_of(value.strip())
        except ValueError as problem:
            batch.problems.append(error(record, "expires_at", str(problem), value))
            return None
        if assumed:
            batch.problems.append(warning(record, "expires_at", assumed, value))
        return found

    def _manager(self, record: Record, values: Mapping[str, Any], key: str | None, batch: Building) -> str | None:
        if (by_id := values.get("manager_id")) not in (None, ""):
            try:
                return f"{BY_ID}{UUID(str(by_id).strip())}"
            except ValueError:
                batch.problems.append(error(record, "manager_id", "is no UUID", by_id))
                return None
        value = values.get("manager")
        if value is None or value == "":
            return ""
        if isinstance(value, str) and not value.strip():
            batch.problems.append(warning(record, "manager", "holds nothing but spaces: read as none", value))
            return ""
        text = self._text(record, "manager", value, MAX_EMAIL, batch)
        if text is None:
            return None
        if "@" in text:
            try:
                named = email_key(text)
            except ValueError:
                named = folded(text)
        else:
            named = folded(text)
        if named == key:
            batch.problems.append(error(record, "manager", "is the user itself", value))
        return named

    def _status(self, record: Record, value: Any, batch: Building) -> str | None:
        if value is None or value == "":
            return None
        status = value.strip().lower() if isinstance(value, str) else None
        if status not in _STATUSES:
            known = ", ".join(UserStatus)
            batch.problems.append(error(record, "status", f"is no status: use one of {known}", value))
            return None
        return status

    def _rule(
        self, record: Record, role: str, department: str | None, attributes: Mapping[str, Any], wanted: Any,
        batch: Building,
    ) -> int:  # fmt: skip
        asked = wanted if wanted not in (None, "") else self._wanted
        about = tuple(repr(attributes.get(name)) for name in self._attributes) if self._attributes else ()
        place = (role, department if self._departments else None, asked if isinstance(asked, str) else None, about)
        number = batch.numbers.get(place)
        if number is not None:
            return number
        if asked is not None and not isinstance(asked, str):
            batch.problems.append(error(record, "enrollment_type", "is no text", asked))
            return 0
        try:
            name, rule = self._rules.choose(role=role, department=department, attributes=attributes, wanted=place[2])
        except Invalid as refused:
            batch.problems.append(error(record, "enrollment_type", refused.problems[0].problem, asked))
            return 0
        if pair := meeting(rule.permissions, self._duties):
            together = f"gives {pair[0]} and {pair[1]}, which must not meet in one user (segregation of duties)"
            batch.problems.append(error(record, "enrollment_type", together, name))
            return 0
        return batch.number_of(place, name, rule)


def _unwrapped(record: Record, values: Mapping[str, Any], batch: Batch) -> Mapping[str, Any]:
    """Without Excel's ="..." around a text that looks like a number."""
    wrapped = {
        name: found[1].replace('""', '"')
        for name, value in values.items()
        if type(value) is str and value[:2] == '="' and (found := _EXCEL_TEXT(value))
    }
    for name in wrapped:
        batch.problems.append(warning(record, name, "was a spreadsheet's formula for a text: the text was taken",
                                      values[name]))  # fmt: skip
    return {**values, **wrapped} if wrapped else values


def _joined(first: Any, last: Any) -> str:
    return " ".join(part.strip() for part in (first, last) if isinstance(part, str) and part.strip())


def _cell(value: str | None) -> str:
    """As COPY takes it: names hold no control characters, JSON text and arrays none that are bare."""
    if value is None:
        return _NULL
    return value.replace("\\", "\\\\") if "\\" in value else value


def _json_text(record: Record, data: Mapping[str, Any], batch: Batch) -> str:
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        plain = len(text.encode()) <= MAX_PROFILE_BYTES and "\\u0000" not in text
    except (ValueError, TypeError, RecursionError):
        text, plain = "{}", False
    problem = None if plain else free_data_problem(data)
    if problem is None and text.count("[") + text.count("{") > _MAX_DEPTH and _depth(data) > _MAX_DEPTH:
        problem = f"is nested deeper than {_MAX_DEPTH}"
    if problem is not None:
        batch.problems.append(error(record, "profile_data", problem))
        return "{}"
    return text


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level:
        deepest += 1
        level = [
            inner
            for one in level
            for inner in (one.values() if isinstance(one, Mapping) else one)
            if isinstance(inner, Mapping | list)
        ]
    return deepest
