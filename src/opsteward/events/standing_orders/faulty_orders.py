"""What an order that holds up no longer may have meant: as much of it as can still be read, and nothing guessed.

An upgrade took the action that it names, or a field of it is read no longer. Such an order is not left out: it keeps
its place, so that no later, broader order acts where it may have decided otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from opsteward.events.standing_orders import file_format as form
from opsteward.events.standing_orders.located_yaml import FileProblem, Path
from opsteward.events.standing_orders.types import FaultyOrder, Kind, Window

_BOTH: frozenset[Kind] = frozenset({"finding", "event"})
_FINDING_ONLY = set(form.FindingMatch.names()) - set(form.EventMatch.names())
_EVENT_ONLY = set(form.EventMatch.names()) - set(form.FindingMatch.names())


def in_words(problem: FileProblem) -> str:
    """A problem of a file in one phrase."""
    return f"line {problem.line}: {problem.field}: {problem.problem}"


def whole_text(problems: Sequence[FileProblem]) -> FaultyOrder:
    """Stands for all orders of a text that can't be read as one."""
    return FaultyOrder(name="the whole text", problem=in_words(problems[0]))


def faulty_order(
    content: object, *, name: str, problems: Sequence[tuple[Path, FileProblem]], actions: Collection[str]
) -> FaultyOrder:
    """What is left of an order. `content` is its plain data, `problems` stand at their paths within it, `actions` are
    those that this installation has."""
    bad = [path for path, _ in problems]
    first = min((each for _, each in problems), key=lambda each: (each.line, each.column))
    if not isinstance(content, dict):
        return FaultyOrder(name=name, problem=in_words(first), line=first.line)
    match = content.get("match")
    fields: Mapping[str, object] = match if isinstance(match, dict) and ("match",) not in bad else {}
    kinds = _kinds(fields)
    known = {*form.MatchPart.names(), *(_FINDING_ONLY if "finding" in kinds else ())}
    known |= _EVENT_ONLY if "event" in kinds else set()
    if kinds == _BOTH:
        known = set(form.MatchPart.names())
    action = content.get("action")
    return FaultyOrder(
        name=name,
        problem=in_words(first),
        line=first.line,
        kinds=kinds,
        match={field: _choices(fields[field]) for field in fields if field in known and _sound(("match", field), bad)},
        window=_window(content) if _sound(("window",), bad) else None,
        action=action if isinstance(action, str) and action in actions and _sound(("action",), bad) else None,
    )


def _kinds(fields: Collection[str]) -> frozenset[Kind]:
    """What it answers; both where it does not say, or says both."""
    finding, event = bool(_FINDING_ONLY & set(fields)), bool(_EVENT_ONLY & set(fields))
    if finding == event:
        return _BOTH
    return frozenset({"finding"}) if finding else frozenset({"event"})


def _sound(path: Path, bad: Iterable[Path]) -> bool:
    """Whether nothing is wrong with what stands there, in it or around it."""
    return not any(each[: len(path)] == path[: len(each)] for each in bad)


def _choices(value: object) -> tuple[str, ...]:
    return tuple(str(each) for each in value) if isinstance(value, list) else (str(value),)


def _window(content: Mapping[str, object]) -> Window | None:
    if "window" not in content:
        return None
    return Window(**dict(form.WindowPart.model_validate(content["window"])))
