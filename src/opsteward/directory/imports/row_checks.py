"""One row after the other: is it a user, and which rule lets it in? Everything said about it is a problem of its row.

Nothing here asks the database.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime

from opsteward.core.clock import now
from opsteward.core.errors import Invalid
from opsteward.core.json_types import Json
from opsteward.core.name_keys import folded, lookalike_key
from opsteward.directory.enrollment_rules.rules import Rules, meeting
from opsteward.directory.imports.batches import Batch, Building, Staged, ids
from opsteward.directory.imports.dates import DayOrder
from opsteward.directory.imports.distinguished_names import dn_key
from opsteward.directory.imports.records import KnownRow, Record, Unreadable, error, warning
from opsteward.directory.imports.unchanged_rows import KnownRows, digest_of
from opsteward.directory.imports.value_checks import NULL, Value, Values, cell_of, number_key
from opsteward.directory.types import UserStatus
from opsteward.directory.user_fields import FIELD_NAMES, STORED, USER_FIELDS

_FIELDS = frozenset({*FIELD_NAMES, "profile_data."})
_LIMITS = {field.name: field.limit for field in USER_FIELDS}
_BY_NAME = {field.name: field for field in USER_FIELDS}
_EMPTY = [field.empty for _, field in STORED]
_PLAIN_NAME = re.compile(r"[!-~](?:[ -~]{0,253}[!-~])?").fullmatch
_OF_A_NAME = re.compile(r"[^\W\d_](?:[^\W\d_]|[ .'’-])*").fullmatch
_BEHIND_NAMES = re.compile(
    r"(?:[js]r|i{1,3}|iv|ph\.? ?d|m\.?d|m\.?a|m\.?b\.?a|m\.?sc|b\.?sc|b\.?a|esq|cpa"
    r"|dds|rn|llm|dipl\.?.*|inc|ltd|llc|gmbh)\.?",
    re.IGNORECASE,
)
_SEVERAL = re.compile(r"\s*[;,|\n\s]\s*")
_EXCEL_TEXT = re.compile(r'="(.*)"', re.DOTALL).fullmatch


class Checker:
    """Checks the rows of one file under the rules of its tenant."""

    def __init__(
        self,
        rules: Rules,
        duties: Sequence[tuple[str, str]],
        *,
        enrollment_type: str | None,
        typed: bool,
        day_order: Callable[[], DayOrder] = DayOrder,
    ) -> None:
        """`typed`: values have types (JSON); else all are text, and blank means none. `day_order`: see `Values`."""
        self._rules = rules
        self._duties = list(duties)
        self._wanted = enrollment_type
        self._typed = typed
        self._values = Values(typed=typed, day_order=day_order)
        self._stored = [
            (place, bit, field, self._values.stored[field.check]) for place, (bit, field) in enumerate(STORED)
        ]
        self._attributes = sorted({name for rule in rules.by_name.values() for name in rule.match.attributes})
        self._departments = any(rule.match.departments for rule in rules.by_name.values())
        self._ids = ids()
        self._now = now()

    def batches(
        self, records: Iterator[Record], *, first_size: int, size: int, skip: int, known: KnownRows | None = None
    ) -> Iterator[Batch]:
        """The rows in batches of up to `size`, the first of `first_size`, so that something is seen early, and each as
        many as all before it; the first `skip` rows are read and left. A broken file ends the last batch.

        `known`: rows that need no check, if there may be any; without it no digests are made.
        """
        held: list[Record] = []
        broken: Exception | None = None
        first = skip + 1
        rows = (record for record in records if record.row > skip)
        while broken is None:
            try:
                for record in rows:
                    held.append(record)
                    if record.row - first + 1 >= min(size, max(first_size, first - 1)):
                        break
                else:
                    break
            except (Unreadable, UnicodeError) as error:
                broken = error
                break
            yield self._batch(first, held, known)
            first, held = held[-1].row + 1, []
        if held or broken is not None:
            batch = self.checked(first, held) if broken is not None else self._batch(first, held, known)
            if broken is not None:
                _break_off(batch, broken)
            yield batch

    def _batch(self, first: int, records: list[Record], known: KnownRows | None) -> Batch:
        if known is None:
            return self.checked(first, records)
        digests = [digest_of(record) for record in records]
        met: dict[bytes, KnownRow] = {}  # of two rows that say the same the second is looked at
        left: list[Record] = []
        for record, user_id in zip(records, known.find(digests), strict=True):
            if user_id and user_id not in met:
                met[user_id] = KnownRow(record.row, user_id)
            else:
                left.append(record)
        batch = self.checked(first, left)
        batch.last = records[-1].row
        batch.digests = {record.row: digest for record, digest in zip(records, digests, strict=True) if digest}
        if met:
            batch.known, batch.records = list(met.values()), records
        return batch

    def checked(self, first: int, records: list[Record]) -> Batch:
        """A batch of these rows, each of them looked at."""
        batch = Building(first)
        for record in records:
            self._take(record, batch)
        batch.last = records[-1].row if records else first - 1
        return batch

    def _take(self, record: Record, batch: Building) -> None:
        before = len(batch.problems)
        if record.line is not None:
            batch.lines[record.row] = record.line
        if record.skipped:
            batch.warn(record, "row", f"{record.skipped}: left out")
            return
        if record.values is None:
            batch.error(record, "row", record.problem)
            batch.refuse(record, None)
            return
        for hint in record.hints:
            batch.warn(record, "row", hint)
        if not self._typed:
            record = _unwrapped(record, record.values, batch)
        key = self._username(record, batch)
        staged = self._staged(record, key, batch)
        refused = len(batch.problems) > before and any(one.kind == "error" for one in batch.problems[before:])
        if refused or staged is None or not batch.add(record, staged):
            batch.refuse(record, key)

    def _username(self, record: Record, batch: Building) -> str | None:
        value = record.values.get("username")  # type: ignore[union-attr]
        if type(value) is str and _PLAIN_NAME(value):
            return value.lower()
        text = self._values.text(record, "username", value, _LIMITS["username"], batch)
        return folded(text) if text is not None else None

    def _staged(self, record: Record, key: str | None, batch: Building) -> Staged | None:
        """The row's line, in the order of `statements.STAGED`; None where a name is missing."""
        values: Mapping[str, Json] = record.values or {}
        if not values.keys() <= _FIELDS:
            for unknown in [field for field in values if field not in _FIELDS][:5]:
                batch.error(record, unknown, "is no field", values[unknown])
        username = str(values["username"]).strip() if key is not None else ""
        email, address = self._values.email(record, _address(record, values, batch), _LIMITS["email"], batch)
        full_name = self._full_name(record, values, batch)
        given, cells, found = self._given(record, values, batch)
        manager = None
        if "manager" in values or "manager_id" in values:
            manager = self._values.manager(record, _BY_NAME["manager"], key, batch)
        status = self._values.status(record, batch) if record.said or "status" in values else None
        expires = found.get("expires_at")
        if isinstance(expires, datetime) and expires > self._now and status == UserStatus.INACTIVE:
            batch.warn(record, "expires_at", "lies ahead, though the account is not in use: taken as inactive",
                       values["expires_at"])  # fmt: skip
        if isinstance(expires, datetime) and expires <= self._now and status in (None, UserStatus.ACTIVE):
            batch.warn(record, "expires_at", "lies behind us: the account is taken as inactive", values["expires_at"])
            status = UserStatus.INACTIVE
        rule = self._rule(record, found, values.get("enrollment_type"), status, batch)
        if key is None or address is None or full_name is None:
            return None
        names = f"{username}\t{key}\t{email}\t{address}\t{full_name}"
        if "\\" in names:
            names = names.replace("\\", "\\\\")
        looks = NULL if key.isascii() else cell_of(lookalike_key(key))
        dn = cell_of((dn_key(dn) if isinstance(dn := values.get("dn"), str) and dn else None) or number_key(values))
        line = (
            f"{record.row}\t{next(self._ids)}\t{names}\t{looks}\t{dn}\t{cell_of(manager)}\t"
            f"{rule}\t{given}\t{status or NULL}\t" + "\t".join(cells) + "\n"
        )
        return Staged(username, email, key, address, line)

    def _full_name(self, record: Record, values: Mapping[str, Json], batch: Building) -> str | None:
        name = values.get("full_name")
        first, last = (
            one.strip() if isinstance(one, str) else "" for one in map(values.get, ("first_name", "last_name"))
        )
        if name is None or name == "":
            name = f"{first} {last}".strip() or name
        elif first and not last and isinstance(name, str) and "last_name" not in values:
            # of a column of first names and one of names the latter has the last ones, unless it has both
            name = name if first.casefold() in name.casefold() else f"{first} {name.strip()}"
        turned = values.get("last_name_first")
        if (name is None or name == "") and isinstance(turned, str):
            name = turned_round(turned)
        elif isinstance(name, str) and "," in name and (better := turned_round(name)) != name:
            batch.warn(record, "full_name", f"was turned round: {better[:100]}", name)
            name = better
        return self._values.text(record, "full_name", name, _LIMITS["full_name"], batch)

    def _given(
        self, record: Record, values: Mapping[str, Json], batch: Building
    ) -> tuple[int, list[str], dict[str, Value]]:
        """(the bits of the fields that the row gives, the cells of all, their values by name)."""
        given, cells, found = 0, _EMPTY[:], {}
        for place, bit, field, read in self._stored:
            name = field.name
            if name in values and (one := read(record, field, values[name], batch)) is not None:
                given |= bit
                found[name], cells[place] = one
        return given, cells, found

    def _rule(
        self, record: Record, found: Mapping[str, Value], wanted: object, status: str | None, batch: Building
    ) -> int:
        role, department = _text(found.get("role")) or "standard_user", _text(found.get("department"))
        profile = found.get("profile_data")
        attributes = profile if isinstance(profile, Mapping) else {}
        asked = wanted if wanted not in (None, "") else self._wanted
        about = tuple(repr(attributes.get(name)) for name in self._attributes) if self._attributes else ()
        named = asked if isinstance(asked, str) else None
        place = (role, department if self._departments else None, named, about, status)
        number = batch.numbers.get(place)
        if number is not None:
            return number
        if asked is not None and not isinstance(asked, str):
            batch.error(record, "enrollment_type", "is no text", asked)
            return 0
        try:
            name, rule = self._rules.choose(role=role, department=department, attributes=attributes, wanted=named)
        except Invalid as refused:
            batch.error(record, "enrollment_type", refused.problems[0].problem, asked)
            return 0
        if pair := meeting(rule.permissions, self._duties):
            together = f"gives {pair[0]} and {pair[1]}, which must not meet in one user (segregation of duties)"
            batch.error(record, "enrollment_type", together, name)
            return 0
        return batch.number_of(place, name, rule, status)


