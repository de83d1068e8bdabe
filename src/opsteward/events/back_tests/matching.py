"""Which order of several sets holds for each of many subjects: the costly part, for a process of its own.

It says what `first_match` says, faster for many: all conditions but those on the message are the same for many events,
so which orders come into question is found once for each combination of their fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from opsteward.events.standing_orders.document import TEXT_LIMIT, holds, matches
from opsteward.events.standing_orders.types import Rule, Subject, Window

NOBODY = -1
_MESSAGE = "message"

#: A subject's own fields without its message: what many have in common.
Common = tuple[str, tuple[tuple[str, str], ...], tuple[str, ...]]
#: The place of what it has in common with others, its message and its instant.
Asked = tuple[int, str, datetime]


def packed(subjects: Sequence[tuple[Subject, datetime]]) -> tuple[list[Common], list[Asked]]:
    """Subjects at their instants, with what they have in common said once: little to hand to another process."""
    places: dict[Common, int] = {}
    asked = []
    for subject, at in subjects:
        fields = tuple((name, value) for name, value in subject.fields.items() if name != _MESSAGE)
        common = (subject.kind, fields, tuple(subject.proposed_actions))
        place = places.setdefault(common, len(places))
        asked.append((place, subject.fields.get(_MESSAGE, ""), at))
    return list(places), asked


def first_of_each(
    sets: Sequence[Sequence[Rule]], commons: Sequence[Common], asked: Sequence[Asked]
) -> list[tuple[int, ...]]:
    """For each subject, at its instant, the place of the first rule in each set that holds; NOBODY for none. Pure."""
    subjects = [_subject(common) for common in commons]
    candidates = [[_candidates(rules, subject) for rules in sets] for subject in subjects]
    found = []
    for place, message, at in asked:
        found.append(tuple(_first(each, message, at) for each in candidates[place]))
    return found


def _subject(common: Common) -> Subject:
    kind, fields, proposed = common
    return Subject(kind=kind, fields=dict(fields), proposed_actions=frozenset(proposed))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An order of which all holds but what is asked of the message and of the time."""

    place: int
    messages: tuple[str, ...] | None
    window: Window | None


def _candidates(rules: Sequence[Rule], subject: Subject) -> list[_Candidate]:
    """The rules that come into question, up to the first that holds whatever the message and the time are."""
    found = []
    for place, rule in enumerate(rules):
        others = {name: choices for name, choices in rule.match.items() if name != _MESSAGE}
        if holds(replace(rule, match=others, window=None), subject, _WHENEVER):
            found.append(_Candidate(place, rule.match.get(_MESSAGE), rule.window))
            if found[-1].messages is None and rule.window is None:
                break
    return found


_WHENEVER = datetime.fromtimestamp(0, UTC)


def _first(candidates: Sequence[_Candidate], message: str, at: datetime) -> int:
    text = message[:TEXT_LIMIT]
    for one in candidates:
        if one.window is not None and not one.window.holds(at):
            continue
        if one.messages is None or any(matches(each, text) for each in one.messages):
            return one.place
    return NOBODY
