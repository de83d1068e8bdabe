"""An order in force that holds up no longer keeps its place: nothing after it acts where it may have decided."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from opsteward.events.decision_table import decide
from opsteward.events.event_decisions import decided
from opsteward.events.standing_orders.document import ActionInfo, FaultyOrder, Rule, StandingOrder, Subject, first_match
from opsteward.events.standing_orders.lost_systems import lost_problems, systems_named, with_lost_systems
from opsteward.events.standing_orders.parser import read_orders

TERMINATE, RESTART = "postgresql.terminate_session", "supervisor.restart_process"
ACTIONS = {
    TERMINATE: ActionInfo(slug=TERMINATE),
    RESTART: ActionInfo(slug=RESTART),
    "chat.post": ActionInfo(slug="chat.post", needs_target=False),
}
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday
BROAD = """
  - name: broad
    match: {finding: "*"}
    action: supervisor.restart_process
    approval: auto
    limits: {per_target: 2, per_hour: 4}
  - name: broad-events
    match: {category: [system_error, security_issue, ignorable, validation_error]}
    action: chat.post
    approval: auto
"""


def rules(text: str) -> list[Rule]:
    return read_orders(f"version: 1\norders:\n{text}", known_actions=ACTIONS).rules


def finding(*, proposes: str = RESTART, **fields: str) -> Subject:
    found = {"finding": "process_down", "system": "shop-web", "system_type": "service", "severity": "high"} | fields
    return Subject(kind="finding", fields=found, proposed_actions={proposes})


def event(**fields: str) -> Subject:
    return Subject(kind="event", fields={"category": "system_error", "severity": "high", "source": "cron"} | fields)


def who(found: list[Rule], subject: Subject) -> str:
    rule = first_match(found, subject, NOON)
    return f"faulty {rule.name}" if isinstance(rule, FaultyOrder) else rule.name if rule else "nobody"


MEANT = [
    # what is at fault, what it may have meant, what it can't have meant
    ("match: {finding: process_down, system: shop-*}, action: gone.action", finding(), finding(system="billing")),
    ("match: {finding: gone_type, system: shop-*}, action: supervisor.restart_process", finding(), finding(system="x")),
    (
        "match: {finding: [gone_type, lock_chain], severity: high}, action: supervisor.restart_process",
        finding(),
        finding(severity="low"),
    ),
    (
        "match: {finding: process_down, tag: prod}, action: supervisor.restart_process",
        finding(),
        finding(finding="http_slow"),
    ),
    (
        "match: {finding: process_down}, action: supervisor.restart_process, cooldown: soon",
        finding(),
        finding(finding="http_slow"),
    ),
    (
        "match: {finding: process_down}, action: supervisor.restart_process, approval: maybe",
        finding(),
        finding(finding="http_slow"),
    ),
    (
        "match: {finding: process_down}, action: supervisor.restart_process, limits: {per_target: 0, per_hour: 1}",
        finding(),
        finding(finding="http_slow"),
    ),
    (
        "match: {finding: process_down}, action: supervisor.restart_process, window: {from: '25:00'}",
        finding(),
        finding(finding="http_slow"),
    ),
    (
        "match: {finding: process_down}, action: gone.action, window: {from: '11:00', to: '13:00'}",
        finding(),
        finding(finding="http_slow"),
    ),
    ("match: {category: system_error, source: cron}, action: gone.action", event(), event(source="vpn")),
    ("match: {category: gone_category, source: cron}, action: log_only", event(), event(source="vpn")),
    ("match: {source: cron, severity: dreadful}, action: log_only", event(severity="low"), event(source="vpn")),
]


@pytest.mark.parametrize(("order", "meant", "other"), MEANT)
def test_what_a_faulty_order_may_have_meant_is_no_other_orders(order: str, meant: Subject, other: Subject) -> None:
    found = rules(f"  - {{name: narrow, {order}}}\n{BROAD}")
    assert who(found, meant) == "faulty narrow"
    assert who(found, other).startswith("broad")
    assert who(rules(BROAD), meant).startswith("broad")  # it is the faulty order that holds it back


@pytest.mark.parametrize(
    "order",
    [
        "  - 7\n",
        "  - {name: narrow, action: gone.action}\n",
        "  - {name: narrow, match: everything, action: gone.action}\n",
        "  - {name: narrow, match: {system: shop-*}, action: gone.action}\n",
        "  - {name: narrow, match: {finding: lock_chain, source: x}, action: gone.action}\n",
    ],
)
def test_an_order_that_can_not_be_read_may_have_meant_anything(order: str) -> None:
    found = rules(order + BROAD)
    assert who(found, finding()).startswith("faulty")
    assert who(found, event()).startswith("faulty")


@pytest.mark.parametrize("text", ["version: 2\norders:\n" + BROAD, "version: 1\norders: [" + BROAD, "", "- a"])
def test_a_text_that_can_not_be_read_lets_nothing_act(text: str) -> None:
    found = read_orders(text, known_actions=ACTIONS).rules
    assert who(found, finding()) == who(found, event()) == "faulty the whole text"


def test_a_known_action_narrows_what_an_unreadable_condition_may_have_meant() -> None:
    found = rules(f"  - {{name: narrow, match: {{finding: gone_type}}, action: {TERMINATE}}}\n{BROAD}")
    assert who(found, finding(proposes=TERMINATE)) == "faulty narrow"
    assert who(found, finding(proposes=RESTART)) == "broad"


def test_a_window_that_can_be_read_narrows_it() -> None:
    night = "window: {from: '22:00', to: '06:00'}"
    found = rules(f"  - {{name: narrow, match: {{finding: process_down}}, action: gone.action, {night}}}\n{BROAD}")
    assert who(found, finding()) == "broad"


def test_orders_before_a_faulty_one_decide_as_before() -> None:
    found = rules(BROAD + "  - {name: late, match: {finding: lock_chain}, action: gone.action}\n")
    assert who(found, finding()) == "broad"
    assert who(found, finding(finding="lock_chain", proposes=TERMINATE)) == "faulty late"


def test_an_order_that_never_holds_stands_in_nobodys_way() -> None:
    never = "  - {name: never, match: {finding: process_down}, action: supervisor.restart_process}\n"
    last = f"  - {{name: last, match: {{finding: lock_chain}}, action: {TERMINATE}}}\n"
    found = read_orders(f"version: 1\norders:\n{BROAD}{never}{last}", known_actions=ACTIONS)
    assert [rule.name for rule in found.rules] == ["broad", "broad-events", "last"]
    assert len(found.problems) == 1


def test_an_event_is_escalated_and_told_why() -> None:
    (faulty,) = rules("  - {name: quiet-cron, match: {category: system_error, source: cron}, action: gone.action}\n")
    done = decided(decide(event_type="system_error", severity="low"), faulty)
    assert (done.action, done.priority) == ("escalate", 1)
    assert (
        "standing order quiet-cron is faulty (line 3: orders.0.action: there is no action 'gone.action')" in done.reason
    )
    assert done.order is not None and done.order.limits.per_hour == 30


def test_of_an_order_without_a_readable_condition_noise_stays_noted() -> None:
    (faulty,) = rules("  - 7\n")
    assert decided(decide(event_type="ignorable", severity="low"), faulty).action == "log_only"
    assert decided(decide(event_type="system_error", severity="low"), faulty).action == "escalate"


NAMED = """
  - name: careful
    match: {finding: process_down, system: [Shop-Web, other]}
    action: supervisor.restart_process
    approval: required
  - name: hush
    match: {category: system_error, system: shop-web}
    action: log_only
"""


def test_a_renamed_system_is_not_taken_by_a_broader_order() -> None:
    found = rules(NAMED + BROAD)
    assert systems_named(found) == {"shop-web", "other"}
    lost = {"shop-web": ["web [1]*"]}
    renamed = with_lost_systems(found, lost)
    assert who(renamed, finding(system="web [1]*")) == "faulty careful"
    assert who(renamed, finding(system="other")) == "careful"
    assert who(renamed, finding(system="web 1")) == "broad"
    assert who(renamed, event(system="web [1]*")) == "faulty hush"
    assert [(p.line, p.field) for p in lost_problems(found, lost)] == [
        (4, "careful.match.system"),
        (8, "hush.match.system"),
    ]


def test_events_of_a_removed_system_go_to_a_person() -> None:
    removed = with_lost_systems(rules(NAMED + BROAD), {"shop-web": []})
    assert who(removed, event(source="shop-web")) == "faulty hush"
    assert who(removed, event(source="cron")) == "broad-events"
    assert who(removed, finding(system="another")) == "broad"


def test_sound_orders_are_unchanged() -> None:
    assert all(isinstance(rule, StandingOrder) for rule in rules(BROAD + NAMED.replace("finding:", "finding: ")))
