"""Real servers kept in step, one after the other: a CSV folder, OpenLDAP, MariaDB."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from record_servers import Mariadb, Slapd, mariadb_server, slapd_server

from opsteward.integrations import files, ldap, mysql
from support.instance import Instance, Tenant
from support.syncing import Syncing

PEOPLE = 100
TABLE = """
use shop; drop table if exists staff;
create table staff (id int primary key auto_increment, login varchar(100) unique, name varchar(200), mail varchar(200),
    off bool not null default 0);
create or replace user ops identified by 'ops-secret'; grant all on shop.* to ops;
"""
TO_LDAP = {
    "source_resource": "people",
    "target_resource": "people",
    "key": "uid",
    "fields": [
        {"target": "uid", "source": "login"},
        {"target": "cn", "transforms": [{"template": "{first} {last}"}]},
        {"target": "sn", "source": "last"},
        {"target": "mail", "source": "mail", "transforms": [{"split": ";"}]},
    ],
    "missing": "delete",
    "guard": {"max_deletions": 10},
}
TO_MARIADB = {
    "source_resource": "people",
    "target_resource": "staff",
    "key": "login",
    "fields": [
        {"target": "login", "source": "uid"},
        {"target": "name", "source": "cn"},
        {"target": "mail", "source": "mail", "transforms": [{"join": ";"}]},
    ],
    "missing": "delete",
    "guard": {"max_deletions": 10},
}


@pytest.fixture(scope="module")
def slapd() -> Iterator[Slapd]:
    with slapd_server() as server:
        yield server


@pytest.fixture(scope="module")
def mariadb() -> Iterator[Mariadb]:
    with mariadb_server() as server:
        server.sql(TABLE)
        yield server


@pytest.fixture
async def syncing(instance: Instance, tenant: Tenant, tmp_path: Path) -> Syncing:
    return Syncing(instance, tenant.id, [files.build([tmp_path]), ldap.INTEGRATION, mysql.INTEGRATION])


def person(number: int, **values: str) -> dict[str, str]:
    odd = ["Doe, John", 'a+b="c"', "日本 語", "#hash"][number % 4]
    row = {"id": str(number), "login": f"u{number}", "first": f"Zoë {number}", "last": odd}
    return row | {"mail": f"u{number}@ex.org;second{number}@ex.org"} | values


def write(path: Path, people: dict[int, dict[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, ["id", "login", "first", "last", "mail"])
        writer.writeheader()
        writer.writerows(people.values())


async def systems_of(syncing: Syncing, folder: Path, slapd: Slapd, mariadb: Mariadb) -> tuple[UUID, UUID, UUID]:
    source = await syncing.system("hr", "file_system", f"file://{folder}", resources={"people": {"file": "p.csv"}})
    people = {"base": "ou=people,dc=example,dc=org", "parent": "ou=people,dc=example,dc=org",
              "filter": "(objectClass=inetOrgPerson)", "attributes": ["uid", "cn", "sn", "mail"]}  # fmt: skip
    login = {"username": "cn=admin,dc=example,dc=org", "password": "admin-secret"}
    directory = await syncing.system("ldap", "ldap", slapd.endpoint, login, resources={"people": people})
    staff = {"table": "staff", "key": "id", "disabled": {"column": "off", "value": True}}
    login = {"username": "ops", "password": "ops-secret"}
    shop = await syncing.system("shop", "database", mariadb.endpoint, login, resources={"staff": staff})
    return source, directory, shop


async def both(syncing: Syncing, mappings: tuple[UUID, UUID], **options: Any) -> list[dict[str, int]]:
    """Both syncs, one after the other; what each wrote."""
    found = []
    for mapping in mappings:
        done = await syncing.run(mapping, **options)
        problems = [(each.key, each.outcome, each.problem) for each in await syncing.changes(done) if each.problem]
        assert done.status == "succeeded", (done.error, done.notes, problems[:5])
        found.append({name: done.counts[name] for name in ("create", "update", "delete") if name in done.counts})
    return found


@pytest.mark.slow(reason="a directory server and a database server are started, and twelve syncs run")
async def test_joiners_movers_leavers_and_renames_go_from_a_file_to_a_directory_and_on_to_a_database(
    syncing: Syncing, tmp_path: Path, slapd: Slapd, mariadb: Mariadb
) -> None:
    source, directory, shop = await systems_of(syncing, tmp_path, slapd, mariadb)
    people = {number: person(number) for number in range(PEOPLE)}
    write(tmp_path / "p.csv", people)
    mappings = (
        await syncing.mapping(source, directory, TO_LDAP, "to ldap"),
        await syncing.mapping(directory, shop, TO_MARIADB, "to the shop"),
    )
    assert await both(syncing, mappings) == [{"create": PEOPLE}, {"create": PEOPLE}]
    assert await both(syncing, mappings) == [{}, {}]
    for number in range(PEOPLE, PEOPLE + 10):
        people[number] = person(number)
    for number in range(10):
        people[number] = person(number, first="Moved", mail="one@ex.org")
    for number in range(10, 15):
        del people[number]
    people[20] = person(20, login="re, named")
    write(tmp_path / "p.csv", people)
    expected = {"create": 10, "update": 11, "delete": 5}
    assert await both(syncing, mappings, full=False) == [expected, expected]
    assert await both(syncing, mappings) == [{}, {}]
