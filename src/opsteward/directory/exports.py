"""All users of a tenant as a file, page by page: in forms that can be imported again without loss."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from opsteward.core.clock import iso
from opsteward.core.db import Database
from opsteward.directory.imports.csv_records import EXPORT_MARK, inert
from opsteward.directory.user_fields import EXPORTED

#: Content types by format.
EXPORTS = {
    "csv": "text/csv; charset=utf-8",
    "ndjson": "application/x-ndjson",
    "json": "application/json",
    "ldif": "application/ldif; charset=utf-8",
}
_COLUMNS = tuple(field.name for field in EXPORTED)
#: Fields that are no plain column of users.
_MADE = ("enrollment_type", "manager")
_PAGE = 2000
#: All names come from the table of fields.
_USERS = sa.text(f"""
select u.username_key, {", ".join(f"u.{name}" for name in _COLUMNS if name not in _MADE)}, b.username as manager,
       (select nullif(e.enrollment_type, u.role) from opsteward.enrollments e
        where e.tenant_id = :tenant and e.user_id = u.id and e.status in ('approved', 'pending_manual_review')
        order by e.requested_at desc limit 1) as enrollment_type
from opsteward.users u
left join opsteward.users b on b.tenant_id = :tenant and b.id = u.manager_id and b.holds_names
where u.tenant_id = :tenant and u.holds_names and (cast(:after as text) is null or u.username_key > :after)
order by u.username_key limit :most
""")  # noqa: S608
_SAFE = re.compile(r"(?![ :<])[\x01-\x09\x0b\x0c\x0e-\x7f]*(?<! )")
_LDIF = {field.name: field.ldif for field in EXPORTED if field.ldif}


async def exported(db: Database, tenant_id: UUID, file_format: str) -> AsyncIterator[str]:
    """The text of the file in pieces. `file_format` is one of EXPORTS. One transaction a page: no snapshot of all."""
    begin, each, end = _FORMS[file_format]
    yield begin
    after: str | None = None
    first = True
    while True:
        async with db.unit_of_work(tenant_id) as session:
            found = (await session.execute(_USERS, {"tenant": tenant_id, "after": after, "most": _PAGE})).all()
        if found:
            text = each([_values(row) for row in found])
            yield text if first or file_format != "json" else f",\n{text}"
            first, after = False, found[-1].username_key
        if len(found) < _PAGE:
            break
    yield end


def _values(row: Any) -> dict[str, object]:
    values = {name: getattr(row, name) for name in _COLUMNS}
    values["expires_at"] = iso(row.expires_at) if row.expires_at is not None else None
    return values


def _line(cells: Iterable[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerow(cells)
    return buffer.getvalue()


def _csv(users: Sequence[dict[str, object]]) -> str:
    return "".join(_line(["1", *(inert(_cell(user[name])) for name in _COLUMNS)]) for user in users)


def _cell(value: object) -> str:
    if value is None or value in ({}, []):
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _objects(separator: str) -> Callable[[Sequence[dict[str, object]]], str]:
    def text(users: Sequence[dict[str, object]]) -> str:
        return separator.join(
            json.dumps({name: value for name, value in user.items() if value is not None}, ensure_ascii=False)
            for user in users
        )

    return text


def _ndjson(users: Sequence[dict[str, object]]) -> str:
    return f"{_objects(chr(10))(users)}\n"


def _ldif(users: Sequence[dict[str, object]]) -> str:
    entries = []
    for user in users:
        lines = [_attribute("dn", f"uid={_rdn(str(user['username']))},ou=people"), "objectClass: inetOrgPerson"]
        lines += [_attribute(name, value) for field, name in _LDIF.items() for value in _texts(user[field])]
        lines.append(_attribute("sn", str(user["full_name"]).rpartition(" ")[2] or str(user["full_name"])))
        if user["manager"] is not None:
            lines.append(_attribute("manager", f"uid={_rdn(str(user['manager']))},ou=people"))
        entries.append("\n".join(lines))
    return "".join(f"{entry}\n\n" for entry in entries)


def _texts(value: object) -> list[str]:
    """The values of an attribute: none for nothing, one for each tag."""
    if isinstance(value, list):
        return [str(one) for one in value]
    if isinstance(value, dict):
        return [json.dumps(value, ensure_ascii=False)] if value else []
    return [] if value is None else [str(value)]


def _rdn(name: str) -> str:
    """As a distinguished name holds it (RFC 4514): what has a meaning there as its bytes."""
    return re.sub(r'[,+"\\<>;=#]', lambda found: f"\\{ord(found[0]):02x}", name)


def _attribute(name: str, value: str) -> str:
    """Plain where it can be, else base64; folded at 76 characters."""
    plain = value.isascii() and _SAFE.fullmatch(value) is not None and "\n" not in value
    line = f"{name}: {value}" if plain else f"{name}:: {base64.b64encode(value.encode()).decode()}"
    return "\n ".join([line[:76], *(line[at : at + 75] for at in range(76, len(line), 75))])


_FORMS: dict[str, tuple[str, Callable[[Sequence[dict[str, object]]], str], str]] = {
    "csv": (_line([EXPORT_MARK, *_COLUMNS]), _csv, ""),
    "ndjson": ("", _ndjson, ""),
    "json": ("[", _objects(",\n"), "]\n"),
    "ldif": ("version: 1\n\n", _ldif, ""),
}
