"""A SCIM server of others as lists of records: pages that are counted, creates that are adopted, patches, versions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from real_parts import system

from opsteward.contracts.check import CheckResult, CheckStatus
from opsteward.contracts.records import Batch, Change, Coverage, Operation, Outcome, Record
from opsteward.contracts.registry import Registry
from opsteward.integrations import web
from opsteward.integrations.scim import INTEGRATION
from opsteward.integrations.scim.connector import ScimConnector, contains

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


@pytest.fixture
async def via(scim_base: str) -> ScimConnector:
    made = ScimConnector(ScimConnector.config_for(system(scim_base, page_size=3), {"token": "t"}))
    for name in ("users", "groups"):
        for record in (await read(made, name))[0]:
            await made.write(name, [change(Operation.DELETE, record.native_id)])
    return made


async def read(via: ScimConnector, name: str = "users", since: Any = None) -> tuple[list[Record], Batch]:
    batches = [batch async for batch in via.read(name, since)]
    return [r for b in batches for r in b.upserts], batches[-1]


def change(operation: Operation, native_id: str | None = None, **values: Any) -> Change:
    return Change(key="k", operation=operation, native_id=native_id, values=values)


def user(name: str, **values: Any) -> Change:
    emails = [{"value": f"{len(name)}@x.org", "type": "work"}]
    return change(Operation.CREATE, None, userName=name, emails=emails, active=True, **values)


async def test_users_are_made_once_read_by_pages_and_changed(via: ScimConnector) -> None:
    names = ["zoë", 'quo"te', "back\\slash", "d", "e", "f", "g"]
    made = await via.write("users", [user(name, **{ENTERPRISE: {"employeeNumber": "7"}}) for name in names])
    assert {r.outcome for r in made} == {Outcome.DONE}
    again = await via.write("users", [user(name, **{ENTERPRISE: {"employeeNumber": "7"}}) for name in names])
    assert [r.outcome for r in again] == [Outcome.UNCHANGED] * 7
    assert [r.native_id for r in again] == [r.native_id for r in made]
    records, last = await read(via)
    assert last.coverage is Coverage.FULL and sorted(str(r.values["userName"]) for r in records) == sorted(names)
    one = made[0].native_id
    update = change(Operation.UPDATE, one, displayName="Z", emails=None, **{ENTERPRISE: {"employeeNumber": "8"}})
    assert [r.outcome for r in await via.write("users", [update, update])] == [Outcome.DONE, Outcome.UNCHANGED]
    off = change(Operation.DISABLE, one)
    assert [r.outcome for r in await via.write("users", [off, off])] == [Outcome.DONE, Outcome.UNCHANGED]
    record = (await via.get("users", [str(one), "nobody"]))[str(one)]
    assert record.active is False and record.values["displayName"] == "Z" and "emails" not in record.values
    assert record.values[ENTERPRISE] == {"employeeNumber": "8"} and record.changed_at is not None


async def test_what_is_taken_or_missing_is_told_apart(via: ScimConnector) -> None:
    (a, b) = await via.write("users", [user("a", title="x"), user("b")])
    results = await via.write(
        "users",
        [
            user("A", title="y"),
            change(Operation.UPDATE, "nobody", title="q"),
            change(Operation.UPDATE, b.native_id, userName="a"),
            change(Operation.UPDATE, b.native_id, active={"no": "bool"}),
            change(Operation.DELETE, b.native_id),
            change(Operation.DELETE, b.native_id),
        ],
    )
    assert [r.outcome for r in results] == [
        Outcome.EXISTS,
        Outcome.MISSING,
        Outcome.EXISTS,
        Outcome.REFUSED,
        Outcome.DONE,
        Outcome.UNCHANGED,
    ], results
    assert results[0].native_id == a.native_id


async def test_a_group_is_not_made_twice_and_keeps_its_members(via: ScimConnector) -> None:
    (a,) = await via.write("users", [user("a")])
    group = change(Operation.CREATE, None, displayName="Ops & Co", members=[{"value": a.native_id}])
    made = await via.write("groups", [group, group])
    assert [r.outcome for r in made] == [Outcome.DONE, Outcome.UNCHANGED]
    records, last = await read(via, "groups")
    assert len(records) == 1 and last.coverage is Coverage.FULL


async def test_only_what_was_modified_is_read_after_a_full_read(via: ScimConnector) -> None:
    await via.write("users", [user("a"), user("b")])
    _, full = await read(via)
    await via.write("users", [user("c")])
    records, last = await read(via, since=full.cursor)
    assert "c" in [r.values["userName"] for r in records]
    assert last.coverage in {Coverage.UPDATES, Coverage.FULL}


def test_what_a_server_adds_to_a_value_does_not_make_it_another() -> None:
    assert contains([{"value": "1", "$ref": "x"}, {"value": "2"}], [{"value": "2"}, {"value": "1"}])
    assert not contains([{"value": "1"}, {"value": "1"}], [{"value": "2"}, {"value": "1"}])
    assert not contains(1, True) and contains(None, []) and not contains("x", None)


async def health(base: str, **settings: Any) -> CheckResult:
    target = system(base, **settings)
    made = ScimConnector(ScimConnector.config_for(target, {"token": "t"}))
    return await INTEGRATION.checks[0].run(made, target)


async def test_health_is_the_configuration_and_a_list(via: ScimConnector, scim_base: str) -> None:
    good = await health(scim_base, expect="config.patch.supported == true and total >= 0")
    assert (good.status, good.seconds is not None) == (CheckStatus.PASS, True), good.summary
    assert (await health(scim_base, expect="total > 100000")).findings[0].type == "scim_unexpected"
    for elsewhere in (f"{scim_base.rstrip('/')}/nowhere", "http://127.0.0.1:1/scim/v2"):
        assert (await health(elsewhere)).findings[0].type == "scim_unreachable"


def test_a_scim_server_is_judged_by_scim_unless_it_has_a_health_page() -> None:
    registry = Registry([web.INTEGRATION, INTEGRATION])
    target = replace(system("https://scim.example.org/v2"), type="scim")
    assert [offered.check.slug for offered in registry.checks_for(target, health_only=True)] == ["scim.server"]
    paged = replace(target, health_check_url="/up")
    offered = {one.check.slug for one in registry.checks_for(paged, health_only=True)}
    assert offered > {"scim.server", "web.http_status"}
    plain = replace(target, type="service")
    looked_at = {offered.check.slug for offered in registry.checks_for(plain)}
    assert "web.http_status" in looked_at and not any(slug.startswith("scim.") for slug in looked_at)
