"""Files of direct calls: what is in them, and every slip told with its line and remedy."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from opsteward.core.errors import Invalid
from opsteward.crew.direct_calls.call_file import load_calls
from opsteward.crew.direct_calls.statements import NotAStatement, read_statement
from opsteward.crew.direct_calls.types import CallValue, DirectCall, ValueType
from opsteward.crew.direct_calls.values import WrongValue, read_value, typed_values

GOOD = """
shop.orders:
  system: shop-db
  says: Orders since a day
  sql: |
    select id, total::float8, ':not' as text -- :nor this
    from orders where day >= :since and country = any(:countries)
  values:
    since: {type: date, min: 2020-01-01}
    countries: {type: texts, default: , max: 50}
  rows: 500
  seconds: 3
shop.customers:
  system: shop-api
  get: /v1/customers/{segment}
  query: {active: "{active}", page_size: "100"}
  items: data
  values:
    segment: {type: text, choices: [new, old]}
    active: {type: boolean, default: true}
"""


def _loaded(tmp_path: Path, text: str) -> tuple[dict[str, DirectCall], list[tuple[int, str, str]]]:
    (tmp_path / "calls.yaml").write_text(text, encoding="utf-8")
    calls, problems = load_calls(tmp_path)
    assert all(one.remedy for one in problems)
    return calls, [(one.line, one.field, one.problem) for one in problems]


def test_a_file_of_a_query_and_a_list_is_read(tmp_path: Path) -> None:
    calls, problems = _loaded(tmp_path, GOOD)
    assert problems == []
    orders = calls["shop.orders"]
    assert "day >= %(since)s" in orders.statement
    assert "':not' as text -- :nor this" in orders.statement
    assert "::float8" in orders.statement
    assert (orders.max_rows, orders.seconds) == (500, 3)
    assert typed_values(orders, {"since": "2026-01-31"}) == {"since": date(2026, 1, 31), "countries": None}
    assert calls["shop.customers"].declared["path"] == "v1/customers/{segment}"


@pytest.mark.parametrize(
    ("old", "new", "line", "problem"),
    [
        ("select id", "delete from x; select id", 5, "more than one statement"),
        ("select id", "update x set a = 1 returning id", 5, "a direct call only reads"),
        (":since", ":sinse", 2, "'sinse', which is not declared"),
        ("type: date", "type: dates", 9, "'dates' is no type"),
        ("min: 2020-01-01", "min: 2020-13-01", 9, "is no day"),
        ("rows: 500", "rows: many", 11, "is no number from 1 to 100000"),
        ("seconds: 3", "second: 3", 12, "is no field of a call"),
        ("system: shop-db", "system:", 2, "names no system"),
        ("get: /v1", "get: http://other.example/v1", 15, "leads out of the system"),
        ("items: data", "items: data\n  method: POST", 18, "may change something"),
        ("shop.customers:", "shop.orders:", 13, "is given twice"),
        ("shop.customers:", "Shop Customers:", 13, "is no name for a call"),
        ("default: true", "default: maybe", 20, "is neither true nor false"),
    ],
)
def test_a_slip_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, problem: str) -> None:
    calls, problems = _loaded(tmp_path, GOOD.replace(old, new, 1))
    assert any(found[0] == line and problem in found[2] for found in problems), problems
    assert len(calls) < 2


def test_files_that_are_none_are_told(tmp_path: Path) -> None:
    assert _loaded(tmp_path, "- a\n- b\n")[1][0][2] == "holds no calls"
    assert _loaded(tmp_path, "a: [")[1]
    (tmp_path / "calls.yaml").write_bytes(b"\xff\xfe")
    assert load_calls(tmp_path)[1][0].problem == "is no text in UTF-8"
    assert load_calls(tmp_path / "nowhere")[1][0].problem == "there is no .yaml file in this folder"


@pytest.mark.parametrize(
    "text",
    ["drop table x", "select 1; drop table x", "explain analyze delete from x", "do $$ begin end $$", "",
     "copy x to '/f'", "/* select */ delete from x", "set role boss"],
)  # fmt: skip
def test_what_does_more_than_read_is_no_statement(text: str) -> None:
    with pytest.raises(NotAStatement):
        read_statement(text)


def test_values_stand_only_where_sql_has_values() -> None:
    text = "select 'it''s :a', E'\\':b', \"c:d\", $x$ :e ; $x$, a % 2, '{1}'::int[] from t where f = :g -- ; :h\n;"
    statement, names = read_statement(text)
    assert names == {"g"}
    assert statement.count("%%") == 1


@pytest.mark.parametrize("text", ["--5", "-", "", "5-", "1.5", "9" * 30, "0x10"])
def test_a_text_that_is_no_whole_number_is_refused_as_one(text: str) -> None:
    with pytest.raises(WrongValue):
        read_value(CallValue(name="n", type=ValueType.INTEGER), text)
    assert read_value(CallValue(name="n", type=ValueType.INTEGER), " -5 ") == -5


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "values.since"),
        ({"since": "yesterday"}, "values.since"),
        ({"since": "2019-01-01"}, "values.since"),
        ({"since": "2026-01-01", "countries": "de"}, "values.countries"),
        ({"since": "2026-01-01", "countries": ["x"] * 51}, "values.countries"),
        ({"since": "2026-01-01", "until": 1}, "values.until"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(tmp_path: Path, values: dict[str, object], field: str) -> None:
    calls, _ = _loaded(tmp_path, GOOD)
    with pytest.raises(Invalid) as raised:
        typed_values(calls["shop.orders"], values)
    assert [one.field for one in raised.value.problems] == [field]
    assert raised.value.problems[0].remedy
