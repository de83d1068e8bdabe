"""The text inside a structured (JSON) log line: what it says, and why, without the fields that say who and when."""

from __future__ import annotations

import json

LOOKED_AT = 16_384  # characters
# The fields in which structured log lines carry their text, best first.
_TEXT_FIELDS = ("message", "msg", "error", "event", "log", "text", "detail", "description")
# Those that say why, beside it.
_CAUSE_FIELDS = ("error", "err", "error.message", "exception", "cause", "reason")


def text_of(message: str) -> str:
    """The text of a log line in JSON with the cause it names, else the message as it is. Never raises."""
    head = message[:LOOKED_AT].strip()
    if not (head.startswith("{") and head.endswith("}")):
        return head
    try:
        record = json.loads(head)
    except (ValueError, RecursionError):
        return head
    for name in _TEXT_FIELDS:
        value = record.get(name)
        if isinstance(value, str) and value.strip():
            causes = dict.fromkeys(_cause(record.get(field)) for field in _CAUSE_FIELDS if field != name)
            return ": ".join([value, *(cause for cause in causes if cause and cause not in value)])
    return head


def _cause(value: object) -> str:
    """What a field says of the cause: a text's first line, or that of an error's message."""
    if isinstance(value, dict):
        value = value.get("message") or value.get("msg")
    return value.strip().partition("\n")[0] if isinstance(value, str) else ""
