"""Two real systems kept in step: a folder of CSV and a table of PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from real_parts import Postgres
from sync_company import DEFINITION, Company, both_systems, company_of_twenty

from opsteward.integrations import files, postgresql
from support.instance import Instance, Tenant
from support.syncing import Syncing

TWO_WAYS = {
    "fields": [{"target": name, "source": name, "direction": "both"} for name in ("login", "name", "mail", "dept")],
    "create": "both",
}


Rows = Callable[[], dict[str, tuple[Any, ...]]]


@pytest.fixture
def company(tmp_path: Path, postgres: Postgres) -> Company:
    return company_of_twenty(tmp_path, postgres)


@pytest.fixture
async def syncing(instance: Instance, tenant: Tenant, company: Company, postgres: Postgres) -> Syncing:
    return Syncing(instance, tenant.id, [files.build([company.path.parent]), postgresql.INTEGRATION])


@pytest.fixture
async def systems(syncing: Syncing, company: Company, postgres: Postgres) -> tuple[UUID, UUID]:
    return await both_systems(syncing, company, postgres)


async def test_joiners_movers_leavers_and_a_renamed_key_reach_the_table_and_then_nothing_is_left(
    syncing: Syncing, systems: tuple[UUID, UUID], company: Company
) -> None:
    mapping = await syncing.mapping(*systems, DEFINITION)
    first = await syncing.run(mapping)
    assert (first.status, first.counts["create"]) == ("succeeded", 20), first
    assert company.table()["u1"] == ("u1", "Üser 1", "u1@ex.org", "tech")

    company.person(21)
    company.person(2, dept="Sales", name="  Moved ")
    company.person(3, login="renamed")
    del company.people["4"]
    company.write()
    ids = dict(company.sql("select login, id from staff"))
    second = await syncing.run(mapping, full=False)
    assert second.status == "succeeded", second
    assert {name: second.counts.get(name) for name in ("create", "update", "delete")} == {
        "create": 1,
        "update": 2,
        "delete": 1,
    }
    table = company.table()
    assert table["u2"] == ("u2", "Moved", "u2@ex.org", "Sales")
    assert "u4" not in table and "u3" not in table
    assert dict(company.sql("select login, id from staff"))["renamed"] == ids["u3"]
    third = await syncing.run(mapping)
    assert (third.status, await syncing.changes(third)) == ("succeeded", [])


async def test_a_dry_run_writes_nothing_and_shows_counts_and_samples_of_each_field(
    syncing: Syncing, systems: tuple[UUID, UUID], company: Company
) -> None:
    mapping = await syncing.mapping(*systems, DEFINITION)
    await syncing.run(mapping)
    company.person(5, dept="Legal")
    company.write()
    before = company.table()
    dry = await syncing.plan(mapping, dry_run=True)
    assert (dry.status, dry.action_id) == ("planned", None)
    assert dry.samples["dept"] == [{"key": "u5", "before": "tech", "after": "Legal"}]
    assert company.table() == before


async def test_undo_of_a_sync_restores_the_target_exactly(
    syncing: Syncing, systems: tuple[UUID, UUID], company: Company
) -> None:
    mapping = await syncing.mapping(*systems, DEFINITION)
    await syncing.run(mapping)
    company.sql("update staff set note = 'by hand' where login = 'u4'")
    before = company.sql("select * from staff order by id")
    company.person(21)
    company.person(2, dept="Sales")
    company.person(3, login="renamed")
    del company.people["4"]
    company.write()
    done = await syncing.run(mapping)
    assert company.sql("select * from staff order by id") != before
    undone = await syncing.undo(done)
    assert undone.status == "succeeded", (undone, await syncing.changes(undone))
    assert company.sql("select * from staff order by id") == before
    again = await syncing.plan(mapping, dry_run=True)
    assert (again.counts["create"], again.counts["update"]) == (1, 2)
    # whom nobody in the source stands for is an orphan, and not deleted again unasked
    assert ("delete" in again.counts, [one.key for one in await syncing.orphans(mapping)]) == (False, ["u4"])


@pytest.mark.parametrize("broken", ["empty", "cut off", "half"])
async def test_a_source_that_answers_with_less_than_all_deletes_nobody(
    syncing: Syncing, systems: tuple[UUID, UUID], company: Company, broken: str
) -> None:
    mapping = await syncing.mapping(*systems, DEFINITION)
    await syncing.run(mapping)
    whole = company.path.read_text(encoding="utf-8")
    kept = {"empty": whole.split("\n")[0] + "\n", "cut off": whole[: len(whole) // 2], "half": ""}[broken]
    company.path.write_text(kept or "\n".join(whole.splitlines()[:11]) + "\n", encoding="utf-8")
    outcome = await syncing.run(mapping)
    assert len(company.table()) == 20
    assert outcome.status in {"succeeded", "refused"} and outcome.notes
    if broken == "half":
        assert "max_deletions=10" in outcome.notes[-1]
        allowed = await syncing.run(mapping, max_deletions=10)
        assert (allowed.status, len(company.table())) == ("succeeded", 10)


@pytest.mark.parametrize("policy", ["source", "target", "manual"])
async def test_what_was_changed_by_hand_at_the_target_is_found_and_handled_by_policy(
    syncing: Syncing, systems: tuple[UUID, UUID], company: Company, policy: str
) -> None:
    mapping = await syncing.mapping(*systems, DEFINITION | {"policy": policy})
    await syncing.run(mapping)
    company.sql("update staff set dept = 'by hand' where login = 'u1'")
    company.person(2, dept="Sales")
    company.write()
    done = await syncing.run(mapping)
    assert done.status == "succeeded"
    assert company.table()["u2"][3] == "Sales"
    assert company.table()["u1"][3] == ("tech" if policy == "source" else "by hand")
    waiting = await syncing.conflicts(mapping)
    assert [(one.field, one.source_value, one.target_value) for one in waiting] == (
        [("dept", "tech", "by hand")] if policy == "manual" else []
    )
    if policy == "manual":
        async with syncing.db.unit_of_work(syncing.tenant_id) as session:
            await syncing.syncs.decide(session, conflict_id=waiting[0].id, choice="source", actor="operator:ada")
        await syncing.run(mapping)
        assert company.table()["u1"][3] == "tech"


async def test_both_ways_each_side_gets_what_the_other_changed(
    syncing: Syncing, systems: tuple[UUID, UUID], company: Company
) -> None:
    mapping = await syncing.mapping(*systems, DEFINITION | TWO_WAYS)
    await syncing.run(mapping)
    company.person(1, dept="from the file")
    company.write()
    company.sql("update staff set dept = 'from the table' where login = 'u2'")
    done = await syncing.run(mapping)
    assert done.status == "succeeded", (done, await syncing.changes(done))
    assert company.table()["u1"][3] == company.read()["u1"]["dept"] == "from the file"
    assert company.table()["u2"][3] == company.read()["u2"]["dept"] == "from the table"
    again = await syncing.run(mapping)
    assert await syncing.changes(again) == []
