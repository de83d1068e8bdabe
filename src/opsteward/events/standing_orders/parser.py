"""Reads a file of standing orders. All that is wrong is found at once, each with its place and remedy.

How the file looks is `file_format`. Nothing is looked up here: what actions and findings exist is given by the
caller.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from opsteward.contracts.check import Severity
from opsteward.core.errors import Invalid
from opsteward.events.classification import Category
from opsteward.events.standing_orders import file_format as form
from opsteward.events.standing_orders.database_findings import DATABASE_FINDINGS
from opsteward.events.standing_orders.faulty_orders import faulty_order, whole_text
from opsteward.events.standing_orders.file_format import suggestion
from opsteward.events.standing_orders.finding_types import WEB_AND_HOST_FINDINGS
from opsteward.events.standing_orders.located_yaml import FileProblem, LocatedYaml, NotYaml, Path, as_field, read
from opsteward.events.standing_orders.types import (
    ActionInfo,
    Approval,
    FaultyOrder,
    Kind,
    Rule,
    StandingOrder,
    covers,
)

FINDING_TYPES = frozenset(
    {
        *DATABASE_FINDINGS,
        "lock_chain",
        "connection_leak",
        "connection_saturation",
        "idle_in_transaction",
        "process_down",
        "process_hung",
        "http_error",
        "http_slow",
        "database_unreachable",
        "tcp_unreachable",
        "dns_failure",
        "http_unreachable",
        *WEB_AND_HOST_FINDINGS,
    }
)
_MAX_ORDERS = 500
_MAX_VALUES = 2_000  # of all orders together: each is compared with those before it
_MAX_PROBLEMS = 200
_EVENT_ONLY = [name for name in form.EventMatch.names() if name not in form.MatchPart.names()]
_FORMATS: dict[Kind | None, type[form.OrderPart]] = {
    "finding": form.FindingOrder,
    "event": form.EventOrder,
    None: form.OrderPart,
}
_PARTS: dict[str | int | None, type[form.Part]] = {
    None: form.OrderPart,
    "limits": form.LimitsPart,
    "window": form.WindowPart,
}
_MATCH_NAMES: dict[Kind | None, list[str]] = {
    "finding": form.FindingMatch.names(),
    "event": form.EventMatch.names(),
    None: [*dict.fromkeys(form.FindingMatch.names() + form.EventMatch.names())],
}
_WORDS: dict[str | int, Iterable[str]] = {"severity": Severity, "category": Category, "approval": get_args(Approval)}
_COUNT = ("{value} is no count", f"use a whole number from 1 to {form.MAX_COUNT}")
#: What a validation can find, as we say it.
_SAID: dict[str, tuple[str, str]] = {
    "missing": ("is missing", "add '{name}: ...'"),
    "string_type": ("must be a single value", "write it after the colon"),
    "string_too_short": ("is empty", "give a value, or leave the line out"),
    "string_too_long": ("is longer than {max_length} characters", "shorten it"),
    "string_pattern_mismatch": ("{value} is no slug", "use small letters, digits and '-', at most 63"),
    "int_parsing": _COUNT,
    "int_parsing_size": _COUNT,
    "int_from_float": _COUNT,
    "int_type": _COUNT,
    "greater_than_equal": _COUNT,
    "less_than_equal": _COUNT,
}


class StandingOrderErrors(Invalid):
    """The standing orders can't be put in force; `problems` names place, field and remedy of each fault."""

    code: ClassVar[str] = "standing_orders_invalid"
    title: ClassVar[str] = "The standing orders are not valid"

    def __init__(self, problems: Sequence[FileProblem]) -> None:
        shown = "; ".join(f"line {p.line}: {p.field}: {p.problem}" for p in problems[:5])
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        super().__init__(shown + more, problems=problems)


@dataclass(frozen=True)
class Reading:
    """The orders of a text in its order, the faulty ones at their places, and what is wrong in it."""

    rules: list[Rule] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)

    @property
    def orders(self) -> list[StandingOrder]:
        """Those that hold up."""
        return [rule for rule in self.rules if isinstance(rule, StandingOrder)]


