"""Standing orders: what is read, what is refused and where, which one holds, and writing them back."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from opsteward.contracts.check import Severity
from opsteward.events.classification import Category
from opsteward.events.decision_table import EventAction, decide
from opsteward.events.standing_orders.document import (
    ActionInfo,
    Subject,
    Window,
    dump,
    first_match,
    parse,
    shipped,
)
from opsteward.lab.registration import standing_orders as lab_orders
from support.order_texts import ACTIONS, RESTART, TERMINATE, WIPE, finding, order, problems, read

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday


@pytest.mark.parametrize(
    ("match", "action", "more", "field", "problem"),
    [
        ("finding: lock_chain", "escalate", "", "action", "answers events"),
        ("category: ignorable", RESTART, "", "action", "needs a target"),
        ("category: ignorable", "chat.pst", "", "action", "no action"),
        ("finding: lock_chain", WIPE, "    approval: auto\n", "limits", "high risk"),
        ("finding: lock_chain, system: ''", RESTART, "", "match.system", "is empty"),
        ("finding: lock_chain, system: []", RESTART, "", "match.system", "1 to 50"),
        (f"finding: [{', '.join(['a'] * 50_000)}]", RESTART, "", "match.finding", "1 to 50"),
        ("finding: lock_chain, system: {a: b}", RESTART, "", "match.system", "single value"),
        ("finding: lock_chain, message: x", RESTART, "", "match.message", "a finding has no"),
        ("category: ignorable, component: x", "log_only", "", "match.component", "an event has no".replace("an", "a")),
        ("finding: lock_chain", RESTART, "    cooldown: 31d\n", "cooldown", "longer than"),
        ("finding: lock_chain", RESTART, "    window: {from: '24:00', to: '05:00'}\n", "window.from", "end of a day"),
        ("finding: lock_chain", RESTART, "    window: {from: '05:00', to: '05:00'}\n", "window.to", "no length"),
        ("finding: lock_chain", RESTART, "    window: {timezone: ../etc/passwd}\n", "window.timezone", "no time zone"),
        ("finding: lock_chain", RESTART, "    window: {timezone: Europe}\n", "window.timezone", "no time zone"),
        ("finding: lock_chain", RESTART, "    window:\n", "window", "pairs"),
        (f"finding: lock_chain, system: {'x' * 300}", RESTART, "", "match.system", "longer than"),
    ],
)
def test_orders_that_are_refused(match: str, action: str, more: str, field: str, problem: str) -> None:
    found = problems("version: 1\norders:\n" + order("a", match, action, more))
    assert [(name, problem in text) for _, name, text, _ in found] == [(f"orders.0.{field}", True)]


@pytest.mark.parametrize(
    ("match", "action", "more"),
    [
        ("category: ignorable", "chat.post", ""),
        ("finding: '*'", RESTART, ""),
        ("finding: 'process_*'", RESTART, ""),
        ("finding: lock_chain", WIPE, "    approval: auto\n    limits: {per_target: 1}\n"),
        ("error_type: '*Timeout*'", "escalate", "    cooldown: 0s\n"),
        ("finding: lock_chain, system: 8080", RESTART, "    window: {days: sat-mon, from: '22:00', to: 06:00}\n"),
    ],
)
def test_orders_that_are_taken(match: str, action: str, more: str) -> None:
    (taken,) = read(order("a", match, action, more))
    assert parse(dump([taken]), known_actions=ACTIONS) == [taken]


UNREACHABLE = [
    ("finding: lock_chain", "finding: lock_chain", True),
    ("finding: lock_chain", "finding: lock_chain, system: a", True),
    ("finding: '*'", "finding: lock_chain", True),
    ("finding: lock_chain, system: shop-*", "finding: lock_chain, system: shop-web-*", True),
    ("finding: lock_chain, system: 's*-?'", "finding: lock_chain, system: 'shop-?'", True),
    ("finding: lock_chain, system: SHOP-*", "finding: lock_chain, system: shop-1", True),
    ("finding: [lock_chain, process_down]", "finding: process_down", True),
    ("finding: lock_chain, severity: [low, medium, high]", "finding: lock_chain", True),
    ("finding: lock_chain, system: '*'", "finding: lock_chain", True),
    ("finding: lock_chain, system: shop-*", "finding: lock_chain", False),
    ("finding: lock_chain, system: shop-*", "finding: lock_chain, system: '*-1'", False),
    ("finding: lock_chain, system: 'shop-?'", "finding: lock_chain, system: 'shop-*'", False),
    ("finding: lock_chain, system: '[a-z]*'", "finding: lock_chain, system: abc", False),
    ("finding: lock_chain, severity: high", "finding: lock_chain, severity: [high, low]", False),
    ("finding: lock_chain", "finding: [lock_chain, process_down]", False),
]


@pytest.mark.parametrize(("first", "second", "unreachable"), UNREACHABLE)
def test_an_order_that_can_never_hold_is_refused(first: str, second: str, unreachable: bool) -> None:
    text = "version: 1\norders:\n" + order("a", first, RESTART) + order("b", second, RESTART)
    if not unreachable:
        assert len(parse(text, known_actions=ACTIONS)) == 2
        return
    ((line, field, problem, _),) = problems(text)
    assert (line, field) == (6, "orders.1")
    assert "'a' in line 3" in problem


def test_what_keeps_a_later_order_reachable() -> None:
    window = "    window: {days: [mon], from: '08:00', to: '18:00'}\n"
    assert (
        len(read(order("a", "finding: lock_chain", RESTART, window) + order("b", "finding: lock_chain", RESTART))) == 2
    )
    # A finding may propose only the second one's action; events always take the first.
    assert len(read(order("a", "finding: lock_chain", RESTART) + order("b", "finding: lock_chain", TERMINATE))) == 2
    text = "version: 1\norders:\n" + order("a", "source: x", "log_only") + order("b", "source: x", "escalate")
    assert "never hold" in problems(text)[0][2]


def test_the_first_order_that_holds_decides() -> None:
    orders = read(
        order("web", "finding: process_down, system: shop-web", RESTART)
        + order("all", "finding: 'process_*', severity: [medium, high]", RESTART)
        + order("locks", "finding: lock_chain", TERMINATE)
        + order("vpn", "category: security_issue, message: '*vpn*'", "notify_admin")
    )

    def name(subject: Subject) -> str | None:
        found = first_match(orders, subject, NOON)
        return found.name if found else None

    assert name(finding(RESTART, finding="process_down", system="shop-web", severity="high")) == "web"
    assert name(finding(RESTART, finding="process_down", system="SHOP-WEB", severity="high")) == "web"
    assert name(finding(RESTART, finding="process_down", system="shop-db", severity="high")) == "all"
    assert name(finding(RESTART, finding="process_down", system="shop-db", severity="low")) is None
    assert name(finding(TERMINATE, finding="process_down", system="shop-web", severity="high")) is None
    assert name(finding(finding="lock_chain")) is None
    assert name(finding(RESTART, TERMINATE, finding="lock_chain")) == "locks"
    event = {"category": "security_issue", "message": "login to\nVPN refused"}
    assert name(Subject(kind="event", fields=event)) == "vpn"
    assert name(Subject(kind="finding", fields=event, proposed_actions=["notify_admin"])) is None
    assert name(Subject(kind="event", fields={"category": "security_issue"})) is None


@pytest.mark.parametrize(
    ("window", "at", "holds"),
    [
        (Window(days=("mon",), start=480, end=1080), "2026-03-02T08:00+00:00", True),
        (Window(days=("mon",), start=480, end=1080), "2026-03-02T18:00+00:00", False),
        (Window(days=("tue",), start=480, end=1080), "2026-03-02T12:00+00:00", False),
        (Window(days=("mon",), start=480, end=1080, timezone="Europe/Berlin"), "2026-03-02T07:00+00:00", True),
        (Window(days=("mon",), start=480, end=1080, timezone="Europe/Berlin"), "2026-07-06T06:00+00:00", True),
        (Window(days=("sun",), start=1320, end=360), "2026-03-02T05:59+00:00", True),
        (Window(days=("sun",), start=1320, end=360), "2026-03-02T06:00+00:00", False),
        (Window(days=("sun",), start=1320, end=360), "2026-03-01T22:00+00:00", True),
        (Window(days=("sun",), start=1320, end=360), "2026-03-01T05:00+00:00", False),
        (Window(), "2026-03-01T23:59+00:00", True),
    ],
)
def test_windows(window: Window, at: str, holds: bool) -> None:
    assert window.holds(datetime.fromisoformat(at)) is holds


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Window().holds(NOON.replace(tzinfo=None))


@pytest.mark.parametrize("text", [shipped(), lab_orders()])
def test_shipped_files_are_sound(text: str) -> None:
    actions = {slug: ActionInfo(slug=slug) for slug in (TERMINATE, RESTART)}
    assert parse(text, known_actions=actions)


def test_a_fresh_installation_touches_no_target_without_approval() -> None:
    orders = parse(shipped(), known_actions=ACTIONS)
    assert {order.approval for order in orders if order.kind == "finding"} == {"required"}
    assert {order.action for order in orders if order.kind == "event"} <= set(EventAction)


@pytest.mark.parametrize("text", [shipped(), lab_orders()])
def test_shipped_orders_for_events_decide_as_the_table_does(text: str) -> None:
    orders = parse(text, known_actions=ACTIONS)
    for category in Category:
        for severity in Severity:
            event = Subject(kind="event", fields={"category": category, "severity": severity})
            found = first_match(orders, event, NOON)
            assert found is None or found.action == decide(event_type=category, severity=severity).action


def test_the_lab_repairs_its_own_shop_only() -> None:
    orders = parse(lab_orders(), known_actions=ACTIONS)
    for type_, action in [
        ("lock_chain", TERMINATE),
        ("connection_leak", TERMINATE),
        ("process_down", RESTART),
        ("process_hung", RESTART),
    ]:
        found = first_match(orders, finding(action, finding=type_, system="shop-db", severity="high"), NOON)
        assert found is not None
        assert (found.action, found.approval) == (action, "auto")
        assert first_match(orders, finding(action, finding=type_, system="billing", severity="high"), NOON) is None
