"""Protobuf's wire format, read with a bound on the number of fields.

The usual libraries make objects of everything before anybody can count: a few megabytes of empty messages become
gigabytes. Nothing of this knows what a message means.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from opsteward.core.errors import FieldProblem, Invalid, Malformed

FIELD_LIMIT = 400_000  # of one body

Value = int | bytes
_DOUBLE = struct.Struct("<d")


class FieldReader:
    """Reads messages of one body; all of them together have at most `FIELD_LIMIT` fields."""

    def __init__(self) -> None:
        self._left = FIELD_LIMIT

    def fields(self, message: bytes) -> Iterator[tuple[int, Value]]:
        """Number and value of each field: bytes of what has a length, else a number (of fixed ones the bits).

        Raises Malformed for what is no protobuf, Invalid for too many fields.
        """
        place, end = 0, len(message)
        while place < end:
            self._left -= 1
            if self._left < 0:
                raise Invalid.field("body", f"holds more than {FIELD_LIMIT} fields", "send less at once")
            tag, place = _varint(message, place)
            kind = tag & 7
            if kind == 2:
                size, place = _varint(message, place)
                if size > end - place:
                    raise _broken()
                yield tag >> 3, message[place : place + size]
                place += size
            elif kind == 0:
                value, place = _varint(message, place)
                yield tag >> 3, value
            elif kind in (1, 5):
                size = 8 if kind == 1 else 4
                if size > end - place:
                    raise _broken()
                yield tag >> 3, int.from_bytes(message[place : place + size], "little")
                place += size
            else:
                raise _broken()


def double_of(bits: Value) -> float:
    """The floating-point number of 64 bits."""
    return (
        float(_DOUBLE.unpack(int(bits).to_bytes(8, "little"))[0]) if isinstance(bits, int) and bits < 1 << 64 else 0.0
    )


def signed(value: Value) -> int:
    """An int64 as it was written: negative ones as their complement."""
    number = value if isinstance(value, int) else 0
    return number - (1 << 64) if number >= 1 << 63 else number


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    for byte in message[place : place + 10]:
        place += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFFFFFFFFFFFFFF, place
        shift += 7
    raise _broken()


def _broken() -> Malformed:
    return Malformed(
        problems=[
            FieldProblem(
                field="body", problem="is no protobuf message of this kind", remedy="send what an OTLP exporter sends"
            )
        ]
    )
