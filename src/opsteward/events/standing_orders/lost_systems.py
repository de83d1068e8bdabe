"""Orders that name a system which was renamed or removed: what they may have meant goes to a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from glob import escape

from opsteward.events.standing_orders.document import matches
from opsteward.events.standing_orders.located_yaml import FileProblem
from opsteward.events.standing_orders.types import FaultyOrder, Kind, Rule


def systems_named(rules: Iterable[Rule]) -> frozenset[str]:
    """The systems that orders name in full, in small letters."""
    return frozenset(
        choice.casefold()
        for rule in rules
        for choice in rule.match.get("system", ())
        if choice and not any(sign in choice for sign in "*?[")
    )


def with_lost_systems(rules: Sequence[Rule], lost: Mapping[str, Sequence[str]]) -> list[Rule]:
    """The rules, and behind each that names a lost system what else it may have meant.

    `lost`: names that no system has, in small letters, each with the present names of the systems that once had it.
    The order may have meant those; and events that name the lost one as their source.
    """
    found: list[Rule] = []
    for rule in rules:
        found.append(rule)
        for name in rule.match.get("system", ()):
            if (present := lost.get(name.casefold())) is not None:
                found += _meant(rule, name, present)
    return found


def _meant(rule: Rule, name: str, present: Sequence[str]) -> Iterable[FaultyOrder]:
    kinds = rule.kinds if isinstance(rule, FaultyOrder) else frozenset({rule.kind})
    sources = rule.match.get("source")
    matched: list[tuple[frozenset[Kind], Mapping[str, tuple[str, ...]]]] = []
    if present:
        matched.append((kinds, {**rule.match, "system": tuple(map(escape, present))}))
    if "event" in kinds and (sources is None or any(matches(each, name) for each in sources)):
        matched.append((frozenset({"event"}), {**rule.match, "system": ("",), "source": (name,)}))
    for each, match in matched:
        yield FaultyOrder(
            name=rule.name,
            problem=f"it names the system {name!r}, which {_state(present)}",
            kinds=each,
            match=match,
            window=rule.window,
            action=rule.action,
            line=rule.line,
        )


def lost_problems(rules: Iterable[Rule], lost: Mapping[str, Sequence[str]]) -> list[FileProblem]:
    """What is wrong with the orders that name a lost system."""
    return [
        FileProblem(
            line=rule.line,
            field=f"{rule.name}.match.system",
            problem=f"{name!r} {_state(present)}",
            remedy="write its present name" if present else "register it, or take it out of the order",
        )
        for rule in rules
        for name in rule.match.get("system", ())
        if (present := lost.get(name.casefold())) is not None
    ]


def _state(present: Sequence[str]) -> str:
    return f"is called {', '.join(map(repr, present))} now" if present else "is no registered system"
