"""Files of standing orders: read whole, refused with line, field and remedy, and written as they were read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opsteward.core.errors import Invalid
from opsteward.events.decision_table import EventAction
from opsteward.events.standing_orders.document import (
    FINDING_TYPES,
    FaultyOrder,
    Limits,
    StandingOrder,
    StandingOrderErrors,
    Window,
    as_document,
    dump,
    parse,
)
from opsteward.events.standing_orders.parser import read_orders
from opsteward.events.standing_orders.types import DAYS, END_OF_DAY, covers
from support.order_texts import ACTIONS, RESTART, TERMINATE, order, problems, read

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
