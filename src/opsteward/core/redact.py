"""Secrets are cut out of text and structures before they reach a log, an error or a screen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "[redacted]"

_SECRET_KEY = re.compile(
    r"passw(or)?d|passphrase|secret|token|api[_-]?key|authorization|cookie|credential|private[_-]?key|dsn$",
    re.IGNORECASE,
)
_IN_TEXT = (
    re.compile(r"(?P<keep>[a-z][a-z0-9+.-]{1,30}://[^\s:/@]{0,200}:)[^\s@]{1,500}(?=@)", re.IGNORECASE),
    re.compile(r"(?P<keep>\bbearer\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE),
    re.compile(
        r"(?P<keep>\bauthorization\\{0,3}[\"']?\s{0,5}[=:]\s{0,5}\\{0,3}[\"']?(?:[a-z][a-z-]{0,20}\s{1,5})?)"
        r"[^\s\"',;\\]++",
        re.IGNORECASE,
    ),
    # The key word may be part of a name (PGPASSWORD, client_secret, AWS_SECRET_ACCESS_KEY), and name and value may
    # be quoted, also as JSON within a JSON string; a quoted value runs to its own quote. In prose (`tokens: 5`,
    # `the token is old`) the word stands alone and is left.
    re.compile(
        r"(?P<keep>(?:passw(?:or)?d|passphrase|secret|token|(?:api|access|secret|private)[_-]?key)"
        r"(?:\d{1,4}|[_-][\w-]{0,40})?+"
        r"\\{0,3}[\"']?\s{0,5}[=:]\s{0,5}(?P<quote>\\{0,3}[\"'])?+)"
        r"(?(quote)(?:(?!(?P=quote))(?:\\.|[^\r\n\\]))++|[^\s\"'&,;]++)",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<keep>\bops_)[A-Za-z0-9_-]{16,}"),
)


def redact_text(text: str) -> str:
    """The text with passwords in URLs, credentials in headers, and `password=...` and its like masked. Linear."""
    for pattern in _IN_TEXT:
        text = pattern.sub(rf"\g<keep>{MASK}", text)
    return text


def redact(value: Any) -> Any:
    """A copy in which values under secret-looking keys, and secrets within strings, are masked."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {k: MASK if _SECRET_KEY.search(str(k)) and v else redact(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [redact(v) for v in value]
    return value
