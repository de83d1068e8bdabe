"""Why the events of an incident are one group: in words, from the events themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opsteward.events.fingerprint import VERSION, fingerprint
from opsteward.events.payload_sampling import OUTLINE
from opsteward.events.types import EventView

_GROUPS_LIMIT = 20
_PARTS_LIMIT = 20
_BASES = {
    "labels": "the labels of the alert, but for those that say on which of many alike it is",
    "errors": "every error of the stack trace with what it says, and the functions of the application",
    "template": "the message without its values",
    "finding": "the system and the finding of our own check",
}


@dataclass(frozen=True, kw_only=True)
class GroupExplained:
    """`basis`: labels, errors, template or finding; `why` the same in words; `parts`: what is equal in all its events;
    `version`: of the algorithm."""

    fingerprint: str
    basis: str
    why: str
    parts: list[str]
    version: int


def explain_groups(events: Sequence[EventView]) -> list[GroupExplained]:
    """One for each fingerprint of these events, in their order; of at most so many."""
    in_order: list[EventView] = list(reversed(events))
    in_order.sort(key=lambda event: OUTLINE not in event.context)  # rather a whole one
    first = {event.fingerprint: event for event in in_order}
    return [_explained(first[key]) for key in list(dict.fromkeys(e.fingerprint for e in events))[:_GROUPS_LIMIT]]


def _explained(event: EventView) -> GroupExplained:
    found = fingerprint(
        source=event.source,
        error_type=event.error_type,
        message=event.message,
        stack_trace=event.stack_trace,
        context=event.context,
    )
    # else its key is of our own check
    ours = found.key == event.fingerprint or OUTLINE in event.context
    basis = found.basis if ours else "finding"
    parts = [part for part in (event.source, *found.parts) if part] if ours else [event.source, event.error_type or ""]
    return GroupExplained(
        fingerprint=event.fingerprint, basis=basis, why=_BASES[basis], parts=parts[:_PARTS_LIMIT], version=VERSION
    )
