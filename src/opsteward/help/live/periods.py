"""The stretches of time that questions name: days, dates, spans of them, and such as lie ahead."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_AGO = re.compile(
    r"\b(?:last|past|previous|in|within|for|over)?\s*(?:the\s+)?(?:last|past|previous)?\s*"
    r"(\d{1,3}|an?|one|two|three|few|couple\s+of|four|five|six|seven|eight|ten|twelve)\s*"
    r"(minute|min|hour|hr|h|day|d|week|month)s?\b(?:\s+ago)?",
    re.IGNORECASE,
)
_WORDS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "few": 3, "couple of": 2, "four": 4, "five": 5, "six": 6,
    "seven": 7, "eight": 8, "ten": 10, "twelve": 12,
}  # fmt: skip
_UNITS = {
    "minute": 60, "min": 60, "hour": 3600, "hr": 3600, "h": 3600, "day": 86400, "d": 86400, "week": 604800,
    "month": 2_592_000,
}  # fmt: skip
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    ("january", "jan"), ("february", "feb"), ("march", "mar"), ("april", "apr"), ("may",), ("june", "jun"),
    ("july", "jul"), ("august", "aug"), ("september", "sep", "sept"), ("october", "oct"), ("november", "nov"),
    ("december", "dec"),
)  # fmt: skip
_MONTH_OF = {name: number for number, names in enumerate(_MONTHS, 1) for name in names}
_MONTH = "|".join(sorted(_MONTH_OF, key=len, reverse=True))
_ISO = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_DAY_MONTH = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th|\.)?\s+(?:of\s+)?({_MONTH})\b\.?,?(?:\s+(\d{{4}}))?")
_MONTH_DAY = re.compile(rf"\b({_MONTH})\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?\b,?(?:\s+(\d{{4}}))?")
_DOTTED = re.compile(r"\b(\d{1,2})\.(\d{1,2})\.(?:(\d{4}))?")
_WHOLE_MONTH = re.compile(
    r"\b(?:in|during|since|for|of)\s+(?:all\s+of\s+)?(january|february|march|april|june|july|august|september|october"
    r"|november|december|may)\b(?!\s+\d)"
)
_SPAN = re.compile(r"\b(?:between|from)\s+(.{3,30}?)\s+(?:and|to|until|till)\s+(.{3,30})")
_SINCE = re.compile(r"\b(?:since|after|from)\b(.*)")
_BEFORE = re.compile(r"(?<!day )\b(?:before|until|prior to|up to)\b(.*)")
_OLDER = re.compile(r"\b(?:older|longer|more)\s+than\s+(.{3,30})|\bfor\s+(?:over|more than)\s+(.{3,30})")
_AHEAD = re.compile(
    r"\b(?:next|coming|upcoming|following)\s+(?:(\d{1,3}|two|three|few|couple\s+of|four|five|six|seven|ten)\s+)?"
    r"(hour|day|week|month)s?\b|\b(?:in|within)\s+(\d{1,3}|an?|two|three|four|five|six|seven|ten)\s+(hour|day|week|month)s?"
)
_EVER = datetime(1970, 1, 2, tzinfo=UTC)
_FOREVER = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Period:
    """From `since` to before `until`, and how a person says it."""

    since: datetime
    until: datetime
    words: str

    def holds(self, at: datetime | None) -> bool:
        """Whether an instant lies in it."""
        return at is not None and self.since <= at < self.until


def period_of(text: str, now: datetime) -> Period | None:
    """The stretch of time behind us that a text names; None for none."""
    low = text.lower()
    span = _SPAN.search(low)
    if span and (first := _one(span[1], now)) and (last := _one(span[2], now)) and first.since < last.until:
        return Period(first.since, last.until, f"from {_bare(first)} to {_bare(last)}")
    if (older := _OLDER.search(low)) and (found := _length(older[1] or older[2])):
        return Period(_EVER, now - found, f"more than {(older[1] or older[2]).strip(' ?.!')} ago")
    found_in = _one(low, now)
    if found_in is None:
        return None
    since, before = _SINCE.search(low), _BEFORE.search(low)
    if since and _one(since[1], now) and found_in.until <= now:
        return Period(found_in.since, now + timedelta(seconds=1), f"since {_bare(found_in)}")
    if before and _one(before[1], now):
        return Period(_EVER, found_in.since, f"before {_bare(found_in)}")
    return found_in


def ahead_of(text: str, now: datetime) -> Period | None:
    """The stretch of time before us that a text names; None for none."""
    low, day = text.lower(), timedelta(days=1)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if found := _AHEAD.search(low):
        plural = found[0].endswith("s") and not (found[1] or found[3])
        count, unit = found[1] or found[3] or ("seven" if plural else "one"), found[2] or found[4]
        number = _WORDS.get(" ".join(count.split())) or (int(count) if count.isdigit() else 1)
        return Period(now, now + timedelta(seconds=number * _UNITS[unit]), f"in the next {number} {unit}s")
    for pattern, begin, end, words in (
        (r"\btomorrow\b", midnight + day, midnight + 2 * day, "tomorrow"),
        (r"\btoday\b|\btonight\b", now, midnight + day, "today"),
        (r"\bthis week\b", now, now + 7 * day, "within a week"),
        (r"\bthis month\b", now, now + 31 * day, "within a month"),
        (r"\bsoon\b|\bshortly\b", now, now + 14 * day, "within two weeks"),
    ):
        if re.search(pattern, low):
            return Period(begin, end, words)
    for number, name in enumerate(_WEEKDAYS):
        if re.search(rf"\b{name}\b", low):
            begin = midnight + timedelta(days=(number - midnight.weekday()) % 7)
            return Period(begin, begin + day, f"on {name.capitalize()}")
    return None


def _bare(period: Period) -> str:
    return period.words.removeprefix("on ").removeprefix("in ")


def _one(low: str, now: datetime) -> Period | None:
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return _date(low, midnight) or _named(low, midnight, now) or _weekday(low, midnight) or _ago(low, now)


def _date(low: str, midnight: datetime) -> Period | None:
    day = timedelta(days=1)
    try:
        if found := _ISO.search(low):
            begin = midnight.replace(year=int(found[1]), month=int(found[2]), day=int(found[3]))
            return Period(begin, begin + day, f"on {found[0]}")
        for pattern, places in ((_DAY_MONTH, (1, 2)), (_MONTH_DAY, (2, 1)), (_DOTTED, (1, 2))):
            if found := pattern.search(low):
                named = found[places[1]]
                month = _MONTH_OF.get(named) or int(named)
                begin = _past(midnight, month, int(found[places[0]]), found[3])
                return Period(begin, begin + day, f"on {begin:%Y-%m-%d}")
        if found := _WHOLE_MONTH.search(low):
            begin = _past(midnight, _MONTH_OF[found[1]], 1, None)
            return Period(begin, (begin + 31 * day).replace(day=1), f"in {found[1].capitalize()}")
    except (ValueError, OverflowError):  # no such day, or the calendar's last one
        return None
    return None


def _past(midnight: datetime, month: int, day: int, year: str | None) -> datetime:
    """The day of that year, or the last such day that has begun."""
    found = midnight.replace(year=int(year) if year else midnight.year, month=month, day=day)
    return found if year or found <= midnight else found.replace(year=midnight.year - 1)


def _named(low: str, midnight: datetime, now: datetime) -> Period | None:
    day, soon = timedelta(days=1), now + timedelta(seconds=1)
    week, month = midnight - timedelta(days=now.weekday()), midnight.replace(day=1)
    named = (
        (r"day before yesterday", midnight - 2 * day, midnight - day, "the day before yesterday"),
        (
            r"last night|overnight|(?:during|in|over) the night",
            midnight - day / 4,
            min(soon, midnight + day / 3),
            "last night",
        ),
        (r"yesterday (?:evening|night)", midnight - day / 4, midnight, "yesterday evening"),
        (r"yesterday morning", midnight - day, midnight - day / 2, "yesterday morning"),
        (r"yesterday afternoon", midnight - day / 2, midnight - day / 4, "yesterday afternoon"),
        (r"yesterday", midnight - day, midnight, "yesterday"),
        (r"this morning", midnight, min(soon, midnight + day / 2), "this morning"),
        (r"this (?:afternoon|evening)", min(midnight + day / 2, now), soon, "this afternoon"),
        (r"\btoday\b|\btonight\b|\bthis day\b", midnight, soon, "today"),
        (r"\b(?:last|over the|at the|on the) weekend\b", week - 2 * day, week, "at the weekend"),
        (r"this week", week, soon, "this week"),
        (r"\bpast week\b", now - 7 * day, soon, "in the past week"),
        (r"\b(?:last|previous) week\b", week - 7 * day, week, "last week"),
        (r"this month", month, soon, "this month"),
        (r"\bpast month\b|\bin the last month\b", now - 30 * day, soon, "in the past month"),
        (r"\b(?:last|previous) month\b", (month - day).replace(day=1), month, "last month"),
        (r"this year", midnight.replace(month=1, day=1), soon, "this year"),
        (r"\b(?:last|past) hour\b", now - day / 24, soon, "in the last hour"),
        (r"\b(?:last|past) (?:day|24 hours)\b", now - day, soon, "in the last day"),
    )
    return next((Period(*found[1:]) for found in named if re.search(found[0], low)), None)


def _weekday(low: str, midnight: datetime) -> Period | None:
    for number, name in enumerate(_WEEKDAYS):
        if re.search(rf"\b{name}s?\b", low):
            begin = midnight - timedelta(days=(midnight.weekday() - number) % 7)
            if re.search(rf"\blast {name}\b", low) and begin == midnight:
                begin -= timedelta(days=7)
            return Period(begin, begin + timedelta(days=1), f"on {name.capitalize()}")
    return None


def _length(text: str) -> timedelta | None:
    found = _AGO.search(text)
    if not found:
        return None
    count = _WORDS.get(" ".join(found[1].split())) or int(found[1])
    return timedelta(seconds=count * _UNITS[found[2]])


def _ago(low: str, now: datetime) -> Period | None:
    found = _AGO.search(low)
    if not found or not re.search(r"\b(last|past|previous|within|ago|in the|over the)\b", low):
        return None
    count, unit = _WORDS.get(" ".join(found[1].split())) or int(found[1]), found[2]
    since = now - timedelta(seconds=count * _UNITS[unit])
    if "ago" in found[0] and unit in ("day", "d", "week", "month"):  # that day, not all since
        begin = since.replace(hour=0, minute=0, second=0, microsecond=0)
        return Period(begin, begin + timedelta(days=1), f"{count} {unit}{'s' if count > 1 else ''} ago")
    return Period(since, now + timedelta(seconds=1), f"in the last {count} {unit}{'s' if count > 1 else ''}")
