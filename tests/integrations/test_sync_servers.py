"""Real servers kept in step, one after the other: a CSV folder, OpenLDAP, MariaDB."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from record_servers import Mariadb, Slapd, mariadb_server, slapd_server
from records_api import records_api

from opsteward.contracts.records import Change, Operation, Outcome
from opsteward.integrations import files, ldap, mysql, rest, scim
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


BOTH_WAYS = {
    "source_resource": "people",
    "target_resource": "staff",
    "key": "login",
    "fields": [
        {"target": "login", "source": "uid", "direction": "both"},
        {"target": "name", "source": "cn", "direction": "both"},
        {"target": "last", "source": "sn", "direction": "both"},
    ],
    "create": "both",
    "missing": "delete",
    "guard": {"max_deletions": 5},
}


@pytest.mark.parametrize("directory_first", [True, False], ids=["from the directory", "from the database"])
async def test_a_directory_and_a_database_follow_each_other_both_ways(
    syncing: Syncing, tmp_path: Path, slapd: Slapd, mariadb: Mariadb, directory_first: bool
) -> None:
    mariadb.sql(
        "use shop; drop table if exists staff; create table staff (id int primary key auto_increment,"
        " login varchar(100) unique, name varchar(200), last varchar(200));"
        " insert into staff (login, name, last) values ('dbo', 'Dób, O.', 'O')"
    )
    _, directory, shop = await systems_of(syncing, tmp_path, slapd, mariadb)
    await _empty(syncing, directory)
    definition = BOTH_WAYS if directory_first else _turned(BOTH_WAYS)
    ends = (directory, shop) if directory_first else (shop, directory)
    mapping = await syncing.mapping(*ends, definition)
    await _write(syncing, directory, [{"uid": f"p{n}", "cn": f"Zoë, {n}", "sn": "日本"} for n in range(5)])

    async def step(**options: Any) -> dict[str, int]:
        done = await syncing.run(mapping, **options)
        problems = [(each.key, each.outcome, each.problem) for each in await syncing.changes(done) if each.problem]
        assert done.status == "succeeded", (done.error, done.notes, problems)
        return {name: number for name, number in done.counts.items() if name.startswith(("create", "update", "delete"))}

    here, there = ("", "_in_source") if directory_first else ("_in_source", "")
    assert await step() == {f"create{here}": 5, f"create{there}": 1}
    assert await _list(syncing, directory) == {
        **{f"p{n}": (f"Zoë, {n}", "日本") for n in range(5)}, "dbo": ("Dób, O.", "O"),
    }  # fmt: skip
    assert await step() == {}
    mariadb.sql("use shop; update staff set name = 'From the database' where login = 'p1'")
    await _write(syncing, directory, [{"cn": "From the directory"}], of=["p2"])
    assert await step() == {f"update{here}": 1, f"update{there}": 1}
    seen = await _list(syncing, directory)
    assert (seen["p1"][0], seen["p2"][0]) == ("From the database", "From the directory")
    assert (await _list(syncing, shop, "staff", "login", "name", "last"))["p2"][0] == "From the directory"
    assert await step() == {}


def _turned(definition: dict[str, Any]) -> dict[str, Any]:
    """The same from the other side."""
    fields = [{**field, "target": field["source"], "source": field["target"]} for field in definition["fields"]]
    return {**definition, "source_resource": definition["target_resource"], "key": "uid", "fields": fields,
            "target_resource": definition["source_resource"]}  # fmt: skip


async def _list(
    syncing: Syncing, system: UUID, resource: str = "people", key: str = "uid", *names: str
) -> dict[str, tuple[Any, ...]]:
    async with syncing.tasks._systems.open(syncing.tenant_id, system) as one:
        records = [record async for batch in one.read(resource) for record in batch.upserts]
    return {str(r.values[key]): tuple(r.values[name] for name in names or ("cn", "sn")) for r in records}


async def _write(syncing: Syncing, directory: UUID, values: list[dict[str, Any]], of: list[str] | None = None) -> None:
    """By somebody else than a sync: new people, or changed ones by their uids."""
    async with syncing.tasks._systems.open(syncing.tenant_id, directory) as one:
        records = [record async for batch in one.read("people") for record in batch.upserts]
        ids = {str(record.values["uid"]): record.native_id for record in records}
        operation = Operation.UPDATE if of else Operation.CREATE
        changes = [Change(key=f"{uuid4()}", operation=operation, native_id=ids[of[n]] if of else None, values=each)
                   for n, each in enumerate(values)]  # fmt: skip
        assert {answer.outcome for answer in await one.write("people", changes)} == {Outcome.DONE}


async def _empty(syncing: Syncing, directory: UUID) -> None:
    async with syncing.tasks._systems.open(syncing.tenant_id, directory) as one:
        records = [record async for batch in one.read("people") for record in batch.upserts]
        gone = [Change(key=f"{uuid4()}", operation=Operation.DELETE, native_id=r.native_id, values={}) for r in records]
        if gone:
            await one.write("people", gone)


async def test_people_of_a_file_reach_a_scim_server_and_an_http_api(
    instance: Instance, tenant: Tenant, tmp_path: Path, scim_base: str
) -> None:
    syncing = Syncing(instance, tenant.id, [files.build([tmp_path]), scim.INTEGRATION, rest.INTEGRATION])
    people = {number: person(number) for number in range(12)}
    write(tmp_path / "p.csv", people)
    source = await syncing.system("hr", "file_system", f"file://{tmp_path}", resources={"people": {"file": "p.csv"}})
    async with records_api() as api:
        call = {"method": "PATCH", "path": "none/{id}"}
        declared = {"path": "none", "key": "name", "active": "on", "create": {"method": "POST", "path": "none"},
                    "update": call, "disable": {**call, "body": {"on": False}}}  # fmt: skip
        targets = {
            "scim": (await syncing.system("scim", "scim", scim_base, {"token": "t"}), "users", "userName",
                     [("userName", "login"), ("displayName", "first"), ("title", "last")]),
            "api": (await syncing.system("api", "api", api.endpoint, resources={"people": declared}), "people", "name",
                    [("name", "login"), ("called", "first"), ("last", "last")]),
        }  # fmt: skip
        mappings = {
            name: await syncing.mapping(source, target, {
                "source_resource": "people", "target_resource": resource, "key": key, "missing": "disable",
                "fields": [{"target": ours, "source": theirs} for ours, theirs in fields],
                "guard": {"max_deletions": 3},
            }, name)
            for name, (target, resource, key, fields) in targets.items()
        }  # fmt: skip

        async def each(*expected: tuple[str, int]) -> None:
            for name, mapping in mappings.items():
                done = await syncing.run(mapping)
                problems = [(c.key, c.outcome, c.problem) for c in await syncing.changes(done) if c.problem]
                assert done.status == "succeeded", (name, done.error, done.notes, problems)
                found = {w: done.counts[w] for w in ("create", "update", "disable", "delete") if w in done.counts}
                assert found == dict(expected), name

        await each(("create", 12))
        await each()
        people[0] = person(0, first="Mövéd")
        people[12] = person(12)
        people[3] = person(3, login="renamed")
        del people[5]
        write(tmp_path / "p.csv", people)
        await each(("create", 1), ("update", 2), ("disable", 1))
        await each()
        assert {one["name"]: one["on"] for one in api.people.values() if "on" in one} == {"u5": False}
        # in which order they are made is no promise
        called = {one["name"]: one["called"] for one in api.people.values()}
        assert len(api.people) == 13 and called["u0"] == "Mövéd"
