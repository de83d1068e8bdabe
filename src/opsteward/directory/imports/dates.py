"""Instants as people's files have them. What can be read in two ways is refused, never guessed: the order of day and
month is known from the sender, or from another date of the file that can be read in one way only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

from opsteward.directory.imports.columns import plain_name

_DAYS = re.compile(r"(\d{1,2})(?P<sign>[./-])(\d{1,2})(?P=sign)(\d{4}|\d{2})(?:[ T,]+(\d.*))?")
_YEAR_FIRST = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})(?:[ T]+(\d.*))?")
_EAST_ASIAN = re.compile(r"(\d{4})年(\d{1,2})月(\d{1,2})日")
_NAMED_DAY = re.compile(
    r"(?:[^\W\d]+,? )?(\d{1,2})(?:st|nd|rd|th|er|º)?[ .,-]+(?:de )?([^\W\d]+)\.?[ .,-]+(?:de )?(\d{4}|\d{2})"
    r"(?:[ ,]+(\d.*))?"
)
_NAMED_MONTH = re.compile(
    r"(?:[^\W\d]+,? )?([^\W\d]+)\.?[ -](\d{1,2})(?:st|nd|rd|th)?,?[ -](\d{4})(?:[ ,]+(?:at )?(\d.*))?"
)
_CLOCK = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?(?:\s*([ap])\.?m?\.?)?\s*(Z|UTC|GMT|[+-]\d{2}:?\d{2})?", re.IGNORECASE
)
_GENERALIZED = re.compile(r"(\d{8})(\d{2})(\d{2})?(\d{2})?(?:[.,]\d+)?(Z|[+-]\d{4})")
_OF_JAVASCRIPT = re.compile(r"/Date\((-?\d+)(?:[+-]\d{4})?\)/")
_DAY_IN_ZONE = re.compile(r"(\d{4}-\d{2}-\d{2})(Z|[+-]\d{2}:\d{2})")
_WITH_ZONE = re.compile(r"(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}(?::\d{2})?(?:\.\d+)?) ?(?:UTC|GMT)")
_YEARS = range(1900, 3000)
#: Characters of a date with its time.
_LONGEST = 100
#: Years of two digits from here on may be of the last century.
_LAST_CENTURY = 70
#: Active Directory counts from here, in tenths of microseconds, and has two numbers for "never".
_FILETIME = datetime(1601, 1, 1, tzinfo=UTC)
_FILETIME_DIGITS = (17, 18)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Days of a spreadsheet from 2000 to 2099.
_SHEET_BEGINS = datetime(1899, 12, 30, tzinfo=UTC)
_SHEET_DAYS = range(36_526, 73_051)
#: How systems write that there is no end.
NEVER = frozenset({
    "0", "-1", "9223372036854775807", "never", "none", "null", "-", "n/a", "0000-00-00", "0000-00-00 00:00:00",
    "unbefristet", "nie", "jamais", "nunca", "permanent", "indefinite", "nigdy",
})  # fmt: skip
_MONTHS = (
    "jan januar january janvier enero ene janeiro gennaio gen januari stycznia sty", "feb februar february"
    " fevrier fev"
    " febrero fevereiro febbraio februari lutego lut", "mar mrz maerz march mars marzo marco maart marca",
    "apr april avril avr abril abr aprile kwietnia kwi", "mai may mayo maio maggio mei maja maj",
    "jun juni june juin junio junho giugno giu czerwca cze", "jul juli july juillet juil julio julho luglio lug lipca"
    " lip", "aug august aout agosto ago augustus sierpnia sie", "sep sept september septembre septiembre setembro set"
    " settembre wrzesnia wrz", "okt oct oktober october octobre octubre outubro out ottobre ott pazdziernika paz",
    "nov november novembre noviembre novembro listopada lis", "dez dec dezember december decembre diciembre dic"
    " dezembro"
    " dicembre grudnia gru",
)  # fmt: skip
_MONTH_OF = {name: number for number, names in enumerate(_MONTHS, start=1) for name in names.split()}
_REMEDY = "write it as YYYY-MM-DD, or map the column to expires_at:dmy or expires_at:mdy"


@dataclass(frozen=True, kw_only=True)
class DayOrder:
    """Whether the day stands before the month: None if nothing says so. `clash`: the file has both, for"
    " instance these."""

    day_first: bool | None = None
    clash: str = ""


def order_of(texts: Iterable[str]) -> DayOrder:
    """What the dates of one column say together."""
    seen: dict[bool, str] = {}
    for text in texts:
        found = _DAYS.fullmatch(text.strip())
        if found is None or found["sign"] == ".":
            continue
        one, other = int(found[1]), int(found[3])
        if (one > 12) != (other > 12):
            seen.setdefault(one > 12, text)
    if len(seen) == 2:
        return DayOrder(clash=f"{seen[True][:30]!r} and {seen[False][:30]!r}")
    return DayOrder(day_first=next(iter(seen), None))


def is_never(text: str) -> bool:
    """Whether a text says that there is no end: also by a year that nobody means."""
    if text.lower() in NEVER:
        return True
    years = re.findall(r"(?<!\d)(\d{4})(?!\d)", text)
    return len(text) < 40 and len(years) == 1 and int(years[0]) in (*range(3000, 5000), 9999)


def instant_of(text: str, order: Callable[[], DayOrder] = DayOrder) -> tuple[datetime, str]:
    """(the instant, what was assumed to read it). `order` is asked where a date needs it. Raises ValueError that says
    why there is none."""
    if len(text) > _LONGEST:
        raise ValueError(f"is no date, but {len(text)} characters: write it as YYYY-MM-DD")
    try:
        value, assumed = _read(text, order)
    except OverflowError:
        raise ValueError("lies outside of the years 1900 to 2999") from None
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


