"""Vendors' words and numbers in our terms: instants, severities, states, one line of text. Pure; nothing raises."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from opsteward.core.errors import Invalid
from opsteward.core.json_types import Json
from opsteward.core.word_list import words
from opsteward.events.classification import severity_of

TEXT_LIMIT = 200_000
LINE_LIMIT = 500

_RESOLVED = frozenset(
    words("""
        resolved resolve ok okay up closed close recovered recovery normal inactive success succeeded successful passed
    fixed healthy cleared clear green completed deactivated terminated_ok online alert-cleared good operational stopped
    dismissed auto_dismissed resolved_automatically end ended back available finished pass reopened_ok
    incident_resolved issue_resolved service_up auto_resolved solved done""")
)
_ENDED = frozenset(
    words("end ended ends close closed closes resolve resolved recover recovered recovery clear cleared")
)
#: Whatever came of it.
_RUN_TO_ITS_END = frozenset(words("completed finished done stopped"))
_TROUBLE = frozenset(words("started start triggered trigger opened open new active ongoing problem anomalous errored"))
_SEVERITY_WORDS: Mapping[str, str] = {
    **dict.fromkeys(
        words("""
            emergency emerg panic fatal critical crit severe disaster blocker alert highest high major p0 p1 sev0 sev1
        error errored err failure failed down alerting alarm unhealthy unreachable outage major_outage exceeded red
        offline page firing exception timeout urgent"""),
        "high",
    ),
    **dict.fromkeys(
        words("""
            warning warn medium moderate average minor p2 p3 sev2 sev3 degraded degraded_performance unknown no_data
        nodata pending normal_priority yellow partial_outage unstable late cancelled canceled orange"""),
        "medium",
    ),
    **dict.fromkeys(
        words("""low lowest info information informational notice debug trace trivial p4 p5 sev4 sev5 none ok success up
        not_classified normal healthy resolved green recovery recovered cosmetic succeeded passed neutral"""),
        "low",
    ),
}
_STAMP_FORMATS = (
    "%a %b %d %H:%M:%S %Z %Y",
    "%a %b %d %H:%M:%S %Y",
    "%Y.%m.%d %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
    "%d/%b/%Y:%H:%M:%S %z",
    "%m/%d/%Y %H:%M:%S",
    "%m/%d/%Y %I:%M:%S %p",
    "%d.%m.%Y %H:%M:%S",
    "%d-%m-%Y %H:%M:%S",
    "%b %d, %Y %H:%M:%S",
    "%Y-%m-%d %H:%M:%S %Z",
    "%Y-%m-%d %H:%M:%S %z",
    "%Y-%m-%d %H:%M:%S %z UTC",
    "%Y-%m-%d, %H:%M:%S",
)
_NUMBER = re.compile(r"[0-9]{9,19}(?:\.[0-9]{1,9})?")
#: What all forms have that are tried one after the other.
_CLOCK_AND_YEAR = re.compile(r"[0-9]:[0-9]{2}.*[0-9]{2}|[0-9]{2}.*[0-9]:[0-9]{2}")
_FRACTION = re.compile(r"(\.[0-9]{6})[0-9]+")
_YEARS = range(1970, 2200)
_NOT_GIVEN_AT_ALL = datetime(1970, 1, 1, tzinfo=UTC)


def text_of(value: Json, limit: int = TEXT_LIMIT) -> str:
    """The value as text: a string as it is, a list of scalars joined, anything else as JSON; empty for nothing."""
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, str):
        text = value.strip()
    elif isinstance(value, list) and all(isinstance(v, (str, int, float)) for v in value):
        text = ", ".join(str(v) for v in value)
    elif isinstance(value, bool):
        text = "true" if value else "false"
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
    return text[:limit]


def line_of(value: Json, limit: int = LINE_LIMIT) -> str:
    """Its first line that is not empty."""
    for line in text_of(value).splitlines():
        if line.strip():
            return " ".join(line.split())[:limit]
    return ""


def instant_of(value: Json) -> datetime | None:
    """An instant, of ISO 8601, RFC 2822, other common forms, or a number of seconds, ms, us or ns since 1970."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return _of_number(float(value)) if abs(value) < 1e30 else None
    if isinstance(value, str):
        text = value.strip()[:80]
        if _is_compact(text):
            text = f"{text[:8]}T{text[8:]}"
        return _of_number(float(text)) if _NUMBER.fullmatch(text) else _of_text(text)
    return None


