"""Reads and checks a file of standing orders. All that is wrong is told at once, each with its line and remedy.

The form of the file is described in `standing_orders`. Nothing is looked up here: what actions and findings
exist is given by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from opsteward.contracts.check import Severity
from opsteward.core.errors import Invalid
from opsteward.events.classification import Category
from opsteward.events.decision import EventAction
from opsteward.events.standing_orders.lined_yaml import (
    Checker,
    Items,
    LinedProblem,
    Node,
    Text,
    YamlProblem,
    read,
    suggest,
)
from opsteward.events.standing_orders.types import (
    DAYS,
    END_OF_DAY,
    ActionInfo,
    Approval,
    Kind,
    Limits,
    StandingOrder,
    Window,
    covers,
)

FINDING_TYPES = frozenset(
    {
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
    }
)

ORDER_LIMIT = 500
_COUNT_LIMIT = 10_000
_MAX_DURATION = timedelta(days=30)
_SIGNS_LIMIT = 8  # *, ? and [ in one value: each makes matching it take longer
_VALUES_LIMIT = 2_000  # of all orders together: each is compared with those before it
_ORDER_FIELDS = ("name", "description", "match", "action", "approval", "cooldown", "limits", "window")
_MATCH_FIELDS: dict[Kind, tuple[str, ...]] = {
    "finding": ("finding", "component", "system", "system_type", "severity"),
    "event": ("category", "source", "error_type", "message", "system", "system_type", "severity"),
}
_ALL_MATCH_FIELDS = tuple(dict.fromkeys(name for names in _MATCH_FIELDS.values() for name in names))
_EVENT_ONLY = ("category", "source", "error_type", "message")
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}\Z")
_DURATION = re.compile(r"(?:[0-9]{1,7}[smhd])+\Z")
_CLOCK = re.compile(r"([01]?[0-9]|2[0-4]):([0-5][0-9])\Z")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class StandingOrderErrors(Invalid):
    """The standing orders can't be put in force; `problems` names line, field and remedy of each fault."""

    code: ClassVar[str] = "standing_orders_invalid"
    title: ClassVar[str] = "The standing orders are not valid"

    def __init__(self, problems: Sequence[LinedProblem]) -> None:
        shown = "; ".join(f"line {p.line}: {p.field}: {p.problem}" for p in problems[:5])
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        super().__init__(shown + more, problems=problems)


def parse(
    text: str,
    *,
    known_actions: Mapping[str, ActionInfo],
    known_findings: Collection[str] = FINDING_TYPES,
) -> list[StandingOrder]:
    """The orders of a file, in its order.

    `known_actions` (by slug) and `known_findings` are what this installation has. Raises `StandingOrderErrors`
    with every problem found, by line; a file that is no YAML at all has one.
    """
    try:
        root = read(text)
    except YamlProblem as error:
        problem = LinedProblem(line=error.line, field="file", problem=error.problem, remedy=error.remedy)
        raise StandingOrderErrors([problem]) from None
    parser = _Parser(known_actions, known_findings)
    orders = parser.document(root)
    if parser.problems:
        raise StandingOrderErrors(sorted(parser.problems, key=lambda problem: problem.line))
    return orders


