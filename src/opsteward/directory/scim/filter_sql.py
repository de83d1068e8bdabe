"""SCIM's conditions as SQL: each value is a parameter, each attribute an expression that is written here.

Under row-level security only plain comparisons of columns use an index. So what clients ask all the time (userName,
externalId, an address, id) compares key columns that were folded when they were written; everything else is worked
out row by row, among the rows of the one tenant.
"""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, JSONPATH

from opsteward.core.name_keys import folded
from opsteward.directory.scim.types import Attribute, Both, Compare, Either, Never, Not, Operand, Present, Term, Within

#: An expression of SQLAlchemy's; what kind of one, its own types tell worse than its use.
Sql = sa.SQLColumnExpression[Any]
#: Something in it that is neither empty nor a container.
_FILLED = '$.** ? ((@.type() == "string" && @ != "") || @.type() == "boolean" || @.type() == "number")'
_DATETIME = "datetime"


@dataclass(frozen=True)
class Value:
    """The SQL of one value, and what an operand of a comparison becomes."""

    sql: Sql
    operand: Callable[[Operand], Sql | str | datetime]
    #: A column whose index has its values in the order of their code points.
    ordered: bool = False


class Place(Protocol):
    """Where attributes are looked up: in a row, or in an entry of a list."""

    def special(self, term: Compare | Present | Within) -> Sql | None:
        """A condition with a way of its own, or None."""

    def value(self, attribute: Attribute) -> Value:
        """One value."""

    def node(self, path: tuple[str, ...]) -> Sql:
        """A value, a list or a container as jsonb."""


def condition(term: Term, place: Place) -> Sql:
    """The SQL that is true for what fits; null means that it does not."""
    match term:
        case Never():
            return sa.false()
        case Both(terms):
            return sa.and_(*(condition(one, place) for one in terms))
        case Either(terms):
            return sa.or_(*(condition(one, place) for one in terms))
        case Not(inner):
            return sa.not_(sa.func.coalesce(condition(inner, place), sa.false()))
    special = place.special(term)
    if special is not None:
        return special
    match term:
        case Within(attribute, inner):
            return some_entry(place.node(attribute.path), lambda entry: condition(inner, Entry(entry)))
        case Present(attribute):
            return _present(attribute, place)
        case Compare(attribute, op, value):
            return _compared(attribute, op, value, place)


def folding(text: Sql | str) -> Sql:
    """Text in the form in which the database compares it, whatever its case."""
    plain = sa.cast(text, sa.Text)
    # ASCII is in that form, but to see to it again takes longer than all the rest
    ascii_only = sa.func.octet_length(plain) == sa.func.char_length(plain)
    return sa.func.lower(sa.case((ascii_only, plain), else_=sa.func.normalize(plain, sa.literal_column("NFKC"))))


def _once(sql: Sql) -> Sql:
    # as a query of its own: an operand is worked out once, and not for every row
    return sa.select(sql).scalar_subquery()


def as_text(sql: Sql, attribute: Attribute) -> Value:
    """A text, compared as its attribute says."""
    return Value(sql, _text) if attribute.exact else Value(folding(sql), lambda value: _once(folding(_text(value))))


def as_key(sql: Sql) -> Value:
    """A column that was folded when it was written."""
    return Value(sql, lambda value: folded(_text(value)), ordered=True)


def as_time(sql: Sql) -> Value:
    """An instant."""
    return Value(sql, _as_utc)


def _as_utc(value: Operand) -> datetime:
    if not isinstance(value, datetime):
        raise TypeError(f"{value!r} is no instant")
    return value if value.tzinfo else value.replace(tzinfo=UTC)


def as_truth(sql: Sql) -> Value:
    """Yes or no."""
    # as a word of the statement, so that the planner sees what is left of a comparison with it
    return Value(sql, lambda value: sa.true() if value else sa.false())


def some_entry(array: Sql, fits: Callable[[Sql], Sql]) -> Sql:
    """Whether some entry of a jsonb list fits."""
    rows = sa.func.jsonb_array_elements(array).table_valued(sa.column("value", JSONB))
    return sa.exists(sa.select(1).select_from(rows).where(fits(rows.c.value)).correlate_except(rows))


