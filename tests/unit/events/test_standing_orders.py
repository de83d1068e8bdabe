"""Standing orders: what is read, what is refused and where, which one holds, and writing them back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsteward.contracts.check import Severity
from opsteward.core.errors import Invalid
from opsteward.events.classification import Category
from opsteward.events.decision_table import EventAction, decide
from opsteward.events.standing_orders.document import (
    FINDING_TYPES,
    ActionInfo,
    FaultyOrder,
    Limits,
    StandingOrder,
    StandingOrderErrors,
    Subject,
    Window,
    as_document,
    dump,
    first_match,
    parse,
    shipped,
)
from opsteward.events.standing_orders.parser import read_orders
from opsteward.events.standing_orders.types import DAYS, END_OF_DAY, covers
from opsteward.lab.registration import standing_orders as lab_orders

TERMINATE, RESTART, WIPE = "postgresql.terminate_session", "supervisor.restart_process", "disk.wipe"
ACTIONS = {
    TERMINATE: ActionInfo(slug=TERMINATE, risk="medium", params=("pid",)),
    RESTART: ActionInfo(slug=RESTART, risk="medium"),
    WIPE: ActionInfo(slug=WIPE, risk="high"),
    "chat.post": ActionInfo(slug="chat.post", risk="low", needs_target=False),
}
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)  # a Monday


def read(orders: str) -> list[StandingOrder]:
    return parse("version: 1\norders:\n" + orders, known_actions=ACTIONS)


def problems(text: str) -> list[tuple[int, str, str, str]]:
    with pytest.raises(StandingOrderErrors) as caught:
        parse(text, known_actions=ACTIONS)
    return [(p.line, p.field, p.problem, p.remedy) for p in caught.value.problems]  # type: ignore[attr-defined]


FULL = """
  - name: unblock-checkout
    description: Shoppers wait.
    match:
      finding: lock_chain
      system: shop-*
      severity: [medium, high]
    action: postgresql.terminate_session
    approval: auto
    cooldown: 1h30m
    limits: {per_target: 3, per_hour: 10}
    window: {days: [mon-wed, fri], from: 08:00, to: "18:00", timezone: Europe/Berlin}
  - name: after-hours
    match: {category: security_issue, source: ["vpn-*", sso]}
    action: notify_admin
"""


def test_a_full_file_is_read() -> None:
    first, second = read(FULL)
    assert first == StandingOrder(
        name="unblock-checkout",
        kind="finding",
        match={"finding": ("lock_chain",), "system": ("shop-*",), "severity": ("medium", "high")},
        action=TERMINATE,
        approval="auto",
        cooldown=timedelta(minutes=90),
        limits=Limits(per_target=3, per_hour=10),
        window=Window(days=("mon", "tue", "wed", "fri"), start=480, end=1080, timezone="Europe/Berlin"),
        description="Shoppers wait.",
    )
    assert (second.kind, second.approval, second.window) == ("event", "required", None)


BROKEN = """version: 2
orders:
  - name: Bad Name
    match: {finding: lock_chian, systm: x}
    action: postgresql.terminate_sesion
  - name: a
    match:
      finding:
        - lock_chain
        - lok
      category: system_error
      severity: hgih
    action: [x]
    approval: maybe
    cooldown: 5 minutes
    limits: {per_target: 0, per_hour: x, per_day: 1}
    window: {days: [mon-fry], from: 8, to: 25:00, timezone: Europe/Berln}
  - name: a
    match: {system: x}
    action: escalate
  - foo
