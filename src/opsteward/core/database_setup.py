"""Brings a database to the state this version needs: roles, tables, policies, the durable engine's schema.

Three roles per database `<name>`: `<name>_owner` owns and migrates, `<name>_app` works, `<name>_web` serves the
API and the console. None of them is a superuser; the two that serve own nothing, or row-level security would
not bind them. On your own PostgreSQL the login of DATABASE_URL makes the roles if it may; if not, the SQL to run
once is in the error. PgBouncer and read replicas are refused with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import URL, make_url
from sqlalchemy.exc import OperationalError

from opsteward.core.crypto import SecretBox
from opsteward.core.database_functions import FunctionFile, fingerprint, install_functions, read_functions
from opsteward.core.db import APPLICATION_NAME, SCHEMA
from opsteward.core.embedded_postgres import EmbeddedPostgres
from opsteward.core.errors import Invalid, OpsError, Unavailable
from opsteward.core.home import HomeLocks
from opsteward.core.settings import CoreSettings

ENGINE = "dbos 3.4"
_OLDEST = 150000
EMBEDDED_DATABASE = "opsteward"


class RolesMissing(OpsError):
    """The login of DATABASE_URL may not create our roles; the detail holds the SQL to run once."""

    code = "roles_missing"
    http_status = 503
    title = "The database roles are missing"


class SchemaUnknown(OpsError):
    """The database's tables come from a version whose history this one does not know: an older trial or a newer one."""

    code = "schema_unknown"
    http_status = 503
    title = "The database was made by another version"


@dataclass(frozen=True)
class SchemaSource:
    """Where a database's contents are written down: Alembic's folder, and the packages with a folder `sql`."""

    revisions: Path
    packages: tuple[str, ...]

    @cached_property
    def known(self) -> list[str]:
        """The revisions, oldest first, told by their files: Alembic itself takes too long to import at every start."""
        return sorted(path.stem for path in (self.revisions / "versions").glob("[0-9]*.py"))

    @cached_property
    def functions(self) -> list[FunctionFile]:
        return read_functions(self.packages)

    @cached_property
    def state(self) -> tuple[str, str, str]:
        """What a database says that holds all of it: its tables' revision, its engine, its functions."""
        return self.known[-1], ENGINE, fingerprint(self.functions)


@dataclass(frozen=True)
class DatabaseUrls:
    """How each role connects (libpq URLs with passwords: never log them)."""

    admin: str
    owner: str
    app: str
    web: str


def urls_for(settings: CoreSettings, box: SecretBox) -> DatabaseUrls:
    """The URLs of this installation; connects to nothing."""
    if settings.database_url is None:
        server = EmbeddedPostgres(settings.home)
        url = make_url(server.url(EMBEDDED_DATABASE))
    else:
        url = _checked_url(settings.database_url.get_secret_value())
    names = {kind: f"{url.database}_{kind}" for kind in ("owner", "app", "web")}

    def of(kind: str) -> str:
        role = names[kind]
        return _rendered(url.set(username=role, password=box.role_password(role)))

    return DatabaseUrls(admin=_rendered(url), owner=of("owner"), app=of("app"), web=of("web"))


def _rendered(url: URL) -> str:
    """As libpq reads it, to which a + in the query is a plus, and no space."""
    address, mark, query = url.render_as_string(hide_password=False).partition("?")
    return address + mark + query.replace("+", "%20")


def _checked_url(text: str) -> URL:
    try:
        url = make_url(text)
        conninfo_to_dict(url.set(drivername="postgresql").render_as_string(hide_password=False))
    except (ValueError, psycopg.Error, OpsError) as error:
        raise _bad_url("is not a PostgreSQL URL") from error
    except Exception as error:  # SQLAlchemy's ArgumentError is no ValueError
        raise _bad_url("is not a PostgreSQL URL") from error
    if not url.drivername.startswith(("postgresql", "postgres")):
        raise _bad_url("is not a PostgreSQL URL")
    if not url.database or not url.username:
        raise _bad_url("names no user or no database")
    return url.set(drivername="postgresql")


def _bad_url(problem: str) -> Invalid:
    return Invalid.field("DATABASE_URL", problem, "use postgresql://user:password@host:5432/database")


