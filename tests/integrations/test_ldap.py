"""A real OpenLDAP as lists of records: odd names, several and binary values, renames, deletions, limits, rights."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from real_parts import system
from record_servers import Slapd

from opsteward.contracts.check import CheckResult, CheckStatus
from opsteward.contracts.records import Batch, Change, ChangeResult, Coverage, Cursor, Operation, Outcome, Record
from opsteward.core.distinguished_names import rdn_of, same_dn, split_dn
from opsteward.core.errors import AuthFailed, Invalid, NotFound
from opsteward.integrations.ldap import INTEGRATION
from opsteward.integrations.ldap.connector import LdapConnector

PHOTO = {"base64": "/9j/4AAQSkZJRgAB"}
PEOPLE = {
    "parent": "ou=people,dc=example,dc=org",
    "filter": "(objectClass=inetOrgPerson)",
    "disabled": {"attribute": "employeeType", "value": "inactive"},
}


def connector(slapd: Slapd, *, login: str = "cn=admin", password: str = "admin-secret", **people: Any) -> LdapConnector:
    target = system(slapd.endpoint, page_size=3, resources={"people": PEOPLE | people})
    credentials = {"username": f"{login},dc=example,dc=org", "password": password} if login else {}
    return LdapConnector(LdapConnector.config_for(target, credentials))


@pytest.fixture
async def via(slapd: Slapd) -> AsyncIterator[LdapConnector]:
    """An empty directory."""
    made = connector(slapd)
    records, _ = await read(made)
    await made.write("people", [change(Operation.DELETE, r.native_id) for r in records])
    yield made
    await made.close()


async def read(via: LdapConnector, since: Cursor | None = None) -> tuple[list[Record], Batch]:
    records, _, last = await read_all(via, since)
    return records, last


async def read_all(via: LdapConnector, since: Cursor | None = None) -> tuple[list[Record], list[Batch], Batch]:
    batches = [batch async for batch in via.read("people", since)]
    return [r for b in batches for r in b.upserts], batches, batches[-1]


def change(operation: Operation, native_id: str | None = None, **values: Any) -> Change:
    return Change(key=f"{operation}-{native_id}", operation=operation, native_id=native_id, values=values)


def person(uid: str, **more: Any) -> Change:
    return change(Operation.CREATE, None, uid=uid, cn=uid, sn=uid, **more)


async def create(via: LdapConnector, *changes: Change) -> list[ChangeResult]:
    results = list(await via.write("people", changes))
    assert [r.outcome for r in results] == [Outcome.DONE] * len(changes), results
    return results


ODD = ["müller", "Doe, John", 'a+b="c"', "#hash", " lead and trail ", "back\\slash", "<x>;y", "日本 語", "star*(x)"]


async def test_odd_names_survive_the_round_trip_and_a_repeated_create_changes_nothing(via: LdapConnector) -> None:
    made = await create(via, *(person(uid, jpegPhoto=PHOTO, mail=["b@x", "a@x"]) for uid in ODD))
    records, last = await read(via)
    assert last.coverage is Coverage.FULL
    assert sorted(str(r.values["uid"]).strip() for r in records) == sorted(uid.strip() for uid in ODD)
    assert all(r.values["jpegPhoto"] == PHOTO and r.values["mail"] == ["a@x", "b@x"] for r in records)
    again = await via.write("people", [person(uid, jpegPhoto=PHOTO, mail=["b@x", "a@x"]) for uid in ODD])
    assert {r.outcome for r in again} <= {Outcome.UNCHANGED, Outcome.EXISTS}
    assert [r.native_id for r in again] == [r.native_id for r in made]
    assert len((await read(via))[0]) == len(ODD)


async def test_a_manager_by_dn_a_rename_and_a_move_keep_the_id(via: LdapConnector) -> None:
    boss, worker = await create(via, person("Boss, Ann"), person("worker"))
    assert boss.record is not None and worker.native_id is not None
    dn = boss.record.values["dn"]
    changes = [change(Operation.UPDATE, worker.native_id, manager=dn, uid="Wörker, 2", title="x")]
    (renamed,) = await via.write("people", changes)
    assert renamed.outcome is Outcome.DONE and renamed.native_id == worker.native_id
    assert renamed.record is not None and renamed.record.values["uid"] == "Wörker, 2"
    assert same_dn(str(renamed.record.values["manager"]), str(dn))
    moved_dn = "uid=worker3,ou=former,dc=example,dc=org"
    (moved,) = await via.write("people", [change(Operation.UPDATE, worker.native_id, dn=moved_dn)])
    assert moved.record is not None and moved.record.values["dn"] == moved_dn and moved.outcome is Outcome.DONE
    (same,) = await via.write("people", [change(Operation.UPDATE, worker.native_id, dn=moved_dn, title="x")])
    assert same.outcome is Outcome.UNCHANGED
    found = await via.get("people", [str(worker.native_id), "00000000-0000-0000-0000-000000000000", "no id"])
    assert list(found) == [worker.native_id]


async def test_only_what_changed_is_read_after_a_full_read_and_deletions_are_told(via: LdapConnector) -> None:
    a, b, c = await create(via, person("a"), person("b"), person("c"))
    _, full = await read(via)
    assert full.cursor is not None
    quiet, batches, last = await read_all(via, full.cursor)
    assert quiet == [] and last.coverage in {Coverage.CHANGES, Coverage.FULL}
    await via.write(
        "people",
        [change(Operation.DELETE, a.native_id), change(Operation.UPDATE, b.native_id, sn="new"), person("d")],
    )
    records, batches, last = await read_all(via, full.cursor)
    assert sorted(str(r.values["uid"]) for r in records) == ["b", "d"]
    named = {i for x in batches for i in x.unchanged_ids} | {r.native_id for r in records}
    gone = {i for x in batches for i in x.deleted_ids}
    if last.coverage is Coverage.FULL:  # the server names what is present
        assert c.native_id in named and a.native_id not in named
    else:
        assert last.coverage is Coverage.CHANGES and gone == {a.native_id}
    assert (await read(via, last.cursor))[0] == []


async def test_a_list_that_the_directory_limits_is_not_whole(via: LdapConnector, slapd: Slapd) -> None:
    await create(via, *(person(f"p{n}") for n in range(8)))
    limited = connector(slapd, login="uid=reader", password="reader-secret")
    records, last = await read(limited)
    assert last.coverage is Coverage.PARTIAL and last.cursor is None and len(records) < 8
    (refused,) = await limited.write("people", [person("x")])
    assert refused.outcome in {Outcome.REFUSED, Outcome.FAILED}
    await limited.close()


async def test_what_is_taken_is_told_apart_from_what_is_refused(via: LdapConnector) -> None:
    (a,) = await create(via, person("a", title="x"))
    assert a.record is not None
    results = await via.write(
        "people",
        [
            person("a", title="y"),
            change(Operation.CREATE, None, uid="z"),
            change(Operation.UPDATE, "00000000-0000-0000-0000-000000000000", sn="q"),
            change(Operation.DELETE, "00000000-0000-0000-0000-000000000000"),
            change(Operation.UPDATE, a.native_id, noSuchAttribute="q"),
            change(Operation.UPDATE, a.native_id, title={"deep": 1}),
            Change(key="v", operation=Operation.UPDATE, native_id=a.native_id, values={"sn": "n"}, version="old"),
            change(Operation.UPDATE, a.native_id, title=None),
        ],
    )
    assert [r.outcome for r in results] == [
        Outcome.EXISTS,
        Outcome.REFUSED,
        Outcome.MISSING,
        Outcome.UNCHANGED,
        Outcome.REFUSED,
        Outcome.REFUSED,
        Outcome.CONFLICT,
        Outcome.DONE,
    ]
    assert results[0].record is not None and results[0].native_id == a.native_id
    assert results[7].record is not None and "title" not in results[7].record.values


async def test_an_account_is_switched_off_and_seen_to_be(via: LdapConnector) -> None:
    (a,) = await create(via, person("a"))
    off = change(Operation.DISABLE, a.native_id)
    assert [r.outcome for r in await via.write("people", [off, off])] == [Outcome.DONE, Outcome.UNCHANGED]
    assert (await read(via))[0][0].active is False


async def test_wrong_credentials_and_bases_are_told(slapd: Slapd, via: LdapConnector) -> None:
    wrong = connector(slapd, password="wr0ng-secret")
    with pytest.raises(AuthFailed) as refused:
        await wrong.probe()
    assert "wr0ng-secret" not in str(refused.value)
    with pytest.raises(NotFound):
        await read(connector(slapd, base="ou=nowhere,dc=example,dc=org"))
    with pytest.raises(NotFound):
        await via.get("robots", [])
    with pytest.raises(Invalid):
        LdapConnector.config_for(system(slapd.endpoint), {"username": "cn=admin"})
    assert (await via.probe()).reachable


def test_names_are_escaped_and_taken_apart() -> None:
    dn = f"{rdn_of('cn', 'Doe, J+ ')},ou=a\\,b,dc=x"
    assert split_dn(dn) == ("cn=Doe\\, J\\+\\ ", "ou=a\\,b,dc=x")
    assert same_dn("CN=a, dc=X", "cn=a,dc=x") and not same_dn("cn=a,dc=x", "cn=a")


async def health(slapd: Slapd, *, password: str = "admin-secret", endpoint: str = "", **settings: Any) -> CheckResult:
    target = system(endpoint or slapd.endpoint, **settings)
    login = {"username": "cn=admin,dc=example,dc=org", "password": password}
    via = LdapConnector(LdapConnector.config_for(target, login))
    try:
        return await INTEGRATION.checks[0].run(via, target)
    finally:
        await via.close()


async def test_health_is_a_bind_and_a_search(slapd: Slapd) -> None:
    good = await health(slapd, expect="latency < 5 and entries == 1")
    assert (good.status, good.seconds is not None) == (CheckStatus.PASS, True)
    found = await health(slapd, check_filter="(uid=reader)")
    assert (found.status, found.evidence["entries"]) == (CheckStatus.PASS, 1)
    for wrong in (
        await health(slapd, check_filter="(uid=nobody)"),
        await health(slapd, check_filter="(((uid"),
        await health(slapd, endpoint=slapd.endpoint.replace("dc=example", "dc=other")),
        await health(slapd, password="wrong-secret"),
    ):
        assert wrong.status is CheckStatus.FAIL
        assert "wrong-secret" not in repr(wrong)


async def test_a_directory_that_accepts_and_is_silent_fails_in_time(slapd: Slapd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"ldap://127.0.0.1:{silent.getsockname()[1]}/dc=example,dc=org"
        late = await health(slapd, endpoint=endpoint, check_timeout_seconds=0.3)
    assert (late.status, "0.3 s" in late.summary) == (CheckStatus.FAIL, True)
