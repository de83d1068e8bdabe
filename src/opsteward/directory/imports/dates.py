"""Instants as people's files have them. What can be read in two ways is refused, never guessed."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_DOTTED = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})")
_GENERALIZED = re.compile(r"(\d{14})(?:[.,]\d+)?(Z|[+-]\d{4})")
_YEARS = range(1900, 3000)
#: Active Directory counts from here, in tenths of microseconds, and has two numbers for "never".
_FILETIME = datetime(1601, 1, 1, tzinfo=UTC)
_FILETIME_DIGITS = (17, 18)
NEVER = frozenset({"0", "9223372036854775807", "never"})


def instant_of(text: str) -> tuple[datetime, str]:
    """(the instant, what was assumed to read it). Raises ValueError that says why there is none."""
    value, assumed = _read(text)
    if value.tzinfo is None:
        value = value.replace(tzinfo=UTC)
        assumed = assumed or f"has no zone: read as {value.isoformat()}"
    try:
        value = value.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside of the years 1900 to 2999") from None
    if value.year not in _YEARS:
        raise ValueError("lies outside of the years 1900 to 2999")
    return value, assumed


def _read(text: str) -> tuple[datetime, str]:
    if found := _DOTTED.fullmatch(text):
        value = _day(int(found[3]), int(found[2]), int(found[1]))
        return value, f"read as {value.date().isoformat()}"
    if found := _SLASHED.fullmatch(text):
        one, other, year = int(found[1]), int(found[2]), int(found[3])
        if one <= 12 and other <= 12 and one != other:
            raise ValueError(f"may be {year}-{one:02}-{other:02} or {year}-{other:02}-{one:02}: write it as YYYY-MM-DD")
        month, day = (one, other) if one <= 12 else (other, one)
        value = _day(year, month, day)
        return value, f"read as {value.date().isoformat()}"
    if found := _GENERALIZED.fullmatch(text):
        return datetime.fromisoformat(f"{found[1][:8]}T{found[1][8:]}{found[2]}"), ""
    if text.isdigit() and len(text) in _FILETIME_DIGITS:
        value = _FILETIME + timedelta(microseconds=int(text) // 10)
        return value, f"read as {value.isoformat()}"
    if text.isdigit():
        raise ValueError("is a number (a spreadsheet's day?) and no date: write it as YYYY-MM-DD")
    try:
        return datetime.fromisoformat(text), ""
    except ValueError:
        raise ValueError("is no date: write it as YYYY-MM-DD, or with time and zone") from None


def _day(year: int, month: int, day: int) -> datetime:
    try:
        return datetime(year, month, day, tzinfo=UTC)
    except ValueError:
        raise ValueError("is no day of the calendar") from None