def parse(
    text: str, *, known_actions: Mapping[str, ActionInfo], known_findings: Collection[str] = FINDING_TYPES
) -> list[StandingOrder]:
    """The orders of a file, in its order.

    `known_actions` (by slug) and `known_findings` are what this installation has. Raises `StandingOrderErrors`
    with every problem found, by place; a file that is no YAML at all has one.
    """
    found = read_orders(text, known_actions=known_actions, known_findings=known_findings)
    if found.problems:
        raise StandingOrderErrors(found.problems)
    return found.orders


def read_orders(
    text: str, *, known_actions: Mapping[str, ActionInfo], known_findings: Collection[str] = FINDING_TYPES
) -> Reading:
    """The orders of a file, faulty ones with as much of them as can be read, and what is wrong."""
    try:
        located = read(text)
    except NotYaml as error:
        return Reading([whole_text([error.problem])], [error.problem])
    return _Reader(located, form.Known(known_actions, known_findings)).reading()


class _Reader:
    """Reads one file: keeps the orders that hold up, and what is wrong with the others."""

    def __init__(self, located: LocatedYaml, known: form.Known) -> None:
        self._located, self._known = located, known
        self._problems: list[FileProblem] = []
        #: By the number of the order at fault, at their paths within it; None: the text as a whole.
        self._of_order: dict[int | None, list[tuple[Path, FileProblem]]] = defaultdict(list)
        self._never: set[int] = set()  # the numbers of the orders that can never hold
        self._lines_of_names: dict[str, int] = {}
        for path, problem in located.problems:
            self._note(path, problem)

    def reading(self) -> Reading:
        orders = self._listed_orders()
        sound = self._sound(orders)
        problems = sorted(self._problems, key=lambda problem: (problem.line, problem.column))
        if len(problems) > _MAX_PROBLEMS:
            left = f"{len(problems) - _MAX_PROBLEMS} more problems are not listed"
            line = problems[_MAX_PROBLEMS].line
            last = FileProblem(line=line, field="file", problem=left, remedy="mend those before, and check again")
            problems[_MAX_PROBLEMS:] = [last]
        if None in self._of_order:
            return Reading([whole_text([problem for _, problem in self._of_order[None]])], problems)
        rules: dict[int, Rule] = {**sound, **self._faulty(orders)}
        return Reading([rules[number] for number in sorted(rules)], problems)

    def _faulty(self, orders: Sequence[object]) -> dict[int, FaultyOrder]:
        """What is left of the orders at fault, without those that never decide."""
        return {
            number: faulty_order(
                orders[number],
                name=str(_name(orders[number]) or f"number {number + 1}")[:63],
                problems=problems,
                actions=self._known.actions,
            )
            for number, problems in self._of_order.items()
            if number is not None and number not in self._never
        }

    def _listed_orders(self) -> Sequence[object]:
        content = self._located.content
        if not isinstance(content, dict):
            self._problem((), "must hold 'name: value' pairs", "use version, orders")
            return ()
        for name in content.keys() - {"version", "orders"}:
            self._problem((name,), "is no field here", suggestion(name, ("version", "orders")), at_name=True)
        if content.get("version") != "1":
            self._problem(("version",), "must be 1", "begin the file with 'version: 1'")
        orders = content.get("orders")
        if isinstance(orders, list) and len(orders) > _MAX_ORDERS:
            self._problem(("orders",), f"more than {_MAX_ORDERS} orders", "use * in match, or lists")
        elif isinstance(orders, list):
            return orders
        elif orders != "":  # "orders:" with nothing is an empty list
            self._problem(("orders",), "must be a list", "write 'orders:' and one '- name: ...' for each")
        return ()

    def _sound(self, orders: Sequence[object]) -> dict[int, StandingOrder]:
        sound: dict[int, StandingOrder] = {}
        values = 0
        for number, content in enumerate(orders):
            self._check_name(content, number)
            order = self._order(content, number)
            if order is None or number in self._of_order:
                continue
            values += sum(len(choices) for choices in order.match.values())
            if values > _MAX_VALUES:
                self._problem(("orders",), f"more than {_MAX_VALUES} values to match", "use * in match")
                break
            first = next((earlier for earlier, each in sound.items() if covers(each, order)), None)
            if first is None:
                sound[number] = replace(order, line=self._located.place(("orders", number))[0])
            else:
                line = self._located.place(("orders", first))[0]
                problem = f"it can never hold: {sound[first].name!r} in line {line} always holds before it"
                self._problem(("orders", number), problem, "put it before that order, or narrow that order's match")
                self._never.add(number)
        return sound

    def _check_name(self, content: object, number: int) -> None:
        name, path = _name(content), ("orders", number, "name")
        line = self._located.place(path)[0]
        if name and (first := self._lines_of_names.setdefault(name, line)) != line:
            problem = f"{name[:63]!r} is already the name of the order in line {first}"
            self._problem(path, problem, "give each order its own name")

    def _order(self, content: object, number: int) -> StandingOrder | None:
        match = content.get("match") if isinstance(content, dict) else None
        fields: Collection[str] = match if isinstance(match, dict) else ()
        kind: Kind | None = "finding" if "finding" in fields else None
        kind = kind or ("event" if any(name in fields for name in _EVENT_ONLY) else None)
        if kind is None and isinstance(match, dict):
            remedy = f"add 'finding: ...' or, for events, one of {', '.join(_EVENT_ONLY)}"
            problem = "does not say whether it answers a finding or an event"
            self._problem(("orders", number, "match"), problem, remedy)
        try:
            return _FORMATS[kind].model_validate(content, context=self._known).order(kind or "event")
        except ValidationError as error:
            for details in error.errors(include_url=False):
                at_name = details["type"] == "extra_forbidden"
                self._problem(("orders", number, *details["loc"]), *_said(details, kind), at_name=at_name)
        return None

    def _problem(self, path: Path, problem: str, remedy: str, *, at_name: bool = False) -> None:
        line, column = self._located.place(path, of_name=at_name)
        self._note(path, FileProblem(line=line, column=column, field=as_field(path), problem=problem, remedy=remedy))

    def _note(self, path: Path, problem: FileProblem) -> None:
        self._problems.append(problem)
        number = path[1] if len(path) > 1 and isinstance(path[1], int) else None
        self._of_order[number].append((path[2:], problem))