class Entry:
    """An entry of a list, or a document: attributes by their names."""

    def __init__(self, document: Sql) -> None:
        self._document = document

    def special(self, term: Compare | Present | Within) -> Sql | None:
        """None: nothing in a list has an index."""
        return None

    def node(self, path: tuple[str, ...]) -> Sql:
        """That part of the document."""
        return sa.func.jsonb_extract_path(self._document, *path, type_=JSONB)

    def value(self, attribute: Attribute) -> Value:
        """That part as a value."""
        path = sa.cast(list(attribute.path), ARRAY(sa.Text))
        text = self._document.op("#>>", return_type=sa.Text())(path)
        return as_truth(sa.cast(text, sa.Boolean)) if attribute.type == "boolean" else as_text(text, attribute)


def compared(value: Value, op: str, operand: Operand) -> Sql:
    """One value against an operand that is not null."""
    left, right = value.sql, value.operand(operand)
    match op:
        case "eq":
            return left == right
        case "ne":
            return left.is_distinct_from(right)
        case "co":
            return sa.func.strpos(left, right) > 0
        case "sw":
            starts = sa.func.starts_with(left, right)
            return sa.and_(starts, *_between(left, str(right))) if value.ordered else starts
        case "ew":
            return sa.func.right(left, sa.func.length(right)) == right
    if not isinstance(operand, datetime):
        left = sa.collate(left, "C")
    return {"gt": left > right, "ge": left >= right, "lt": left < right, "le": left <= right}[op]


def _between(column: Sql, start: str) -> list[Sql]:
    """What an index finds of the texts with this start: those from it on, and before the next start of this length."""
    if not start:
        return []
    last = ord(start[-1]) + 1
    following = 0xE000 if 0xD800 <= last <= 0xDFFF else last
    before = [column < start[:-1] + chr(following)] if following <= sys.maxunicode else []
    return [column >= start, *before]


def _compared(attribute: Attribute, op: str, operand: Operand, place: Place) -> Sql:
    if operand is None:
        there = _present(attribute, place)
        return there if op == "ne" else sa.not_(sa.func.coalesce(there, sa.false())) if op == "eq" else sa.false()
    if not attribute.many:
        return compared(place.value(attribute), op, operand)
    return listed(Compare(attribute, op, operand), place)


def listed(term: Compare, place: Place) -> Sql:
    """Some value of a list against an operand that is not null."""
    attribute, op, operand = term.attribute, term.op, term.value
    head, rest = split(attribute)

    def fits(entry: Sql) -> Sql:
        # an entry that is a text itself has an empty path
        value = Entry(entry).value(rest)
        return compared(value, "eq" if op == "ne" else op, operand)

    # "ne" of a list: none of its values is that one
    found = some_entry(place.node(head), fits)
    return sa.not_(found) if op == "ne" else found


def _present(attribute: Attribute, place: Place) -> Sql:
    if attribute.many:
        head, rest = split(attribute)
        path = "$[*]" + "".join(f".{_quoted(name)}" for name in rest.path)
        return sa.func.jsonb_path_exists(
            sa.func.jsonb_path_query_array(place.node(head), sa.cast(path, JSONPATH)),
            sa.cast(_FILLED, JSONPATH),
        )
    if attribute.type == "complex":
        return sa.func.jsonb_path_exists(place.node(attribute.path), sa.cast(_FILLED, JSONPATH))
    sql = place.value(attribute).sql
    return sql.is_not(None) if attribute.type in ("boolean", _DATETIME) else sql != ""


def split(attribute: Attribute) -> tuple[tuple[str, ...], Attribute]:
    """A list's own path (with its extension's URN), and the attribute within an entry of it."""
    length = 2 if attribute.path[0].startswith("urn:") else 1
    rest = Attribute(path=attribute.path[length:], type=attribute.type, exact=attribute.exact)
    return attribute.path[:length], rest


def order_of(attribute: Attribute, place: Place) -> Sql:
    """What to sort by. Of a list: its primary entry, or its first."""
    if not attribute.many:
        sql = place.value(attribute).sql
        return sql if attribute.type in ("boolean", _DATETIME) else sa.collate(sql, "C")
    head, rest = split(attribute)
    array = place.node(head)
    primary = sa.func.jsonb_path_query_first(array, sa.cast("$[*] ? (@.primary == true)", JSONPATH))
    first = sa.func.coalesce(primary, sa.func.jsonb_extract_path(array, "0"), type_=JSONB)
    return sa.collate(Entry(first).value(rest).sql, "C")


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
