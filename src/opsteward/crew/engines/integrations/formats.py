"""What form a value has: an address, a day, a number written as text ..."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_URL = re.compile(r"https?://[^\s]+", re.IGNORECASE)
_PHONE = re.compile(r"(?:\+|00|\()[\d\s()./-]{6,25}|0\d[\d\s()./-]{5,22}")
_NUMBER = re.compile(r"[+-]?\d{1,18}(?:[.,]\d{1,9})?")
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_OTHER_DAY = re.compile(r"\d{1,2}[./-]\d{1,2}[./-](?:\d{4}|\d{2})|\d{4}/\d{1,2}/\d{1,2}|\d{8}")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}.*")
_HEX = re.compile(r"(?=.*\d)(?=.*[a-f])[0-9a-f]{16,128}")
_BOOLEAN = frozenset({"true", "false", "yes", "no", "y", "n", "ja", "nein"})
_DAY_FORMS = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%Y%m%d", "%d-%m-%Y", "%d.%m.%y")

_FORMS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("uuid", lambda text: bool(_UUID.fullmatch(text))),
    ("email", lambda text: bool(_EMAIL.fullmatch(text))),
    ("url", lambda text: bool(_URL.fullmatch(text))),
    ("time", lambda text: bool(_TIME.fullmatch(text))),
    ("date", lambda text: bool(_DAY.fullmatch(text))),
    ("other date", lambda text: bool(_OTHER_DAY.fullmatch(text)) and day_of(text) is not None),
    ("integer text", lambda text: bool(_INTEGER.fullmatch(text))),
    ("number text", lambda text: bool(_NUMBER.fullmatch(text))),
    ("phone", lambda text: bool(_PHONE.fullmatch(text))),
    ("boolean text", lambda text: text.lower() in _BOOLEAN),
    ("hexadecimal", lambda text: bool(_HEX.fullmatch(text))),
)


def form_of(text: str) -> str:
    """The first form that fits; "text" for all else."""
    plain = text.strip()
    if len(plain) > 300 or not plain:
        return "text" if plain else "empty"
    return next((name for name, fits in _FORMS if fits(plain)), "text")


def type_of(value: Any) -> str:
    """As JSON names it, with integers told from other numbers."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "number"
    if isinstance(value, str):
        return "string"
    return "array" if isinstance(value, list) else "object"


def day_of(text: str) -> date | None:
    """A day in any of the usual forms; of 03/04/2026 the American one is tried first."""
    plain = text.strip()
    if _TIME.fullmatch(plain):
        plain = plain[:10]
    if not (_DAY.fullmatch(plain) or _OTHER_DAY.fullmatch(plain)):
        return None
    for form in _DAY_FORMS:
        try:
            return datetime.strptime(plain, form).date()  # noqa: DTZ007 -- a day has no zone
        except ValueError:
            continue
    return None