def _said(details: ErrorDetails, kind: Kind | None) -> tuple[str, str]:
    """The problem and the remedy of what a validation found."""
    type_, path, context = details["type"], details["loc"], details.get("ctx") or {}
    if type_ == "refused":
        return context["problem"], context["remedy"]
    value = repr(details["input"])[:60]
    if type_ in ("enum", "literal_error"):
        words = next(_WORDS[part] for part in reversed(path) if part in _WORDS)
        return f"{value} is not known", suggestion(str(details["input"]), words)
    if type_ == "extra_forbidden":
        name, fields = str(path[-1]), _names(kind, path[:-1])
        if path[0] == "match" and kind and name in _MATCH_NAMES[None]:
            return f"a {kind} has no {name!r}", f"use {', '.join(fields)}"
        return "is no field here", suggestion(name, fields)
    if type_ in _SAID:
        problem, remedy = _SAID[type_]
        return problem.format(value=value, **context), remedy.format(name=path[-1])
    return "must hold 'name: value' pairs", f"use {', '.join(_names(kind, path))}"


def _names(kind: Kind | None, path: Path) -> list[str]:
    """The fields that a mapping of an order can have."""
    if path == ("match",):
        return _MATCH_NAMES[kind]
    return _PARTS[path[0] if path else None].names()


def _name(order: object) -> str | None:
    name = order.get("name") if isinstance(order, dict) else None
    return name if isinstance(name, str) and name else None
