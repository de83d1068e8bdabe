"""JSON at speed, where it is plain; what is not is left to the standard library.

Plain is what PostgreSQL can hold as it is: no NUL, no half of a surrogate pair, no number that a float does not hold,
not nested deeply, and not of very many values.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from uuid import UUID

import orjson

from opsteward.core.json_types import Json

DEPTH_LIMIT = 40
#: Most values of one text: each costs memory many times its bytes, and this process has other callers too.
VALUES_LIMIT = 200_000
_ESCAPED = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_DIGITS_LIMIT = 18
_DIGITS_AS_ZEROS = bytes(48 if chr(code).isdecimal() else 32 for code in range(128)) + bytes([32] * 128)


class NotPlain(ValueError):
    """No JSON, or such as not all can hold; which it is was not looked at."""


def parse_plain(text: bytes, *, depth: int = DEPTH_LIMIT) -> Json:
    """The value of plain JSON. Raises NotPlain."""
    if len(text) > VALUES_LIMIT and values_at_most(text) > VALUES_LIMIT:
        raise NotPlain
    escaped = b"\\" in text and b"\\u" in text and _ESCAPED.search(text)  # a lone byte is found faster than two
    if escaped or b"0" * (_DIGITS_LIMIT + 1) in text.translate(_DIGITS_AS_ZEROS):
        raise NotPlain
    try:
        value: Json = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise NotPlain from None
    if _may_be_deep(value, depth) and is_deep(value, depth):
        raise NotPlain
    return value


def _may_be_deep(value: Json, limit: int) -> bool:
    """False only where `is_deep` says no. Written with indents, what lies within so many containers stands so far to
    the right, and no text holds a line break as it is: that is found in a third of the time."""
    try:
        return b"\n" + b"  " * limit in orjson.dumps(value, option=orjson.OPT_INDENT_2)
    except orjson.JSONEncodeError:  # deeper than is ever written
        return True


def values_at_most(text: bytes) -> int:
    """As many values as the text may hold, and seldom has: counted without looking for strings."""
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def is_deep(value: Json, limit: int = DEPTH_LIMIT) -> bool:
    """Whether containers lie within each other more often than that."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(limit):
        level = [
            inner
            for container in level
            for inner in (container.values() if type(container) is dict else container)
            if type(inner) is dict or type(inner) is list
        ]
        if not level:
            return False
    return True


def json_text(value: object) -> str:
    """Some JSON text of a value, in which instants and ids may stand; what is no finite number becomes null.

    For one and the same text see `core.crypto.canonical_json`.
    """
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # keys that are no texts, numbers of many digits, half of a surrogate pair
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_named)


def _named(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON text")
