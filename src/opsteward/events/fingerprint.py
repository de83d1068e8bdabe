"""What makes two events the same: a key that is computed from the event alone, and a word on what it rests on.

No state and no learning: the same event gives the same key in any process, on any machine, in any order, so that
events can be grouped by many workers at once and again years later. An alert is known by its labels, never by its
summary; an error by every error of its chain with what each says, and the frames of the application; anything else by
its template. Source and error type count always.

`VERSION` is part of the key. Grouping into incidents, and what to do about them, is not decided here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from opsteward.core.json_types import Json
from opsteward.core.word_list import words
from opsteward.events.parsed_frames import parsed_template, parsed_trace
from opsteward.events.stack_traces import StackTrace, read_stack_trace
from opsteward.events.templates import MASK, MESSAGE_LIMIT, mask, variables

__all__ = ["MASK", "MESSAGE_LIMIT", "TEMPLATE_LIMIT", "VERSION", "Fingerprint", "fingerprint", "mask", "variables"]

VERSION = 3
TEMPLATE_LIMIT = 1_000  # characters of a template that are given back
_LABELS_LIMIT = 100
#: A set of labels is an alert's if one of these is among them.
_NAMES_OF_ALERTS = frozenset(
    words("""alertname alert alert_name rule rulename rule_name monitor monitor_name check trigger policy
    condition""")
)
#: Labels that say on which of many alike it is: those are objects of one incident.
_OBJECT_LABELS = frozenset(
    words("""
        instance pod pod_name host hostname host_name node nodename container container_id ip address id uid replica
    endpoint device mountpoint pod_template_hash prometheus prometheus_replica __alert_rule_uid__""")
)


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """`key`: 32 hexadecimal digits, the same for the same kind of event. `template`: the message with its values
    masked, for people to read (at most `TEMPLATE_LIMIT` characters). `basis`: labels, errors or template; `parts`: what
    went into the key, for people."""

    key: str
    template: str
    basis: str
    parts: tuple[str, ...]


def fingerprint(
    *,
    source: str | None,
    error_type: str | None,
    message: str,
    stack_trace: str | None = None,
    context: Mapping[str, Json] | None = None,
) -> Fingerprint:
    """The kind of an event. Deterministic, stateless, takes text of any size and content; never raises."""
    labels = _labels(context) if context else ()
    parsed = parsed_trace(context) if context else None
    message = (parsed_template(context) if context else None) or message
    template = mask(message)
    shown = template[:TEMPLATE_LIMIT]
    if labels:
        return Fingerprint(_key("labels", source or "", *labels), shown, "labels", labels)
    parts: tuple[str, ...]
    trace = parsed or _trace(message, stack_trace)
    kind = mask(error_type) if error_type else ""
    if trace is None:
        return _of_template(source or "", kind, template)
    errors = tuple(": ".join(part for part in error if part) for error in trace.errors)
    if not trace.errors or (stack_trace and not parsed):
        first = mask(message.lstrip().partition("\n")[0])
        errors = (": ".join(part for part in (kind, first) if part), *errors)
    parts = (*errors, *trace.frames)
    return Fingerprint(_key("errors", source or "", kind, *parts), shown, "errors", parts)


def _trace(message: str, stack_trace: str | None) -> StackTrace | None:
    text = stack_trace or (message if "\n" in message else "")
    if not text:
        return None
    trace = read_stack_trace(text)
    return trace if trace.frames or (stack_trace and trace.errors) else None


def _labels(context: Mapping[str, Json]) -> tuple[str, ...]:
    found = context.get("labels")
    if not isinstance(found, Mapping) or not any(str(name).lower() in _NAMES_OF_ALERTS for name in found):
        return ()
    kept = (
        f"{name}={str(value)[:200]}"
        for name, value in found.items()
        if str(name).lower() not in _OBJECT_LABELS and not isinstance(value, (Mapping, list))
    )
    return tuple(sorted(kept)[:_LABELS_LIMIT])


@lru_cache(maxsize=16_384)
def _of_template(source: str, kind: str, template: str) -> Fingerprint:
    key = _key("template", source, kind, template)
    return Fingerprint(key, template[:TEMPLATE_LIMIT], "template", (kind, template) if kind else (template,))


def _key(*parts: str) -> str:
    text = json.dumps([VERSION, *parts])  # no two lists of parts make the same text; plain ASCII, whatever is in them
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
