"""Database functions as files: `sql/<function>.sql` beside the tables that they read, each function defined once.

A file holds `create or replace function opsteward.<its name>`, triggers that call it, and who may execute it as
`grant execute on function opsteward.<its name> to :"app", :"web"` (psql's way to write a role's name). They are
installed as a whole, in one transaction as the owner, after the tables' revisions and whenever a file differs from
what the database holds. What no file defines any more is dropped.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import psycopg
from psycopg import sql

from opsteward.core.db import SCHEMA

_ROLE = re.compile(r':"(owner|app|web)"')
_TRIGGER = re.compile(r"^create or replace trigger (\w+)", re.MULTILINE)


@dataclass(frozen=True)
class FunctionFile:
    """One function: its name, which is its file's, and the statements that make it."""

    name: str
    text: str


def read_functions(packages: Iterable[str]) -> list[FunctionFile]:
    """The files in the folders `sql` of these packages, by name; a package may have none.

    Raises ValueError when two define the same function.
    """
    found: dict[str, FunctionFile] = {}
    for package in sorted(set(packages)):
        folder = files(package) / "sql"
        for file in folder.iterdir() if folder.is_dir() else ():
            name, _, suffix = file.name.rpartition(".")
            if suffix == "sql":
                if name in found:
                    raise ValueError(f"the database function {name} is defined twice, once in {package}")
                found[name] = FunctionFile(name, file.read_text(encoding="utf-8"))
    return [found[name] for name in sorted(found)]


def fingerprint(functions: Sequence[FunctionFile]) -> str:
    """What tells one set of files from another."""
    return hashlib.sha256(repr([(function.name, function.text) for function in functions]).encode()).hexdigest()


def install_functions(conn: psycopg.Connection, functions: Sequence[FunctionFile], *, roles: Mapping[str, str]) -> None:
    """Make the schema's functions those of the files, in the caller's transaction. `roles`: names of owner, app, web.

    Raises ValueError for a file that does not define the function of its name.
    """
    conn.execute("set local check_function_bodies = off")  # so that they may call each other, in any order
    serving = sql.SQL("{}, {}").format(sql.Identifier(roles["app"]), sql.Identifier(roles["web"]))
    before = _signatures(conn)
    for function in functions:
        older = before.get(function.name, frozenset())
        for signature in older:  # who may execute it is said anew
            conn.execute(sql.SQL("revoke execute on function {} from {}").format(sql.SQL(signature), serving))
        _create(conn, function, older, roles)
    now = _signatures(conn)
    for function in functions:
        made = now.get(function.name)
        if not made:
            raise ValueError(f"sql/{function.name}.sql does not define the function {SCHEMA}.{function.name}")
        older = before.get(function.name, frozenset())
        if made - older:
            _drop_functions(conn, made & older)
        for signature in (made - older) or made:
            conn.execute(sql.SQL("revoke execute on function {} from public").format(sql.SQL(signature)))
    _drop_triggers(conn, keep={name for function in functions for name in _TRIGGER.findall(function.text)})
    for name in now.keys() - {function.name for function in functions}:
        _drop_functions(conn, now[name])


def _create(conn: psycopg.Connection, function: FunctionFile, older: frozenset[str], roles: Mapping[str, str]) -> None:
    """Replaces what stands there, also where it takes or returns something else."""
    text = _ROLE.sub(lambda match: sql.Identifier(roles[match[1]]).as_string(conn), function.text).encode()
    try:
        with conn.transaction():
            conn.execute(text)
    except (psycopg.errors.InvalidFunctionDefinition, psycopg.errors.AmbiguousFunction):
        if not older:
            raise
        _drop_functions(conn, older)
        conn.execute(text)


def _drop_functions(conn: psycopg.Connection, signatures: Iterable[str]) -> None:
    for signature in signatures:
        conn.execute(sql.SQL("drop function {}").format(sql.SQL(signature)))


def _drop_triggers(conn: psycopg.Connection, *, keep: set[str]) -> None:
    rows = conn.execute(
        "select tgname, tgrelid::regclass::text from pg_trigger join pg_class c on c.oid = tgrelid"
        " where c.relnamespace = %s::regnamespace and not tgisinternal",
        [SCHEMA],
    ).fetchall()
    for name, table in rows:
        if name not in keep:
            conn.execute(sql.SQL("drop trigger {} on {}").format(sql.Identifier(name), sql.SQL(table)))


def _signatures(conn: psycopg.Connection) -> dict[str, frozenset[str]]:
    """The schema's functions: by name their signatures, as SQL that names them."""
    rows = conn.execute(
        "select proname, array_agg(oid::regprocedure::text) from pg_proc where pronamespace = %s::regnamespace"
        " group by proname",
        [SCHEMA],
    )
    return {name: frozenset(signatures) for name, signatures in rows}
