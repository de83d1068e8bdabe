"""One value after the other: is it what its field takes? Everything said about it is a problem of its row.

A field's `check` in the table names the way that is taken here. Plain text takes a short way, for there may be a
million rows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from uuid import UUID

from opsteward.core.clock import iso
from opsteward.core.json_types import Json, depth_of
from opsteward.core.name_keys import email_key, folded, name_problem
from opsteward.directory.imports.account_status import Said, standing_of
from opsteward.directory.imports.batches import Building, array_text
from opsteward.directory.imports.dates import DayOrder, instant_of, is_never
from opsteward.directory.imports.distinguished_names import dn_key
from opsteward.directory.imports.records import Record, error
from opsteward.directory.types import UserStatus
from opsteward.directory.user_fields import UserField
from opsteward.directory.user_validation import MAX_PROFILE_BYTES, MAX_TAGS, free_data_problem

_PLAIN_ADDRESS = re.compile(
    r"([A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*)@([!-~]+)"
).fullmatch
_MAX_DEPTH = 64
_MAX_NUMBER = 200  # characters
_CACHE_LIMIT = 20_000
NULL = "\\N"
#: Marks a manager who is named by id, or by a distinguished name; and the key of a user by its number in the file.
BY_ID, BY_DN, NUMBERED = "\x01", "\x02", "\x03"
#: What systems write where nobody is the manager.
_NO_MANAGER = frozenset(("no_manager", "no manager", "n/a", "-", "(none)", "null"))
_STATUSES = frozenset(UserStatus)

#: (the value for the rules, its cell in the text of COPY); None with a problem, or where the row gives nothing.
Value = str | list[str] | Mapping[str, Json] | datetime | None
Read = tuple[Value, str]


class Values:
    """Reads values of the fields. `typed`: they have types (JSON); else all are text, and blank means none."""

    def __init__(self, *, typed: bool, day_order: Callable[[], DayOrder] = DayOrder) -> None:
        """`day_order` is asked where a date may be two days: it may have to read the whole file."""
        self._typed = typed
        self._day_order = day_order
        self._words: dict[str, str] = {}
        self._domains: set[str] = set()
        #: how a field with a column of its own is read, by its `check`
        self.stored: dict[str, Callable[[Record, UserField, Json, Building], Read | None]] = {
            "word": self._word, "code": self._code, "instant": self._instant, "tags": self._tags,
            "profile": self._profile,
        }  # fmt: skip

    def text(self, record: Record, field: str, value: object, most: int, batch: Building) -> str | None:
        """A name, without the spaces around it; None and an error where it is none."""
        if type(value) is str and 0 < len(value) <= most and value.isprintable() and value[0] != " " != value[-1]:
            return value
        if value is None or value == "":
            batch.error(record, field, "is missing")
            return None
        if not isinstance(value, str):
            batch.error(record, field, "is no text", value)
            return None
        text = value.strip()
        if text and text != value:
            batch.warn(record, field, "had spaces around it, which were taken off", value)
        if problem := name_problem(text, most=most):
            batch.error(record, field, problem, value)
            return None
        return text

    def email(self, record: Record, value: object, most: int, batch: Building) -> tuple[str, str | None]:
        """(the address, its key)."""
        if type(value) is str and len(value) <= most and (found := _PLAIN_ADDRESS(value)):
            if found[2] in self._domains and len(found[1]) <= 64:
                return value, value.lower()
        elif value is None or value == "":
            batch.error(record, "email", "is missing")
            return "", None
        elif not isinstance(value, str):
            batch.error(record, "email", "is no text", value)
            return "", None
        text = value.strip()
        if text != value:
            batch.warn(record, "email", "had spaces around it, which were taken off", value)
        try:
            key = email_key(text)
        except ValueError as problem:
            batch.error(record, "email", str(problem), value)
            return "", None
        domain = text.rpartition("@")[2]
        if domain.isascii() and key == text.lower() and len(self._domains) < _CACHE_LIMIT:
            self._domains.add(domain)
        return text, key

    def manager(self, record: Record, field: UserField, key: str | None, batch: Building) -> str | None:
        """How the manager is looked up: a folded username, address or number in the file, or one marked as id or
        distinguished name."""
        values = record.values or {}
        value = values.get("manager")
        if (by_id := values.get("manager_id")) not in (None, ""):
            try:
                return f"{BY_ID}{UUID(str(by_id).strip())}"
            except ValueError:
                value = by_id
        if type(value) is int:
            value = str(value)
        if value is None or value == "" or (isinstance(value, str) and value.strip().casefold() in _NO_MANAGER):
            return ""
        if isinstance(value, str) and not value.strip():
            batch.warn(record, "manager", "holds nothing but spaces: read as none", value)
            return ""
        if isinstance(value, str) and "=" in value and (dn := dn_key(value)):
            return f"{BY_DN}{dn}"
        text = self.text(record, "manager", value, field.limit, batch)
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
            batch.error(record, "manager", "is the user itself", value)
        return named

    def status(self, record: Record, batch: Building) -> str | None:
        """What the status and all other columns that speak of it say together."""
        value = (record.values or {}).get("status")
        found: str | None = None
        if value is not None and value != "":
            found = value.strip().lower() if isinstance(value, str) else None
            if found not in _STATUSES:
                found = None if self._typed and not isinstance(value, str | bool) else standing_of_word(value)
            if found is None:
                known = ", ".join(UserStatus)
                batch.error(record, "status", f"is no status: use one of {known}", value)
                return None
        if record.said:
            status, bad = standing_of(record.said, found)
            if bad is not None:
                batch.error(record, bad.column, "does not say whether the account is in use; map the column to - to"
                            " leave it out", bad.value)  # fmt: skip
            found = status
        return found

    # -- fields with a column of their own ----------------------------------------------------------------------

    def _word(self, record: Record, field: UserField, value: Json, batch: Building) -> Read | None:
        """A text of which many rows have the same."""
        if type(value) is str and len(value) <= field.limit and (cell := self._words.get(value)) is not None:
            return value, cell
        found = self._code(record, field, value, batch)
        if isinstance(value, str) and found is not None and found[0] == value and len(self._words) < _CACHE_LIMIT:
            self._words[value] = found[1]
        return found

    def _code(self, record: Record, field: UserField, value: Json, batch: Building) -> Read | None:
        if value is None or value == "":
            return None if field.blank_keeps else (None, NULL)
        if isinstance(value, str) and not value.strip() and field.check == "word":
            batch.warn(record, field.name, "holds nothing but spaces: read as none", value)
            return None if field.blank_keeps else (None, NULL)
        if type(value) is int and field.check == "code":
            batch.warn(record, field.name, "is a number: taken as text", value)
            value = str(value)
        text = self.text(record, field.name, value, field.limit, batch)
        return (text, cell_of(text)) if text is not None else None

    def _instant(self, record: Record, field: UserField, value: Json, batch: Building) -> Read | None:
        text = str(value).strip() if type(value) in (str, int) else ""
        if value is None or value == "" or (type(value) in (str, int) and is_never(text)):
            return None, NULL
        if not text:
            batch.error(record, field.name, "is no date: write it as YYYY-MM-DD, or with time and zone", value)
            return None
        try:
            found, assumed = instant_of(text, self._day_order)
        except ValueError as problem:
            batch.error(record, field.name, str(problem), value)
            return None
        if assumed:
            batch.warn(record, field.name, assumed, value)
        return found, iso(found)

    def _tags(self, record: Record, field: UserField, value: Json, batch: Building) -> Read | None:
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
            return [], "{}"
        tags = [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
        if not isinstance(value, list) or len(tags) < len(value):
            batch.error(record, field.name, "is no list of texts", value)
            return None
        if len(tags) > MAX_TAGS:
            batch.error(record, field.name, f"are {len(tags)}, the most is {MAX_TAGS}")
        for one in tags[:MAX_TAGS]:
            if problem := name_problem(one, most=field.limit):
                batch.error(record, field.name, problem, one)
        return tags, cell_of(array_text(tags))

    def _profile(self, record: Record, field: UserField, value: Json, batch: Building) -> Read | None:
        given = value
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
            batch.error(record, field.name, "is no JSON object", given)
            return None
        more = (record.values or {}).get("profile_data.")
        if isinstance(more, dict):
            value = {**value, **more}
        return value, cell_of(_json_text(record, field.name, value, batch)) if value else "{}"


def number_key(values: Mapping[str, Json]) -> str | None:
    """By what others of the file name this user as their manager, where it is neither a name nor an address."""
    if "manager" not in values and "manager_id" not in values:
        return None
    number = values.get("number") or values.get("external_id")
    text = folded(str(number).strip()) if isinstance(number, str | int) else ""
    return f"{NUMBERED}{text}" if 0 < len(text) <= _MAX_NUMBER and text.isprintable() else None


def standing_of_word(value: object) -> str | None:
    """A status in another system's word, as `status` may hold one."""
    found, bad = standing_of([Said("status", "word", value)])
    return None if bad else found


def cell_of(value: str | None) -> str:
    """As COPY takes it: names hold no control characters, JSON text and arrays none that are bare."""
    if value is None:
        return NULL
    return value.replace("\\", "\\\\") if "\\" in value else value


def _json_text(record: Record, field: str, data: Mapping[str, Json], batch: Building) -> str:
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        plain = len(text.encode()) <= MAX_PROFILE_BYTES and "\\u0000" not in text
    except (ValueError, TypeError, RecursionError):
        text, plain = "{}", False
    problem = None if plain else free_data_problem(data)
    if problem is None and text.count("[") + text.count("{") > _MAX_DEPTH and depth_of(data) > _MAX_DEPTH:
        problem = f"is nested deeper than {_MAX_DEPTH}"
    if problem is not None:
        batch.problems.append(error(record, field, problem))
        return "{}"
    return text
