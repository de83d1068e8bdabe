"""When an account was last used, in the forms that systems write it."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from opsteward.core.json_types import Json

#: Active Directory counts tenths of microseconds from here.
_FILETIME_BEGIN = datetime(1601, 1, 1, tzinfo=UTC)
_FILETIME_LEAST = 10**17
_MILLISECONDS_LEAST = 10**11
_NUMBER = re.compile(r"-?[0-9]{1,24}")
_GENERALIZED = ("%Y%m%d%H%M%S%z", "%Y%m%d%H%M%S.%f%z", "%Y%m%d%H%M%z")


def instant_of(value: Json) -> datetime | None:
    """The instant of an ISO 8601 text (UTC where it names no zone), of LDAP's generalised time, or of a number: seconds
    or milliseconds since 1970, or Active Directory's own. Of several the latest; None for what is no time, and for 0,
    which says never."""
    if isinstance(value, list):
        several = (_instant(each) for each in value)
        return max((found for found in several if found is not None), default=None)
    return _instant(value)


def _instant(value: Json) -> datetime | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        text = value.strip()
        if not _NUMBER.fullmatch(text) or len(text) == len("20260101"):
            return _of_text(text)
        value = int(text)
    return _of_number(value) if isinstance(value, int | float) else None


def _of_text(text: str) -> datetime | None:
    for form in _GENERALIZED:
        with suppress(ValueError, OverflowError):
            return datetime.strptime(text, form).astimezone(UTC)
    try:
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _of_number(number: float) -> datetime | None:
    try:
        if not math.isfinite(number) or number <= 0:
            return None
        if number >= _FILETIME_LEAST:
            return _FILETIME_BEGIN + timedelta(microseconds=number // 10)
        return datetime.fromtimestamp(number / 1000 if number >= _MILLISECONDS_LEAST else number, UTC)
    except (ValueError, OverflowError, OSError):
        return None
