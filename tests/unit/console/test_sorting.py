"""The heads of a table: what they sort by, which way, and where they lead."""

from __future__ import annotations

from typing import Any, cast

import pytest
from starlette.requests import Request

from opsteward.console.page import Visit
from opsteward.console.sorting import sorting
from opsteward.core.errors import Invalid

COLUMNS = {"last": True, "name": False}


def visit(query: str) -> Visit:
    scope = {"type": "http", "method": "GET", "path": "/things", "query_string": query.encode(), "headers": [],
             "scheme": "http", "server": ("127.0.0.1", 80)}  # fmt: skip
    return Visit(services=cast(Any, None), identity=cast(Any, None), request=Request(scope))


def test_a_head_sorts_its_usual_way_first_and_then_the_other() -> None:
    plain = sorting(visit("show=all&after=7"), COLUMNS)
    assert (plain.column, plain.descending, plain.asked) == ("last", True, "")
    assert (plain.heads["last"].sorted, plain.heads["last"].to) == ("descending", "/things?show=all&sort=last")
    assert (plain.heads["name"].sorted, plain.heads["name"].to) == ("", "/things?show=all&sort=name")
    by_name = sorting(visit("sort=name"), COLUMNS)
    assert (by_name.column, by_name.descending, by_name.asked) == ("name", False, "name")
    assert by_name.heads["name"].to == "/things?sort=-name"
    assert by_name.heads["last"].to == "/things?sort=-last"
    two = sorting(visit("sort=name&tokens=-name"), COLUMNS, of="tokens")
    assert (two.column, two.descending, two.asked) == ("name", True, "-name")
    assert two.heads["last"].to == "/things?sort=name&tokens=-last"


def test_what_has_no_value_comes_last_both_ways() -> None:
    rows = [("b", 2), ("none", None), ("c", 3), ("a", 1)]
    keys = {"last": lambda row: row[1], "name": lambda row: row[0]}
    assert [row[0] for row in sorting(visit("sort=-last"), COLUMNS).rows(rows, keys)] == ["c", "b", "a", "none"]
    assert [row[0] for row in sorting(visit("sort=last"), COLUMNS).rows(rows, keys)] == ["a", "b", "c", "none"]


@pytest.mark.parametrize("query", ["sort=nothing", "sort=--name", "sort=-", "sort=name%00", "sort=" + "x" * 300])
def test_a_column_that_there_is_not_is_refused(query: str) -> None:
    with pytest.raises(Invalid):
        sorting(visit(query), COLUMNS)