def _read(text: str, order: Callable[[], DayOrder]) -> tuple[datetime, str]:
    if found := _DAYS.fullmatch(text):
        year, month, day = _in_order(found, order)
        return _day(year, month, day, found[5])
    if found := _YEAR_FIRST.fullmatch(text) or _EAST_ASIAN.fullmatch(text):
        return _day(int(found[1]), int(found[2]), int(found[3]), found[4] if found.re is _YEAR_FIRST else None)
    if found := _NAMED_DAY.fullmatch(text):
        return _day(_year(found[3]), _month(found[2]), int(found[1]), found[4])
    if found := _NAMED_MONTH.fullmatch(text):
        return _day(int(found[3]), _month(found[1]), int(found[2]), found[4])
    if found := _GENERALIZED.fullmatch(text):
        return _iso(f"{found[1]}T{found[2]}{found[3] or '00'}{found[4] or '00'}{found[5]}"), ""
    if found := _DAY_IN_ZONE.fullmatch(text):
        return _iso(f"{found[1]}T00:00:00{found[2]}"), ""
    if found := _WITH_ZONE.fullmatch(text):
        return _iso(f"{found[1]}T{found[2]}+00:00"), ""
    if found := _OF_JAVASCRIPT.fullmatch(text):
        return _counted(int(found[1]) / 1000)
    if text.isdecimal() and text.isascii():
        return _number(text)
    return _iso(text), ""


def _iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("is no date: write it as YYYY-MM-DD, or with time and zone") from None


def _number(text: str) -> tuple[datetime, str]:
    if len(text) in _FILETIME_DIGITS:
        value = _FILETIME + timedelta(microseconds=int(text) // 10)
        return value, f"read as {value.isoformat()}"
    if len(text) == 8 and text[:2] in ("19", "20", "21"):
        return _day(int(text[:4]), int(text[4:6]), int(text[6:]), None)
    if len(text) == 14:
        return _iso(f"{text[:8]}T{text[8:]}"), ""
    if len(text) in (10, 13):
        return _counted(int(text) / (1 if len(text) == 10 else 1000))
    if len(text) == 5 and int(text) in _SHEET_DAYS:
        value = _SHEET_BEGINS + timedelta(days=int(text))
        return value, f"is a spreadsheet's day: read as {value.date().isoformat()}"
    raise ValueError("is a number and no date: write it as YYYY-MM-DD")


def _counted(seconds: float) -> tuple[datetime, str]:
    value = _EPOCH + timedelta(seconds=seconds)
    return value, f"is counted from 1970: read as {value.isoformat()}"


def _in_order(found: re.Match[str], order: Callable[[], DayOrder]) -> tuple[int, int, int]:
    """(year, month, day) of a date whose year stands last."""
    one, other, year = int(found[1]), int(found[3]), _year(found[4])
    if len(found[4]) == 2 and found["sign"] != ".":
        raise ValueError("has a year of two digits, which may be its day too: write it as YYYY-MM-DD")
    if found["sign"] == "." or one == other or one > 12:
        return year, other, one
    if other > 12:
        return year, one, other
    known = order()
    if known.day_first is not None:
        return (year, other, one) if known.day_first else (year, one, other)
    why = f", and the file has {known.clash}" if known.clash else ", and no other date of the file tells"
    raise ValueError(f"may be {year}-{one:02}-{other:02} or {year}-{other:02}-{one:02}{why}: {_REMEDY}")


def _year(text: str) -> int:
    """Raises ValueError for two digits that may be of this century or of the one before."""
    if len(text) == 2 and int(text) >= _LAST_CENTURY:
        raise ValueError(f"may be of 19{text} or of 20{text}: write it as YYYY-MM-DD")
    return int(text) + (2000 if len(text) == 2 else 0)


@lru_cache(maxsize=500)
def _month(name: str) -> int:
    try:
        return _MONTH_OF[plain_name(name)]
    except KeyError:
        raise ValueError("names no month that is known: write it as YYYY-MM-DD") from None


def _day(year: int, month: int, day: int, clock: str | None) -> tuple[datetime, str]:
    try:
        value = datetime(year, month, day, tzinfo=UTC)
        if clock:
            value = value.combine(value.date(), datetime.min.time(), _zone(clock)) + _since_midnight(clock)
    except ValueError as problem:
        known = str(problem) if "clock" in str(problem) else "is no day of the calendar"
        raise ValueError(known) from None
    midnight = value == value.replace(hour=0, minute=0, second=0)
    return value, f"read as {value.date().isoformat() if midnight else value.isoformat()}"


def _since_midnight(text: str) -> timedelta:
    found = _CLOCK.fullmatch(text.strip())
    hour, minute, second = (int(found[at] or 0) for at in (1, 2, 3)) if found else (99, 0, 0)
    if found and found[4]:
        hour = hour % 12 + (12 if found[4].lower() == "p" else 0)
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError("has a time that is on no clock: write it as YYYY-MM-DD, or with time and zone")
    return timedelta(hours=hour, minutes=minute, seconds=second)


def _zone(text: str) -> tzinfo:
    found = _CLOCK.fullmatch(text.strip())
    zone = found[5] if found else None
    if not zone or zone.upper() in ("Z", "UTC", "GMT"):
        return UTC
    digits = zone[1:].replace(":", "")
    away = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-away if zone[0] == "-" else away)
