"""Identifiers: UUID version 7 (time-ordered, RFC 9562), and derived ids for work that may be repeated."""

from __future__ import annotations

import os
import time
import uuid
from datetime import datetime


def uuid7() -> uuid.UUID:
    """A new time-ordered id: 48 bits of milliseconds, then 74 random bits."""
    millis = time.time_ns() // 1_000_000
    value = (millis << 80) | int.from_bytes(os.urandom(10), "big")
    value = value & ~(0xF << 76) | (0x7 << 76)
    value = value & ~(0x3 << 62) | (0x2 << 62)
    return uuid.UUID(int=value)


def first_id_at(instant: datetime) -> uuid.UUID:
    """What no time-ordered id from this instant on is below."""
    millis = max(0, int(instant.timestamp() * 1000))
    return uuid.UUID(int=(millis << 80) | (0x7 << 76) | (0x2 << 62))


def derived_id(parent: uuid.UUID, name: str) -> uuid.UUID:
    """The same id for the same parent and name, so that a repeated step writes the same row, not another."""
    return uuid.uuid5(parent, name)
