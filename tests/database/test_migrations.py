"""The migrations and the models say the same, and a database that is current is left alone."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from opsteward.app.database import SOURCE, load_models, prepare_database
from opsteward.app.settings import load_settings
from opsteward.core.crypto import SecretBox
from opsteward.core.database_setup import DatabaseUrls, RolesMissing
from opsteward.core.db import SCHEMA, Base
from opsteward.core.embedded_postgres import EmbeddedPostgres, prepare_home
from opsteward.core.errors import Invalid
from opsteward.core.secret_key import load_secret


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="ops-migr-", dir="/tmp"))
    folder.chmod(0o711)
    yield folder
    EmbeddedPostgres(folder).stop_if_last()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def urls(home: Path) -> DatabaseUrls:
    load_models()
    prepare_home(home)
    return prepare_database(load_settings(home=home).core, SecretBox(load_secret(None, home)))


def test_models_and_migrations_agree(urls: DatabaseUrls) -> None:
    engine = sa.create_engine(sa.make_url(urls.owner).set(drivername="postgresql+psycopg"))
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _: kind != "schema" or name == SCHEMA,
                "include_object": lambda thing, name, kind, *_: not (kind == "table" and name == "alembic_version"),
            },
        )
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_a_current_database_is_left_alone(home: Path, urls: DatabaseUrls) -> None:
    with psycopg.connect(urls.owner) as owner:
        before = owner.execute("select max(oid) from pg_class").fetchone()
    assert prepare_database(load_settings(home=home).core, SecretBox(load_secret(None, home))) == urls
    with psycopg.connect(urls.owner) as owner:
        assert owner.execute("select max(oid) from pg_class").fetchone() == before


def _external(home: Path, user: str, database: str) -> str:
    return f"postgresql://{user}@/{database}?host={EmbeddedPostgres(home).sockets}"


def test_ones_own_postgresql_is_made_ready(home: Path, urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch) -> None:
    with psycopg.connect(EmbeddedPostgres(home).url("postgres"), autocommit=True) as admin:
        admin.execute("create role dba login createrole")
        admin.execute("create database company owner dba")
    monkeypatch.setenv("DATABASE_URL", _external(home, "dba", "company"))
    box = SecretBox(load_secret(None, home))
    made = prepare_database(load_settings(home=home).core, box)
    with psycopg.connect(made.web) as web:
        row = web.execute("select current_user, usesuper from pg_user where usename = current_user").fetchone()
    assert row == ("company_web", False)


def test_where_roles_may_not_be_made_the_sql_to_run_is_said(
    home: Path, urls: DatabaseUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(EmbeddedPostgres(home).url("postgres"), autocommit=True) as admin:
        admin.execute("create role plain login")
        admin.execute("create database strict owner plain")
    monkeypatch.setenv("DATABASE_URL", _external(home, "plain", "strict"))
    box = SecretBox(load_secret(None, home))
    with pytest.raises(RolesMissing) as refused:
        prepare_database(load_settings(home=home).core, box)
    script = refused.value.detail.split("\n", 1)[1]
    with psycopg.connect(EmbeddedPostgres(home).url("strict"), autocommit=True) as admin:
        admin.execute(script)
    made = prepare_database(load_settings(home=home).core, box)
    with psycopg.connect(made.app) as app:
        assert app.execute("select migration from opsteward.installation").fetchone() == (SOURCE.known[-1],)


@pytest.fixture
def guarded(home: Path, urls: DatabaseUrls) -> str:
    """The URL of a superuser's login for a database whose three roles must give their passwords."""
    rules = EmbeddedPostgres(home).data / "pg_hba.conf"
    rules.write_text(
        "local guarded guarded_owner,guarded_app,guarded_web scram-sha-256\n" + rules.read_text(encoding="utf-8"),
        encoding="utf-8",
    )
    with psycopg.connect(EmbeddedPostgres(home).url("postgres"), autocommit=True) as admin:
        admin.execute("select pg_reload_conf()")
        admin.execute("drop database if exists guarded with (force)")
        admin.execute("create database guarded")
    deadline = time.monotonic() + 20
    while "password" not in _refused(_external(home, "guarded_app", "guarded")):  # until the rules are read again
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return _external(home, "postgres", "guarded")


def _refused(url: str) -> str:
    try:
        psycopg.connect(url).close()
    except psycopg.Error as error:
        return str(error)
    return ""


def test_another_secret_key_does_not_lock_out_a_living_installation(
    home: Path, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", guarded)
    settings = load_settings(home=home).core
    first, second = SecretBox(bytes(range(32))), SecretBox(bytes(range(1, 33)))
    made = prepare_database(settings, first)

    with pytest.raises(Invalid) as refused:
        prepare_database(settings, second)

    (problem,) = refused.value.problems
    assert problem.field == "OPSTEWARD_SECRET_KEY"
    assert "belongs to an installation with another secret key" in problem.problem
    assert "the same key" in problem.remedy
    for url in (made.owner, made.app, made.web):
        psycopg.connect(url).close()  # the first one's passwords still hold

    # roles that outlived their database belong to nobody: they get the new key's passwords
    with psycopg.connect(EmbeddedPostgres(home).url("postgres"), autocommit=True) as admin:
        admin.execute("drop database guarded with (force)")
        admin.execute("create database guarded")
    prepare_database(settings, second)


@pytest.mark.parametrize(
    ("url", "problem"),
    [("mysql://a@b/c", "not a PostgreSQL URL"), ("nonsense", "not a PostgreSQL URL"), ("postgresql://h", "no user")],
)
def test_a_wrong_database_url_is_named(home: Path, url: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(Invalid, match="DATABASE_URL") as refused:
        prepare_database(load_settings(home=home).core, SecretBox(load_secret(None, home)))
    assert problem in str(refused.value)