"""


def test_all_problems_are_told_with_line_field_and_remedy() -> None:
    found = problems(BROKEN)
    assert [(line, field) for line, field, _, _ in found] == [
        (1, "version"),
        (3, "orders.0.name"),
        (4, "orders.0.match.finding"),
        (4, "orders.0.match.systm"),
        (5, "orders.0.action"),
        (10, "orders.1.match.finding"),
        (11, "orders.1.match.category"),
        (12, "orders.1.match.severity"),
        (13, "orders.1.action"),
        (14, "orders.1.approval"),
        (15, "orders.1.cooldown"),
        (16, "orders.1.limits.per_target"),
        (16, "orders.1.limits.per_hour"),
        (16, "orders.1.limits.per_day"),
        (17, "orders.1.window.days"),
        (17, "orders.1.window.from"),
        (17, "orders.1.window.to"),
        (17, "orders.1.window.timezone"),
        (18, "orders.2.name"),
        (19, "orders.2.match"),
        (21, "orders.3"),
    ]
    assert all(problem and remedy for _, _, problem, remedy in found)
    remedies = {field: remedy for _, field, _, remedy in found}
    assert remedies["orders.0.action"] == f"did you mean {TERMINATE!r}?"
    assert remedies["orders.0.match.systm"] == "did you mean 'system'?"
    assert remedies["orders.0.match.finding"] == "did you mean 'lock_chain'?"
    assert remedies["orders.1.match.severity"] == "did you mean 'high'?"
    assert remedies["orders.1.window.timezone"] == "did you mean 'Europe/Berlin'?"


def test_errors_are_a_family_of_their_own() -> None:
    with pytest.raises(Invalid) as caught:
        parse(BROKEN, known_actions=ACTIONS)
    assert caught.value.code == "standing_orders_invalid"
    assert "line 1: version" in caught.value.detail
    assert caught.value.problems[1].as_dict()["line"] == 3


def test_a_problem_names_the_column_of_its_value() -> None:
    with pytest.raises(StandingOrderErrors) as caught:
        parse(BROKEN, known_actions=ACTIONS)
    places = [(p.as_dict()["line"], p.as_dict()["column"]) for p in caught.value.problems[:6]]
    assert places == [(1, 10), (3, 11), (4, 22), (4, 34), (5, 13), (10, 11)]


@pytest.mark.parametrize(
    ("text", "line", "column", "problem"),
    [
        ("", 1, 1, "pairs"),
        ("[", 2, 1, "not closed"),
        ("a: [1, 2\nb: 3", 1, 4, "a bracket"),
        ("a: 'x\nb: 1", 1, 4, "a quote"),
        ('a: "x\\q"', 1, 6, "escape"),
        ("a: b: c", 1, 5, "':'"),
        ("a: @x", 1, 4, "can't begin"),
        ("a:\n  - b\n  -c: d", 3, 3, "'- '"),
        ("version: 1\norders:\n\t- x", 3, 1, "a tab"),
        ("a: &x 1\nb: *x", 1, 4, "anchors"),
        ("version: 1\nx: *y", 2, 4, "anchors"),
        ("a: &a [x, x]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]", 1, 4, "anchors"),
        ("version: 1\nversion: 1\norders:", 2, 1, "twice"),
        ("version: 1\norders: !!python/object:os.system {}", 2, 9, "tag"),
        ("---\nversion: 1\n---\nversion: 1", 3, 1, "second document"),
        ("version: 1\n\x00", 2, 1, "a character"),
        ("version: 1\n# \ud800", 2, 1, "Unicode"),
        ("[" * 1_000, 1, 13, "nested deeper"),
        ("? " * 1_000, 1, 25, "nested deeper"),
        ("#" * 300_000, 1, 1, "limit"),
        ("version: 1\norders:\n? [a]\n: b", 3, 3, "plain word"),
        ("version: 1", 1, 1, "list"),
        ("version: 1\norders: {}", 2, 9, "list"),
        ("version: 1\norders:\n" + "  - x\n" * 501, 3, 3, "more than 500"),
    ],
)
def test_files_that_are_refused_whole(text: str, line: int, column: int, problem: str) -> None:
    with pytest.raises(StandingOrderErrors) as caught:
        parse(text, known_actions=ACTIONS)
    (found,) = [p.as_dict() for p in caught.value.problems]
    assert (found["line"], found["column"]) == (line, column)
    assert problem in str(found["problem"])
    assert found["remedy"]


@pytest.mark.parametrize(
    ("theirs", "text"),
    [
        ("mapping values", "a: b: c"),
        ("flow", "["),
        ("block", "a:\n  - b\n c: d"),
        ("token", "a: %"),
        ("YAML", "%YAML 9.9\n--- a"),
    ],
)
def test_no_words_of_the_library_are_passed_on(theirs: str, text: str) -> None:
    (found,) = problems(text)
    assert theirs not in found[2].removeprefix("is no YAML")


def test_a_byte_order_mark_and_windows_line_ends_are_taken() -> None:
    text = ("version: 1\norders:\n" + FULL).replace("\n", "\r\n")
    assert len(parse(f"\ufeff{text}", known_actions=ACTIONS)) == 2


def test_a_name_given_twice_is_told_with_all_other_problems() -> None:
    found = problems(
        "version: 1\norders:\n" + order("a", "finding: lok", RESTART, "    action: x\n    aproval: auto\n")
    )
    assert [(line, field) for line, field, _, _ in found] == [
        (4, "orders.0.match.finding"),
        (6, "orders.0.action"),
        (7, "orders.0.aproval"),
    ]


def test_the_number_of_problems_told_is_bounded() -> None:
    found = problems("version: 1\norders:\n- {" + ", ".join(f"a{n}" for n in range(30_000)) + "}\n")
    assert len(found) == 201
    assert "29803 more" in found[-1][2]


def test_a_bad_order_takes_no_other_one_with_it() -> None:
    text = "version: 1\norders:\n" + (
        order("gone", "category: system_error", "vanished")
        + order("twice", "category: ignorable", "log_only", "    action: escalate\n")
        + order("kept", "category: system_error, source: cron", "escalate")
        + "  - 7\n"
        + order("covered", "category: system_error, source: cron", "log_only")
        + order("last", "finding: lock_chain", RESTART)
    )
    found = read_orders(text, known_actions=ACTIONS)
    assert [each.name for each in found.orders] == ["kept", "last"]
    assert [each.name for each in found.rules] == ["gone", "twice", "kept", "number 4", "last"]
    assert {problem.field for problem in found.problems} == {
        "orders.0.action",
        "orders.1.action",
        "orders.3",
        "orders.4",
    }


def test_a_file_at_fault_as_a_whole_has_no_orders() -> None:
    found = read_orders("version: 2\norders:\n" + order("a", "source: x", "escalate"), known_actions=ACTIONS)
    assert [type(rule) for rule in found.rules] == [FaultyOrder]


def test_an_empty_list_is_no_orders() -> None:
    assert parse("version: 1\norders:\n", known_actions=ACTIONS) == []
    assert parse("version: 1\norders: []\n", known_actions=ACTIONS) == []
    assert parse(dump([]), known_actions=ACTIONS) == []


def order(name: str, match: str, action: str, more: str = "") -> str:
    return f"  - name: {name}\n    match: {{{match}}}\n    action: {action}\n{more}"


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


# ---------------------------------------------------------------- which one holds


def finding(*proposed: str, **fields: str) -> Subject:
    return Subject(kind="finding", fields=fields, proposed_actions=proposed)


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


# ---------------------------------------------------------------- the shipped files


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


# ---------------------------------------------------------------- round trip

TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40).filter(
    lambda t: t.strip() == t
)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,20}", fullmatch=True)


def one_or_more(values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(values, min_size=1, max_size=3, unique=True).map(tuple)


MATCHES = st.one_of(
    st.fixed_dictionaries(
        {"finding": one_or_more(st.sampled_from(sorted(FINDING_TYPES)))},
        optional={"system": one_or_more(TEXTS), "severity": one_or_more(st.sampled_from(["low", "medium", "high"]))},
    ),
    st.fixed_dictionaries(
        {"source": one_or_more(TEXTS)}, optional={"message": one_or_more(TEXTS), "system_type": one_or_more(TEXTS)}
    ),
)
WINDOWS = st.builds(
    Window,
    days=st.sets(st.sampled_from(DAYS), min_size=1).map(lambda days: tuple(day for day in DAYS if day in days)),
    start=st.integers(0, END_OF_DAY - 1),
    end=st.integers(0, END_OF_DAY),
    timezone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
).filter(lambda window: window.start != window.end)


@st.composite
def standing_orders(draw: st.DrawFn) -> StandingOrder:
    match = draw(MATCHES)
    kind = "finding" if "finding" in match else "event"
    return StandingOrder(
        name=draw(NAMES),
        kind=kind,  # type: ignore[arg-type]
        match=match,
        action=draw(st.sampled_from([TERMINATE, RESTART] if kind == "finding" else list(EventAction))),
        approval=draw(st.sampled_from(["auto", "required"])),
        cooldown=timedelta(seconds=draw(st.integers(0, 30 * 86_400))),
        limits=Limits(per_target=draw(st.integers(1, 10_000)), per_hour=draw(st.integers(1, 10_000))),
        window=draw(st.none() | WINDOWS),
        description=draw(st.just("") | TEXTS),
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(standing_orders(), max_size=4, unique_by=lambda order: order.name))
def test_what_is_written_is_read_back(orders: list[StandingOrder]) -> None:
    reachable = [order for at, order in enumerate(orders) if not any(covers(first, order) for first in orders[:at])]
    assert parse(dump(reachable), known_actions=ACTIONS) == reachable
    assert len(as_document(reachable)["orders"]) == len(reachable)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse(text, known_actions=ACTIONS)
    except StandingOrderErrors as error:
        assert error.problems