class _Parser(Checker):
    """Walks the tree and collects problems. Each method gives the value, or None after it told a problem."""

    def __init__(self, actions: Mapping[str, ActionInfo], findings: Collection[str]) -> None:
        super().__init__()
        self._actions = actions
        self._findings = findings

    # ------------------------------------------------------------ the file

    def document(self, root: Node) -> list[StandingOrder]:
        fields = self.fields(root, "file", ("version", "orders"))
        if fields is None:
            return []
        version = fields.get("version")
        if version is None or not isinstance(version, Text) or version.text != "1":
            line = version.line if version else root.line
            self.tell(line, "version", "must be 1", "begin the file with 'version: 1'")
        listed = fields.get("orders")
        if not isinstance(listed, Items):
            if listed is None or listed != Text(listed.line, ""):  # "orders:" with nothing is an empty list
                line = listed.line if listed else root.line
                self.tell(line, "orders", "must be a list", "write 'orders:' and one '- name: ...' for each")
            return []
        if len(listed.items) > ORDER_LIMIT:
            self.tell(listed.line, "orders", f"more than {ORDER_LIMIT} orders", "use * in match, or lists")
            return []
        found: list[tuple[int, StandingOrder]] = []
        names: dict[str, int] = {}
        values = 0
        for number, item in enumerate(listed.items):
            order = self._order(item, f"orders.{number}", names)
            if order is None:
                continue
            values += sum(len(choices) for choices in order.match.values())
            if values > _VALUES_LIMIT:
                self.tell(item.line, "orders", f"more than {_VALUES_LIMIT} values to match", "use * in match")
                return []
            self._check_reachable(item.line, f"orders.{number}", order, found)
            found.append((item.line, order))
        return [order for _, order in found]

    def _order(self, node: Node, where: str, names: dict[str, int]) -> StandingOrder | None:
        before = len(self.problems)
        fields = self.fields(node, where, _ORDER_FIELDS, required=("name", "match", "action"))
        if fields is None:
            return None
        name = self._name(fields.get("name"), f"{where}.name", names)
        kind, match = self._match(fields.get("match"), f"{where}.match")
        approval = self._approval(fields.get("approval"), f"{where}.approval")
        action = self._action(fields.get("action"), f"{where}.action", kind)
        limits = self._limits(fields.get("limits"), f"{where}.limits")
        self._check_risk(node.line, where, action, approval, "limits" in fields)
        cooldown = self._cooldown(fields.get("cooldown"), f"{where}.cooldown")
        window = self._window(fields["window"], f"{where}.window") if "window" in fields else None
        description = self.text(fields.get("description"), f"{where}.description", 2_000) or ""
        if len(self.problems) > before or name is None or kind is None or action is None:
            return None
        return StandingOrder(
            name=name,
            kind=kind,
            match=match,
            action=action,
            approval=approval,
            cooldown=cooldown,
            limits=limits,
            window=window,
            description=description,
        )

    # ------------------------------------------------------------ the fields of an order

    def _name(self, node: Node | None, where: str, names: dict[str, int]) -> str | None:
        name = self.text(node, where)
        if name is None or node is None:
            return None
        if not _NAME.match(name):
            remedy = "use small letters, digits and '-', at most 63"
            self.tell(node.line, where, f"{name!r} is no slug", remedy)
            return None
        if name in names:
            problem = f"{name!r} is already the name of the order in line {names[name]}"
            self.tell(node.line, where, problem, "give each order its own name")
            return None
        names[name] = node.line
        return name

    def _match(self, node: Node | None, where: str) -> tuple[Kind | None, dict[str, tuple[str, ...]]]:
        fields = self.fields(node, where, _ALL_MATCH_FIELDS) if node else None
        if fields is None or node is None:
            return None, {}
        event_fields = [name for name in _EVENT_ONLY if name in fields]
        kind: Kind | None = "finding" if "finding" in fields else "event" if event_fields else None
        if kind is None:
            remedy = f"add 'finding: ...' or, for events, one of {', '.join(_EVENT_ONLY)}"
            self.tell(node.line, where, "does not say whether it answers a finding or an event", remedy)
            return None, {}
        match: dict[str, tuple[str, ...]] = {}
        for name, value in fields.items():
            if name not in _MATCH_FIELDS[kind]:
                problem = f"a {kind} has no {name!r}"
                self.tell(value.line, f"{where}.{name}", problem, f"use {', '.join(_MATCH_FIELDS[kind])}")
                continue
            match[name] = self.choices(value, f"{where}.{name}")
            for choice in match[name]:
                if sum(choice.count(sign) for sign in "*?[") > _SIGNS_LIMIT:
                    problem = f"{choice[:60]!r} has more than {_SIGNS_LIMIT} of * ? ["
                    self.tell(value.line, f"{where}.{name}", problem, "use * for a run of any characters")
        self.check_known(fields.get("severity"), f"{where}.severity", list(Severity))
        self.check_known(fields.get("category"), f"{where}.category", list(Category))
        self.check_known(fields.get("finding"), f"{where}.finding", sorted(self._findings), globs=True)
        return kind, match

    def _action(self, node: Node | None, where: str, kind: Kind | None) -> str | None:
        action = self.text(node, where)
        if action is None or node is None or kind is None:
            return None
        info = self._actions.get(action)
        if kind == "finding":
            if info is not None and action not in list(EventAction):
                return action
            if action in list(EventAction):
                remedy = "name an action on the target, or match an event instead (category: ...)"
                self.tell(node.line, where, f"{action!r} answers events, not findings", remedy)
                return None
            candidates = [slug for slug in self._actions if slug not in list(EventAction)]
        else:
            if action in list(EventAction) or (info is not None and not info.needs_target):
                return action
            if info is not None:
                remedy = "match a finding instead (finding: ...), which names its target"
                self.tell(node.line, where, f"{action!r} needs a target, and an event has none", remedy)
                return None
            candidates = [*EventAction, *(slug for slug, each in self._actions.items() if not each.needs_target)]
        self.tell(node.line, where, f"there is no action {action!r}", suggest(action, candidates))
        return None

    def _approval(self, node: Node | None, where: str) -> Approval:
        approval = self.text(node, where) if node else "required"
        if approval == "auto":
            return "auto"
        if node is not None and approval not in (None, "required"):
            self.tell(node.line, where, f"{approval!r} is no kind of approval", "use auto or required")
        return "required"

    def _check_risk(self, line: int, where: str, action: str | None, approval: Approval, has_limits: bool) -> None:
        info = self._actions.get(action or "")
        if info is not None and info.risk == "high" and approval == "auto" and not has_limits:
            problem = f"{action!r} is of high risk and would run by itself without limits of its own"
            self.tell(line, f"{where}.limits", problem, "add limits: {per_target: ..., per_hour: ...}")

    def _cooldown(self, node: Node | None, where: str) -> timedelta:
        text = self.text(node, where) if node else None
        if text is None or node is None:
            return StandingOrder.cooldown
        if not _DURATION.match(text):
            self.tell(node.line, where, f"{text!r} is no length of time", "write 30s, 5m, 2h, 1d or 1h30m")
            return StandingOrder.cooldown
        parts = re.findall(r"([0-9]+)([smhd])", text)
        length = timedelta(seconds=sum(int(count) * _UNITS[unit] for count, unit in parts))
        if length > _MAX_DURATION:
            self.tell(node.line, where, f"{text!r} is longer than {_MAX_DURATION.days} days", "use a shorter one")
        return length

    def _limits(self, node: Node | None, where: str) -> Limits:
        fields = self.fields(node, where, ("per_target", "per_hour")) if node else None
        counts: dict[str, int] = {}
        for name, value in (fields or {}).items():
            text = self.text(value, f"{where}.{name}")
            if text is None:
                continue
            if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= _COUNT_LIMIT:
                problem = f"{text!r} is no count"
                self.tell(value.line, f"{where}.{name}", problem, f"use a whole number from 1 to {_COUNT_LIMIT}")
            else:
                counts[name] = int(text)
        return Limits(**counts)

    # ------------------------------------------------------------ the window

    def _window(self, node: Node, where: str) -> Window | None:
        fields = self.fields(node, where, ("days", "from", "to", "timezone"))
        if fields is None:
            return None
        days = self._days(fields["days"], f"{where}.days") if "days" in fields else DAYS
        start = self._clock(fields["from"], f"{where}.from") if "from" in fields else 0
        end = self._clock(fields["to"], f"{where}.to") if "to" in fields else END_OF_DAY
        zone = self._timezone(fields["timezone"], f"{where}.timezone") if "timezone" in fields else "UTC"
        if start is None or end is None or zone is None:
            return None
        if start == END_OF_DAY:
            self.tell(node.line, f"{where}.from", "24:00 is the end of a day", 'begin at "00:00"')
        if start == end:
            self.tell(node.line, f"{where}.to", "the window has no length", "leave from and to out for all day")
        return Window(days=days, start=start, end=end, timezone=zone)

    def _days(self, node: Node, where: str) -> tuple[str, ...]:
        chosen: set[str] = set()
        for choice in self.choices(node, where):
            first, _, last = choice.lower().partition("-")
            last = last or first
            if choice.lower() == "daily":
                chosen.update(DAYS)
            elif first in DAYS and last in DAYS:
                begin, end = DAYS.index(first), DAYS.index(last)
                span = range(begin, end + 1) if begin <= end else (*range(begin, 7), *range(end + 1))
                chosen.update(DAYS[number] for number in span)
            else:
                self.tell(node.line, where, f"{choice!r} is no day", "use mon ... sun, a range as mon-fri, or daily")
        return tuple(day for day in DAYS if day in chosen)

    def _clock(self, node: Node, where: str) -> int | None:
        text = self.text(node, where)
        if text is None:
            return None
        found = _CLOCK.match(text)
        minutes = int(found[1]) * 60 + int(found[2]) if found else END_OF_DAY + 1
        if minutes > END_OF_DAY:
            self.tell(node.line, where, f"{text!r} is no time of day", 'write "08:00" (00:00 to 24:00)')
            return None
        return minutes

    def _timezone(self, node: Node, where: str) -> str | None:
        zone = self.text(node, where)
        if zone is None:
            return None
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):  # unknown; not a zone's name; a folder of zones
            from zoneinfo import available_timezones

            self.tell(node.line, where, f"there is no time zone {zone!r}", suggest(zone, available_timezones()))
            return None
        return zone

    # ------------------------------------------------------------ reachability

    def _check_reachable(
        self, line: int, where: str, order: StandingOrder, earlier: Iterable[tuple[int, StandingOrder]]
    ) -> None:
        for first_line, first in earlier:
            if covers(first, order):
                problem = f"it can never hold: {first.name!r} in line {first_line} always holds before it"
                self.tell(line, where, problem, "put it before that order, or narrow that order's match")
                return
