"""One statement on a real PostgreSQL, one list of a real API: read within limits, and nothing changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import date

import psycopg
import pytest
from real_parts import Postgres, system
from records_api import RecordsApi, records_api

from opsteward.core.errors import AuthFailed, BadReply, ConnectorError, Invalid, Timeout
from opsteward.integrations.postgresql.connector import PostgresConnector
from opsteward.integrations.rest.connector import RestConnector

Look = Callable[..., PostgresConnector]


async def test_values_are_typed_and_rows_are_json(look: Look) -> None:
    found = await look().select(
        "select %(day)s::date as day, 1.10::numeric as price, array[1, 2] as numbers, null as nothing,"
        " 'NaN'::float8 as none, %(names)s::text[] as names, '{\"a\": 1}'::jsonb as document, %(text)s::text as text",
        {"day": date(2026, 5, 1), "names": ["x"], "text": "'; drop table stock; --"},
        max_rows=10,
        seconds=5,
    )
    assert found.rows == [
        {"day": "2026-05-01", "price": 1.1, "numbers": [1, 2], "nothing": None, "none": None, "names": ["x"],
         "document": {"a": 1}, "text": "'; drop table stock; --"}
    ]  # fmt: skip
    assert not found.cut


async def test_rows_beyond_the_limit_are_not_read(look: Look) -> None:
    via = look()
    found = await via.select("select generate_series(1, 1000000000) as n", {}, max_rows=700, seconds=10)
    assert (len(found.rows), found.cut) == (700, True)
    exact = await via.select("select generate_series(1, 700) as n", {}, max_rows=700, seconds=10)
    assert (len(exact.rows), exact.cut) == (700, False)
    wide = await via.select("select repeat('x', 8000000) from generate_series(1, 1000)", {}, max_rows=1000, seconds=20)
    assert wide.cut
    assert len(wide.rows) < 5


async def test_a_statement_that_takes_too_long_ends(look: Look) -> None:
    via = look()
    with pytest.raises(Timeout):
        await via.select("select pg_sleep(30)", {}, max_rows=1, seconds=0.3)
    assert (await via.select("select 1 as n", {}, max_rows=1, seconds=5)).rows == [{"n": 1}]


@pytest.mark.parametrize(
    "statement",
    [
        "insert into stock values (99, 1) returning id",
        "with gone as (delete from stock returning id) select * from gone",
        "select set_config('transaction_read_only', 'off', false); insert into stock values (99, 1)",
        "select lo_create(4711)",
        "select nextval('written')",
        "select pg_notify('x', set_config('transaction_read_only', 'off', false)), insert_one()",
        "commit",
        "select * from nowhere",
        "select %(missing)s",
    ],
)
async def test_nothing_is_written_whatever_the_statement_says(postgres: Postgres, look: Look, statement: str) -> None:
    with psycopg.connect(postgres.dsn(), autocommit=True) as admin:
        admin.execute("create sequence if not exists written")
        admin.execute(
            "create or replace function insert_one() returns int language sql"
            " as 'insert into stock values (99, 1) returning id'"
        )
    with pytest.raises((BadReply, AuthFailed)):
        await look("boss").select(statement, {}, max_rows=10, seconds=5)
    with psycopg.connect(postgres.dsn()) as admin:
        assert admin.execute("select count(*) from stock where id = 99").fetchone() == (0,)


@pytest.fixture
async def api() -> AsyncIterator[RecordsApi]:
    async with records_api() as running:
        running.fill(8)
        yield running


def _api(api: RecordsApi) -> RestConnector:
    return RestConnector(RestConnector.config_for(system(api.endpoint, timeout_seconds=2), {}))


async def test_a_list_of_an_api_is_read_page_by_page_up_to_the_limit(api: RecordsApi) -> None:
    declared = {"path": "page", "items": "data.items", "query": {"only": "on"},
                "paging": {"kind": "page", "param": "page", "size": "3", "size_param": "n"}}  # fmt: skip
    found = await _api(api).list_items(declared, max_rows=5, seconds=5)
    assert ([row["id"] for row in found.rows], found.cut) == ([1, 2, 3, 4, 5], True)
    assert all(method == "GET" and "only=on" in path for method, path, _ in api.calls)
    whole = await _api(api).list_items(declared, max_rows=8, seconds=5)
    assert (len(whole.rows), whole.cut) == (8, False)


async def test_an_api_that_fails_or_leads_elsewhere_is_an_error_of_ours(api: RecordsApi) -> None:
    with pytest.raises(Invalid, match="paging"):
        await _api(api).list_items({"path": "none", "paging": {"kind": "scroll"}}, max_rows=5, seconds=5)
    with pytest.raises(BadReply):
        await _api(api).list_items({"path": "http://127.0.0.1:1/x"}, max_rows=5, seconds=5)
    api.status = 500
    with pytest.raises(ConnectorError):
        await _api(api).list_items({"path": "none"}, max_rows=5, seconds=5)