def provision(settings: CoreSettings, box: SecretBox, source: SchemaSource) -> DatabaseUrls:
    """Make the database ready and return how to reach it. Quick when it already is.

    One process of the home at a time, so that all that start together come up. Raises Invalid for a database that
    can't serve or belongs to another key, RolesMissing with the SQL to run, SchemaUnknown, Unavailable.
    """
    urls = urls_for(settings, box)
    with HomeLocks.of(settings.home).starting():
        if settings.database_url is None:
            EmbeddedPostgres(settings.home).ensure_running()
        if _is_ready(installed_state(urls.app), source, box):
            return urls
        try:
            if settings.database_url is None:
                _create_database(settings.home)
            _create_roles(urls, box)
            _bring_up_to_date(urls, source, box)
        except SchemaUnknown as error:
            error.remedy = "run the version that made it, or start with an empty database: " + (
                "name another one in DATABASE_URL"
                if settings.database_url
                else f"move {EmbeddedPostgres(settings.home).data} away, or name another OPSTEWARD_HOME"
            )
            raise
        except (psycopg.OperationalError, OperationalError) as error:
            cause = error.orig if isinstance(error, OperationalError) else error
            raise Unavailable(
                f"the database could not be made ready: {str(cause).splitlines()[0]}",
                remedy="see that the server runs and has room on its disk, then start again",
            ) from error
    return urls


class InstalledState(NamedTuple):
    """What a database says of itself: its newest revision, the engine, its functions' hash, the key it belongs to."""

    migration: str
    engine: str
    functions: str
    key_fingerprint: str | None


def installed_state(url: str) -> InstalledState | None:
    """None where the database has nothing to say, or not in today's words."""
    try:
        with psycopg.connect(url, connect_timeout=5, application_name=APPLICATION_NAME) as conn:
            row = conn.execute("select migration, engine, functions, key_fingerprint from opsteward.installation")
            found = row.fetchone()
            return InstalledState(*found) if found else None
    except psycopg.Error:
        return None


def _is_ready(state: InstalledState | None, source: SchemaSource, box: SecretBox) -> bool:
    """Whether the tables and functions are exactly this version's. Raises Invalid when they belong to another key."""
    if state is None:
        return False
    if state.key_fingerprint is not None and state.key_fingerprint != box.fingerprint():
        raise _other_key(f"its fingerprint is {state.key_fingerprint}, that of the key given is {box.fingerprint()}")
    return state == (*source.state, box.fingerprint())


def _other_key(how: str) -> Invalid:
    return Invalid.field(
        "OPSTEWARD_SECRET_KEY",
        f"this database belongs to an installation with another secret key ({how})",
        "give this process the same key: it is in the file secret.key of the first one's home, and in its backup",
    )


def _create_database(home: Path) -> None:
    with psycopg.connect(EmbeddedPostgres(home).url("postgres"), autocommit=True) as conn:
        if not conn.execute("select 1 from pg_database where datname = %s", [EMBEDDED_DATABASE]).fetchone():
            conn.execute(sql.SQL("create database {}").format(sql.Identifier(EMBEDDED_DATABASE)))


def _create_roles(urls: DatabaseUrls, box: SecretBox) -> None:
    try:
        conn = psycopg.connect(urls.admin, connect_timeout=5, autocommit=True, options="-c statement_timeout=60000")
    except psycopg.OperationalError as error:
        if "unsupported startup parameter" in str(error):
            raise Invalid.field(
                "DATABASE_URL",
                "leads to PgBouncer, which can't carry LISTEN, advisory locks and prepared statements for us",
                "name the PostgreSQL server itself",
            ) from None
        raise Unavailable(
            "PostgreSQL can't be reached with DATABASE_URL", remedy="check host, port, user and password"
        ) from error
    with conn:
        _check_server(conn)
        conn.execute("select pg_advisory_lock(hashtext('opsteward roles'))")  # processes of other machines
        database = conn.info.dbname
        statements = _role_statements(conn, database, box)
        try:
            for statement in statements:
                conn.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            script = ";\n".join(s.as_string(conn) for s in statements) + ";"
            raise RolesMissing(
                f"{conn.info.user} may not create roles. Run this once as a superuser of {database}:\n{script}"
            ) from None


def _check_server(conn: psycopg.Connection) -> None:
    if conn.info.server_version < _OLDEST:
        raise Invalid.field("DATABASE_URL", "PostgreSQL is older than 15", "use PostgreSQL 15 or newer")
    row = conn.execute("select pg_is_in_recovery()").fetchone()
    if row and row[0]:
        raise Invalid.field("DATABASE_URL", "is a read replica; nothing can be stored there", "name the primary")