def _is_compact(text: str) -> bool:
    return len(text) == 14 and text.isascii() and text.isdigit() and text.startswith(("19", "20"))  # 20240131235959


def _of_number(number: float) -> datetime | None:
    if not math.isfinite(number) or number <= 0:
        return None
    for unit in (1, 1e3, 1e6, 1e9):
        seconds = number / unit
        if 1e8 <= seconds < 7e9:
            return datetime.fromtimestamp(seconds, UTC)
    return None


def _of_text(text: str) -> datetime | None:
    if len(text) < 8:
        return None
    found: datetime | None = None
    iso = _FRACTION.sub(r"\1", text).replace(" UTC", "+00:00").replace(" Z", "Z")
    try:
        found = datetime.fromisoformat(iso)
    except ValueError:
        if not _CLOCK_AND_YEAR.search(text):
            return None  # before many forms are tried in vain
        for form in _STAMP_FORMATS:
            try:
                found = datetime.strptime(text, form)  # noqa: DTZ007
                break
            except ValueError:
                continue
        else:
            try:
                found = parsedate_to_datetime(text)
            except (ValueError, TypeError, IndexError, OverflowError):
                return None
    if found.year not in _YEARS:
        return None
    try:
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def word_of(value: Json) -> str:
    """A vendor's word in small letters, words joined by "_"."""
    return re.sub(r"[\s\-]+", "_", text_of(value, 80).casefold()).strip("_")


def severity_word(value: Json, table: Mapping[str, str] | None = None) -> str | None:
    """low, medium or high; None where the word or number is on no scale. `table`: the source's own words first."""
    if isinstance(value, (list, dict)) or value is None or value == "":
        return None
    word = word_of(value)
    if table and word in table:
        return table[word]
    try:
        return str(severity_of(text_of(value, 40)))
    except Invalid:
        pass
    for part in (word, *re.split(r"[_:/(),.]+", word)):
        if part in _SEVERITY_WORDS:
            return _SEVERITY_WORDS[part]
    sev = re.fullmatch(r"(?:sev|severity|p|priority|level)_?([0-5])(?:_.*)?", word)
    return {"0": "high", "1": "high", "2": "medium", "3": "medium"}.get(sev[1], "low") if sev else None


def severity_of_state(value: Json) -> str | None:
    """The same of a state; in one of several words ("alert_triggered") the thing that it is of says nothing."""
    word = word_of(value)
    return severity_word(word.removeprefix("alert_") if "_" in word else value)


def outcome_of(value: Json) -> bool | None:
    """Whether a state says that the trouble is over, or that it is not; None where it says neither, as "completed".
    Of several words in one ("policy_close_critical") one that ends it counts first, then the last that says something.
    """
    parts = [part for part in re.split(r"[^a-z]+", _split_words(text_of(value, 80))) if part]
    if not _ENDED.isdisjoint(parts):
        return True
    for part in reversed([part for part in parts if part != "alert"] or parts):
        if part in _RESOLVED and part not in _RUN_TO_ITS_END:
            return True
        if _SEVERITY_WORDS.get(part, "low") != "low" or part in _TROUBLE:
            return False
    return None


def _split_words(text: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text).casefold()


def is_resolved(value: Json) -> bool:
    """Whether a state says that the trouble is over."""
    if isinstance(value, bool):
        return value
    word = word_of(value)
    return word in _RESOLVED or word.replace("_", "-") in _RESOLVED or word.rsplit(".", 1)[-1] in _RESOLVED