def _address(record: Record, values: Mapping[str, Json], batch: Building) -> Json:
    """The row's address, the first of several; of people without a mailbox directories have it as the username."""
    email, username = values.get("email"), values.get("username")
    if isinstance(email, list) and email and all(isinstance(one, str) for one in email):
        email = ";".join(map(str, email))
    if isinstance(email, str) and email.count("@") > 1 and len(several := _SEVERAL.split(email.strip(" ;,"))) > 1:
        batch.warn(record, "email", "holds several addresses: the first is taken", email)
        return several[0]
    if email not in (None, "") or not isinstance(username, str) or "@" not in username:
        return email
    batch.warn(record, "email", "is missing: the username is an address and was taken", username)
    return username


def turned_round(name: str) -> str:
    """`Lovelace, Ada` as `Ada Lovelace`; what stands behind a comma otherwise (`Jr.`, a degree) stays there."""
    last, comma, first = (part.strip() for part in name.partition(","))
    if not comma or not _OF_A_NAME(last) or not _OF_A_NAME(first) or _BEHIND_NAMES.fullmatch(first):
        return name
    return f"{first} {last}"


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) else None


def _break_off(batch: Batch, broken: Exception) -> None:
    at, reason = (broken.row, broken.reason) if isinstance(broken, Unreadable) else (0, "has another encoding")
    line = broken.line if isinstance(broken, Unreadable) else None
    batch.broken = reason
    batch.problems.append(error(Record(at, line, None), "file", reason))


def _unwrapped(record: Record, values: Mapping[str, Json], batch: Batch) -> Record:
    """Without Excel's ="..." around a text that looks like a number."""
    wrapped = {
        name: found[1].replace('""', '"')
        for name, value in values.items()
        if type(value) is str and value[:2] == '="' and (found := _EXCEL_TEXT(value))
    }
    if not wrapped:
        return record
    for name in wrapped:
        said = "was a spreadsheet's formula for a text: the text was taken"
        batch.problems.append(warning(record, name, said, values[name]))
    return record._replace(values={**values, **wrapped})
