"""Values of records as JSON, the same from every connector, so that two systems' values can be compared."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from uuid import UUID

from opsteward.core.errors import Invalid
from opsteward.core.json_types import Json

_BINARY = "base64"


def json_value(value: object) -> Json:
    """A client library's value as JSON: bytes as `{"base64": ...}`, instants in UTC, exact decimals as text."""
    if isinstance(value, str):  # most are
        return value.replace("\x00", "\ufffd") if "\x00" in value else value
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None  # NaN and infinity are no JSON
    if isinstance(value, bytes | bytearray | memoryview):
        return {_BINARY: base64.b64encode(bytes(value)).decode()}
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Enum):
        return json_value(value.value)
    if isinstance(value, Mapping):
        return {str(key): json_value(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(each) for each in value]
    if isinstance(value, set | frozenset):
        return sorted((json_value(each) for each in value), key=str)
    if isinstance(value, Decimal | UUID):
        return str(value)
    return str(value)


def binary(value: Json, *, field: str) -> bytes | None:
    """The bytes of a `{"base64": ...}` value; None for any other value. Raises Invalid for one that is damaged."""
    if not (isinstance(value, dict) and set(value) == {_BINARY}):
        return None
    text = value[_BINARY]
    try:
        if isinstance(text, str):
            return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise Invalid.field(field, "is no base64", 'send binary values as {"base64": "..."}')


def instant(value: Json) -> datetime | None:
    """The instant that an ISO 8601 text with its zone names; None for anything else."""
    try:
        found = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo else None


def same_values(wanted: Mapping[str, Json], there: Mapping[str, Json]) -> bool:
    """Whether a record already has the wanted values. Missing, none and empty are the same, as are a value and a list
    of it alone."""
    return all(_plain(there.get(name)) == _plain(value) for name, value in wanted.items())


def _plain(value: Json) -> Json:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return None if value in ("", []) else value
