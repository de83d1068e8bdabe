"""Database functions stand in files, and a database has what the files say: no more, no less, nothing older."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from opsteward.app.database import SOURCE, prepare_database
from opsteward.app.settings import load_settings
from opsteward.core.crypto import SecretBox
from opsteward.core.database_functions import FunctionFile, install_functions, read_functions
from opsteward.core.database_setup import DatabaseUrls, SchemaUnknown
from opsteward.core.secret_key import load_secret
from support.homes import temporary_home, without_settings

OLDER = """
drop function opsteward.find_users;
create function opsteward.find_users(part text) returns setof uuid language sql as 'select id from opsteward.users';
grant execute on function opsteward.find_users to {web};
drop function opsteward.token_owner;
create function opsteward.token_owner(hash bytea) returns text language sql as $$ select 'anybody' $$;
create or replace function opsteward.due_schedules() returns table (tenant_id uuid, id uuid)
    language sql stable as 'select null::uuid, null::uuid';
grant execute on function opsteward.due_schedules to {web};
create function opsteward.no_longer_used() returns trigger language plpgsql as 'begin return null; end';
create trigger no_longer_used after insert on opsteward.users execute function opsteward.no_longer_used();
update opsteward.installation set functions = 'older';
"""
STATE = """
select p.oid::regprocedure::text, pg_get_functiondef(p.oid), array(select unnest(proacl)::text order by 1),
    array(select pg_get_triggerdef(t.oid) from pg_trigger t where t.tgfoid = p.oid order by 1)
from pg_proc p where pronamespace = 'opsteward'::regnamespace order by 1
"""


@pytest.fixture(scope="module")
def home(request: pytest.FixtureRequest) -> Iterator[Path]:
    with temporary_home() as home, pytest.MonkeyPatch.context() as patch:
        without_settings(patch)
        yield home


def prepare(home: Path) -> DatabaseUrls:
    return prepare_database(load_settings(home=home).core, SecretBox(load_secret(None, home)))


@pytest.fixture
def owner(home: Path) -> Iterator[psycopg.Connection]:
    with psycopg.connect(prepare(home).owner) as conn:
        yield conn


def test_a_database_with_older_functions_gets_those_of_this_version(home: Path, owner: psycopg.Connection) -> None:
    fresh = owner.execute(STATE).fetchall()
    owner.execute(OLDER.format(web="opsteward_web"))
    owner.commit()
    assert owner.execute(STATE).fetchall() != fresh

    prepare(home)

    assert owner.execute(STATE).fetchall() == fresh
    assert owner.execute("select migration, engine, functions from opsteward.installation").fetchone() == SOURCE.state


def test_no_function_is_defined_twice_and_each_body_is_sound(owner: psycopg.Connection) -> None:
    rows = owner.execute(
        "select proname, p.oid, l.lanname from pg_proc p join pg_language l on l.oid = p.prolang"
        " where pronamespace = 'opsteward'::regnamespace order by 1"
    ).fetchall()
    assert [name for name, *_ in rows] == [function.name for function in SOURCE.functions]
    for _, oid, language in rows:  # what was installed without a look at the bodies is looked at here
        validator = "fmgr_sql_validator" if language == "sql" else "plpgsql_validator"
        owner.execute(f"select pg_catalog.{validator}(%s)", [oid])


def test_what_runs_as_the_owner_finds_only_what_it_names_and_is_for_no_stranger(owner: psycopg.Connection) -> None:
    unsafe = owner.execute(
        "select proname from pg_proc where pronamespace = 'opsteward'::regnamespace"
        " and (has_function_privilege('public', oid, 'execute')"
        " or prosecdef and proconfig is distinct from array['search_path=pg_catalog, pg_temp'])"
    ).fetchall()
    assert unsafe == []


def test_a_file_that_defines_another_function_is_refused(owner: psycopg.Connection) -> None:
    wrong = FunctionFile(
        "first", "create or replace function opsteward.second() returns int language sql as 'select 1'"
    )
    roles = {kind: f"opsteward_{kind}" for kind in ("owner", "app", "web")}
    with pytest.raises(ValueError, match=r"sql/first\.sql does not define the function opsteward\.first"):
        install_functions(owner, [wrong], roles=roles)
    owner.rollback()


def test_two_packages_must_not_define_one_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("one_room", "other_room"):
        (tmp_path / package / "sql").mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / "sql" / "same.sql").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    assert [function.name for function in read_functions(["one_room"])] == ["same"]
    with pytest.raises(ValueError, match="same is defined twice"):
        read_functions(["one_room", "other_room"])


def test_tables_of_an_unknown_history_are_refused_and_left_alone(home: Path, owner: psycopg.Connection) -> None:
    owner.execute("update opsteward.alembic_version set version_num = '0016'")
    owner.execute("update opsteward.installation set migration = '0016'")
    owner.commit()
    try:
        with pytest.raises(SchemaUnknown, match="revision '0016', which this version does not know") as refused:
            prepare(home)
        assert f"move {home / 'postgres'} away" in refused.value.remedy
        assert owner.execute("select migration from opsteward.installation").fetchone() == ("0016",)
    finally:
        owner.rollback()
        owner.execute("update opsteward.alembic_version set version_num = %s", [SOURCE.known[-1]])
        owner.execute("update opsteward.installation set migration = %s", [SOURCE.known[-1]])
        owner.commit()
