"""The time at the head of a syslog line, in the many ways that devices write it. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from opsteward.core.word_list import words

_MONTHS = {name: number for number, name in enumerate(words("jan feb mar apr may jun jul aug sep oct nov dec"), 1)}
#: Hours ahead of UTC.
_ZONES = {"UTC": 0, "GMT": 0, "CET": 1, "CEST": 2, "BST": 1, "MSK": 3, "IST": 5.5, "JST": 9, "EST": -5, "EDT": -4}
_ZONES |= {"CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
_CLOCKS_DIFFER = timedelta(days=2)
_BSD = re.compile(
    r"(?P<unset>[*.])?(?:(?P<before>\d{4})[ ]+)?(?P<month>[A-Z][a-z]{2})[ ]+(?P<day>\d{1,2})[ ]+"
    r"(?:(?P<after>\d{4})[ ]+)?"
    r"(?P<clock>\d{1,2}:\d{2}:\d{2})(?:[.,](?P<part>\d{1,9}))?"
    r"(?:[ ](?P<year>(?:19|20)\d{2})(?=[ :]))?(?:[ ](?P<zone>[A-Z]{3,4})(?=:))?(?P<end>[ :]|$)"
)
_ISO = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})[T ](?P<clock>\d{2}:\d{2}:\d{2})(?:[.,](?P<part>\d{1,9}))?"
    r"[ ]?(?P<zone>Z|[+-]\d{2}:?\d{2})?(?P<end>[ :]|$)"
)
_EPOCH = re.compile(r"(?P<seconds>\d{10})(?:\.(?P<part>\d{1,9}))?(?P<end>[ ]|$)")


def leading_time(text: str, received_at: datetime) -> tuple[datetime | None, int] | None:
    """The time that the text begins with and where the text goes on; None where it begins with none.

    The time itself is None where the device says that its clock is not set, or it is no time of a calendar. Without a
    zone it is of this machine's; without a year, the last such day before `received_at`, give or take a wrong clock.
    """
    if found := _ISO.match(text):
        return _iso(found), found.end("end")
    if found := _BSD.match(text):
        return (None if found["unset"] == "*" else _bsd(found, received_at)), found.end("end")
    if found := _EPOCH.match(text):
        return _with_part(datetime.fromtimestamp(int(found["seconds"]), UTC), found["part"]), found.end("end")
    return None


def _iso(found: re.Match[str]) -> datetime | None:
    zone = (found["zone"] or "").replace("Z", "+00:00")
    try:
        instant = datetime.fromisoformat(f"{found['date']}T{found['clock']}{zone}")
        return _with_part(instant, found["part"]).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _bsd(found: re.Match[str], received_at: datetime) -> datetime | None:
    month = _MONTHS.get(found["month"].casefold())
    if month is None:
        return None
    given = found["before"] or found["after"] or found["year"]
    years = [int(given)] if given else [received_at.year + step for step in (-1, 0, 1)]
    hour, minute, second = (int(part) for part in found["clock"].split(":"))
    near = []
    for year in years:
        try:
            local = datetime(year, month, int(found["day"]), hour, minute, second)  # noqa: DTZ001
            hours = _ZONES.get(found["zone"] or "")
            instant = local.astimezone(UTC) if hours is None else local.replace(tzinfo=UTC) - timedelta(hours=hours)
        except (ValueError, OverflowError, OSError):
            continue  # the 29th of February of another year, or no time at all
        near.append(_with_part(instant, found["part"]))
    past = [instant for instant in near if instant <= received_at + _CLOCKS_DIFFER]
    return max(past, default=min(near, default=None))


def _with_part(instant: datetime, part: str | None) -> datetime:
    return instant.replace(microsecond=int(part[:6].ljust(6, "0"))) if part else instant
