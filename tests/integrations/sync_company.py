"""A company's directory and table that tests keep in step."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from real_parts import Postgres

from support.syncing import Syncing

COLUMNS = ["id", "login", "name", "mail", "dept", "enabled"]


FIELDS: list[dict[str, Any]] = [
    {"target": "login", "source": "login"},
    {"target": "name", "source": "name", "transforms": [{"strip": True}]},
    {"target": "mail", "source": "mail", "transforms": [{"case": "lower"}]},
    {"target": "dept", "source": "dept", "transforms": [{"map": {"IT": "tech"}}, {"default": "none"}]},
]


DEFINITION: dict[str, Any] = {
    "source_resource": "people",
    "target_resource": "staff",
    "key": "login",
    "fields": FIELDS,
    "missing": "delete",
    "guard": {"max_deletions_percent": 20},
}


class Company:
    """A CSV file and a table of people."""

    def __init__(self, folder: Path, postgres: Postgres) -> None:
        self.path = folder / "people.csv"
        self.dsn = postgres.dsn()
        self.people: dict[str, dict[str, str]] = {}

    def person(self, number: int, **values: str) -> None:
        row = {"id": str(number), "login": f"u{number}", "name": f"Üser {number}", "mail": f"U{number}@Ex.org"}
        self.people[str(number)] = row | {"dept": "IT", "enabled": "true"} | self.people.get(str(number), {}) | values

    def write(self) -> None:
        with self.path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, COLUMNS)
            writer.writeheader()
            writer.writerows(self.people.values())

    def read(self) -> dict[str, dict[str, str]]:
        with self.path.open(newline="", encoding="utf-8") as stream:
            return {row["login"]: row for row in csv.DictReader(stream)}

    def sql(self, statement: str, *params: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as admin:
            done = admin.execute(statement.encode(), params)
            return done.fetchall() if done.description else []

    def table(self) -> dict[str, tuple[Any, ...]]:
        return {row[0]: row for row in self.sql("select login, name, mail, dept from staff order by 1")}


def company_of_twenty(folder: Path, postgres: Postgres) -> Company:
    """In the file; its table is empty."""
    made = Company(folder, postgres)
    made.sql("drop table if exists staff")
    made.sql(
        "create table staff (id serial primary key, login text unique, name text, mail text, dept text,"
        " note text default 'kept')"
    )
    made.sql("grant all on staff to shop")
    made.sql("grant all on sequence staff_id_seq to shop")
    for number in range(1, 21):
        made.person(number)
    made.write()
    return made


async def both_systems(syncing: Syncing, company: Company, postgres: Postgres) -> tuple[UUID, UUID]:
    """The file and the table, registered."""
    source = await syncing.system(
        "hr",
        "file_system",
        f"file://{company.path.parent}",
        resources={"people": {"file": "people.csv", "key": "id", "active": "enabled"}},
    )
    target = await syncing.system(
        "shop-db",
        "database",
        postgres.endpoint(),
        {"username": "shop"},
        resources={"staff": {"table": "staff", "key": "id"}},
    )
    return source, target
