"""SQL that makes the database's functions stands in files beside their tables' models."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from source_tree import ROOT
from table_readers import tables_named

from opsteward.app.database import SOURCE, load_models
from opsteward.core.db import Base

PACKAGE = ROOT / "src" / "opsteward"
DEFINES = re.compile(r"\bcreate\s+(or\s+replace\s+)?(function|procedure|trigger|view)\b", re.IGNORECASE)


def test_every_file_lies_where_it_is_looked_for() -> None:
    lying = {path.stem for path in PACKAGE.rglob("sql/*.sql")}
    assert lying == {function.name for function in SOURCE.functions}


def test_no_function_is_made_elsewhere() -> None:
    elsewhere = [
        str(path.relative_to(PACKAGE))
        for path in [*PACKAGE.rglob("*.py"), *PACKAGE.glob("migrations/**/*.sql")]
        if DEFINES.search(path.read_text(encoding="utf-8"))
    ]
    assert elsewhere == ["core/database_functions.py"]  # its description of the files


#: SQL that names a table of another room, and why it may.
MAY_NAME = {
    ("agents/sql/agent_troubles.sql", "opsteward.tenants"): "nothing is amiss in a tenant that is suspended",
    ("agents/sql/beat_agents.sql", "opsteward.processes"): "a process that was taken for lost owns nothing any more",
    ("agents/sql/claim_agents.sql", "opsteward.tenants"): "the work of a suspended tenant rests",
    ("systems/sql/all_systems.sql", "opsteward.tenants"): "the systems of a suspended tenant rest",
    ("systems/sql/error_budgets.sql", "opsteward.tenants"): "as all_systems",
    ("systems/sql/heartbeat_of.sql", "opsteward.tenants"): "a suspended tenant takes no calls",
    ("systems/sql/heartbeats_to_judge.sql", "opsteward.tenants"): "the heartbeats of a suspended tenant rest",
    ("accounts/account_creators.py", "opsteward.audit_entries"): "who gave which role is written nowhere else",
    (
        "provisioning/sql/note_access.sql",
        "opsteward.systems",
    ): "which systems keep access, for many users at once",
    ("core/sql/due_timers.sql", "opsteward.tenants"): "the timers of a suspended tenant rest",
    ("core/sql/next_timer_due.sql", "opsteward.tenants"): "as due_timers",
    ("provisioning/sql/note_access.sql", "opsteward.users"): "a trigger stands on the table whose changes it notes",
    ("tasks/sql/claim_tasks.sql", "opsteward.processes"): "a process that was taken for lost claims nothing",
    ("tasks/sql/claim_tasks.sql", "opsteward.tenants"): "the work of a suspended tenant rests; a call per lane costs",
    ("tasks/sql/due_schedules.sql", "opsteward.tenants"): "the schedules of a suspended tenant rest",
    ("tasks/sql/release_tasks.sql", "opsteward.processes"): "which processes are gone, joined with many tasks",
}


def owners() -> dict[str, str]:
    """Each table's room, by the module of its model."""
    load_models()
    return {f"opsteward.{m.local_table.name}": m.class_.__module__.split(".")[1] for m in Base.registry.mappers}


def foreign_tables(path: Path, owner: dict[str, str]) -> set[str]:
    """Tables that this file's SQL names and another room owns; the engine's belong to `core`."""
    room = path.relative_to(PACKAGE).parts[0]
    named = {name: owner.get(name, "core" if name.startswith("dbos.") else None) for name in tables_named(path)}
    return {name for name, of in named.items() if of is not None and of != room}


def test_sql_reads_the_tables_of_its_own_room() -> None:
    owner = owners()
    sources = [path for path in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("sql/*.sql")] if "migrations" not in path.parts]
    found = {(str(path.relative_to(PACKAGE)), name) for path in sources for name in foreign_tables(path, owner)}
    assert found - MAY_NAME.keys() == set(), "ask the room for a function, or give a reason in MAY_NAME"
    assert MAY_NAME.keys() - found == set(), "no longer needed"


def test_the_engine_s_tables_are_named_by_functions_of_core_alone() -> None:
    naming = {str(path.relative_to(PACKAGE)) for path in [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.sql")]
              if any(name.startswith("dbos.") for name in tables_named(path))}  # fmt: skip
    assert naming and all(name.startswith("core/sql/") for name in naming)


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("a.py", 'Q = f"select {x} from opsteward.users u, opsteward.agents"', {"opsteward.users", "opsteward.agents"}),
        ("b.py", 'Q = "insert into opsteward.tasks (id) " "select 1 from dbos.x"', {"opsteward.tasks", "dbos.x"}),
        ("c.py", '"""Select from opsteward.users."""\nimport opsteward.users\nM = "opsteward.users"', set()),
        ("d.py", 'Q = "select * from opsteward.claim_tasks(:a)"', set()),
        ("e.sql", "-- select from opsteward.users\nanalyze opsteward.tasks;", {"opsteward.tasks"}),
    ],
)
def test_tables_are_found_in_sql_and_nowhere_else(name: str, text: str, named: set[str], tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert tables_named(tmp_path / name) == named