def _role_statements(conn: psycopg.Connection, database: str, box: SecretBox) -> list[sql.Composed]:
    """What is still missing, as SQL; run again it changes nothing."""
    statements: list[sql.Composed] = []
    for kind in ("owner", "app", "web"):
        role = f"{database}_{kind}"
        known = conn.execute("select 1 from pg_roles where rolname = %s", [role]).fetchone()
        refusal = _refusal(conn, role, box) if known else None
        if refusal:
            _keep_living_installation(conn, refusal)
        if not known or refusal:
            verb = sql.SQL("alter" if known else "create")
            statements.append(
                sql.SQL("{} role {} with login nosuperuser nobypassrls nocreatedb nocreaterole password {}").format(
                    verb, sql.Identifier(role), sql.Literal(box.role_password(role))
                )
            )
    owner = sql.Identifier(f"{database}_owner")
    name = sql.Identifier(database)
    row = conn.execute("select 1 from pg_roles where rolname = %s", [f"{database}_owner"]).fetchone()
    granted = (
        row
        and conn.execute("select has_database_privilege(%s, %s, 'create')", [f"{database}_owner", database]).fetchone()
    )
    if not (granted and granted[0]):
        statements.append(sql.SQL("grant connect, create on database {} to {}").format(name, owner))
    roles = [sql.Identifier(f"{database}_{kind}") for kind in ("app", "web")]
    if statements:
        statements.append(sql.SQL("grant connect on database {} to {}").format(name, sql.SQL(", ").join(roles)))
    return statements


def _keep_living_installation(conn: psycopg.Connection, refusal: str) -> None:
    """A new password for the roles of a living installation would lock its processes out, and what they encrypted
    could not be read with our key anyway. Asked of the catalogue, which every login may read.

    Raises Invalid.
    """
    if conn.execute(
        "select 1 from pg_tables where schemaname = %s and tablename = 'installation'", [SCHEMA]
    ).fetchone():
        raise _other_key(refusal)


def _refusal(conn: psycopg.Connection, role: str, box: SecretBox) -> str | None:
    """Why the role can't log in with our password, in the server's words; None when it can."""
    url = make_conninfo(conn.info.dsn, user=role, password=box.role_password(role))
    try:
        psycopg.connect(url, connect_timeout=5).close()
    except psycopg.Error as error:
        return str(error).strip() or type(error).__name__
    return None


def _bring_up_to_date(urls: DatabaseUrls, source: SchemaSource, box: SecretBox) -> None:
    """Tables, then functions, as the owner; one process at a time by an advisory lock."""
    with psycopg.connect(urls.owner, autocommit=True) as conn:
        conn.execute("select pg_advisory_lock(hashtext('opsteward migrate'))")
        _check_history(conn, source)
        state = installed_state(urls.owner)
        if state is None or state[:2] != source.state[:2]:
            _migrate(urls, source)
        with conn.transaction():
            database = conn.info.dbname
            roles = {kind: f"{database}_{kind}" for kind in ("owner", "app", "web")}
            install_functions(conn, source.functions, roles=roles)
            conn.execute(
                "update opsteward.installation set migration = %s, engine = %s, functions = %s,"
                " key_fingerprint = coalesce(key_fingerprint, %s)",
                [*source.state, box.fingerprint()],
            )


def _check_history(conn: psycopg.Connection, source: SchemaSource) -> None:
    """Raises SchemaUnknown for tables whose revision is none of ours."""
    if conn.execute("select to_regclass('opsteward.alembic_version')").fetchone() == (None,):
        return
    row = conn.execute("select version_num from opsteward.alembic_version").fetchone()
    if row and row[0] not in source.known:
        raise SchemaUnknown(
            f"the database {conn.info.dbname} holds tables of revision {row[0]!r}, which this version does not know"
        )


def _migrate(urls: DatabaseUrls, source: SchemaSource) -> None:
    """Alembic's revisions and the engine's own."""
    from alembic import command
    from alembic.config import Config

    from opsteward.core.durable import migrate_engine

    migrate_engine(urls.owner, make_url(urls.app).username or "")
    config = Config()
    config.set_main_option("script_location", str(source.revisions))
    config.attributes["url"] = urls.owner
    command.upgrade(config, "head")
