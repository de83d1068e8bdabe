"""Syncs at their edges: writes that died, accounts that are there already, text of any kind, accounts nobody used."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from real_parts import Postgres
from sync_company import DEFINITION, Company, both_systems, company_of_twenty

from opsteward.core.errors import Conflict, Invalid, NotFound
from opsteward.integrations import files, postgresql
from opsteward.provisioning.sync import queries
from opsteward.provisioning.sync.applying import Applier
from opsteward.provisioning.sync.last_use import instant_of
from opsteward.provisioning.sync.operations import APPLY, PLAN, OfOperation, SyncTasks
from opsteward.provisioning.sync.types import SyncOperation
from support.instance import Instance, Tenant
from support.syncing import Syncing


@pytest.fixture
def company(tmp_path: Path, postgres: Postgres) -> Company:
    return company_of_twenty(tmp_path, postgres)


@pytest.fixture
async def syncing(instance: Instance, tenant: Tenant, company: Company, postgres: Postgres) -> Syncing:
    return Syncing(instance, tenant.id, [files.build([company.path.parent]), postgresql.INTEGRATION])


@pytest.fixture
async def systems(syncing: Syncing, company: Company, postgres: Postgres) -> tuple[UUID, UUID]:
    return await both_systems(syncing, company, postgres)


async def test_a_sync_is_forgotten_with_its_changes_once_it_has_ended_long_ago(
    syncing: Syncing, systems: tuple[UUID, UUID], company: Company
) -> None:
    mapping = await syncing.mapping(*systems, DEFINITION)
    done = await syncing.run(mapping)
    company.sql("update staff set name = 'by hand' where id = (select min(id) from staff)")
    waiting = await syncing.plan(mapping)
    assert waiting.status == "awaiting_approval"
    forget = sa.text("select opsteward.forget_syncs(now() + interval '1 minute', 7)")
    rounds = 0
    while True:
        async with syncing.db.unit_of_work(syncing.tenant_id) as session:
            if not await session.scalar(forget):
                break
        rounds += 1
    assert rounds > 2
    with pytest.raises(NotFound):
        await syncing.operation(done.id)
    assert len(await syncing.changes(waiting)) == 1


async def test_a_write_that_died_before_it_was_recorded_is_not_made_twice(
    syncing: Syncing, systems: tuple[UUID, UUID], company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opsteward.provisioning.sync import applying

    mapping = await syncing.mapping(*systems, DEFINITION)
    planned = await syncing.plan(mapping)
    await syncing.approve(planned)
    with monkeypatch.context() as patch:
        patch.setattr(applying.Applier, "_remembered", _die)
        with pytest.raises(KeyboardInterrupt):
            await syncing.apply(planned)
    company.sql("create table if not exists writes (n int)")
    assert len(company.table()) == 20
    ids = company.sql("select id from staff order by 1")
    done = await syncing.apply(planned)
    assert (done.status, company.sql("select id from staff order by 1")) == ("succeeded", ids)
    again = await syncing.run(mapping)
    assert await syncing.changes(again) == []


def _die(*_: object) -> None:
    raise KeyboardInterrupt


async def test_accounts_that_are_there_already_are_adopted_and_orphans_are_listed_and_removed(
    syncing: Syncing, systems: tuple[UUID, UUID], company: Company
) -> None:
    company.sql("insert into staff (login, name, mail, dept) values ('u1', 'Old', 'u1@ex.org', 'tech')")
    company.sql("insert into staff (login, name, mail) values ('ghost', 'Ghost', 'g@x'), ('other', 'X', 'U2@EX.ORG ')")
    mapping = await syncing.mapping(*systems, DEFINITION | {"match": [{"field": "mail", "how": "normalised"}]})
    done = await syncing.run(mapping)
    assert (done.status, done.counts["create"], done.counts["update"]) == ("succeeded", 18, 2)
    assert len(company.table()) == 21 and "other" not in company.table()
    (ghost,) = await syncing.orphans(mapping)
    assert ghost.key == "ghost"
    async with syncing.db.unit_of_work(syncing.tenant_id) as session:
        removal = await syncing.syncs.remove_orphans(
            session, mapping_id=mapping, native_ids=[ghost.native_id], how="delete", actor="operator:ada"
        )
    assert "ghost" in company.table()
    await syncing.approve(removal)
    assert (await syncing.apply(removal)).status == "succeeded"
    assert "ghost" not in company.table()
    await syncing.undo(removal)
    assert "ghost" in company.table()


async def test_a_record_changed_between_plan_and_write_is_left_for_the_next_plan(
    syncing: Syncing, systems: tuple[UUID, UUID], company: Company
) -> None:
    mapping = await syncing.mapping(*systems, DEFINITION)
    await syncing.run(mapping)
    company.person(1, dept="Sales")
    company.write()
    planned = await syncing.plan(mapping)
    company.sql("update staff set dept = 'meanwhile' where login = 'u1'")
    await syncing.approve(planned)
    done = await syncing.apply(planned)
    assert (done.status, company.table()["u1"][3]) == ("incomplete", "meanwhile")
    await syncing.run(mapping)
    assert company.table()["u1"][3] == "Sales"


async def test_definitions_that_cannot_work_are_refused_by_field(syncing: Syncing, systems: tuple[UUID, UUID]) -> None:
    for wrong in ({"key": "nowhere"}, {"fields": []}, {"policy": "dice"}, {"fields": [{"target": "x"}]}, {"more": 1}):
        with pytest.raises(Invalid) as refused:
            await syncing.mapping(*systems, DEFINITION | wrong)
        assert all(problem.field.startswith("definition") for problem in refused.value.problems)
    mapping = await syncing.mapping(*systems, DEFINITION)
    planned = await syncing.plan(mapping)
    await syncing.approve(planned)
    with pytest.raises(Conflict, match="applying already"):
        await syncing.plan(mapping)


async def test_text_of_any_kind_arrives_as_it_was_and_is_found_unchanged(
    syncing: Syncing, systems: tuple[UUID, UUID], company: Company
) -> None:
    odd = [
        "\\N",
        "\\.",
        "a\tb",
        "a\nb",
        "a\r\nb",
        "back\\slash",
        '"q"',
        "\u2028",
        "\x7f",
        "日本",
        "\\u0000",
        "a\\tb",
        "½",
    ]
    for number, text in enumerate(odd, 100):
        company.person(number, login=f"{text}{number}", name=f"x{text}y")
    company.write()
    mapping = await syncing.mapping(*systems, DEFINITION)
    first = await syncing.run(mapping)
    assert (first.status, first.counts["create"]) == ("succeeded", 20 + len(odd)), first
    table = company.table()
    assert {table[f"{text}{number}"][1] for number, text in enumerate(odd, 100)} == {f"x{text}y" for text in odd}
    second = await syncing.run(mapping)
    assert (second.status, await syncing.changes(second)) == ("succeeded", [])


async def test_accounts_that_nobody_used_for_long_are_listed_and_disabled_by_approval_or_by_policy(
    syncing: Syncing, systems: tuple[UUID, UUID], company: Company, postgres: Postgres
) -> None:
    company.sql("alter table staff add off bool not null default false, add seen timestamptz")
    staff = {"table": "staff", "key": "id", "disabled": {"column": "off", "value": True}}
    target = await syncing.system(
        "accounts", "database", postgres.endpoint(), {"username": "shop"}, resources={"staff": staff}
    )
    definition = DEFINITION | {"last_used": "seen", "dormant_days": 30}
    mapping = await syncing.mapping(systems[0], target, definition, name="accounts")
    await syncing.run(mapping)
    company.sql("update staff set seen = now() - case login when 'u3' then interval '31 days' else '29 days' end")
    company.sql("insert into staff (login, seen) values ('old', now() - interval '1 year'), ('never', null)")
    await syncing.plan(mapping, dry_run=True)

    async def dormant() -> dict[str | None, tuple[str, bool]]:
        async with syncing.db.unit_of_work(syncing.tenant_id) as session:
            found = await queries.list_dormant(session, mapping_id=mapping)
        return {one.key: (one.native_id, one.is_owned) for one in found}

    async def remove(native_id: str, how: str) -> SyncOperation:
        async with syncing.db.unit_of_work(syncing.tenant_id) as session:
            return await syncing.syncs.remove_orphans(
                session, mapping_id=mapping, native_ids=[native_id], how=how, actor="system:test"
            )

    found = await dormant()
    assert {key: is_owned for key, (_, is_owned) in found.items()} == {"u3": True, "old": False}
    with pytest.raises(Invalid, match="neither orphans"):
        await remove(found["u3"][0], "delete")  # the next sync would make it anew
    planned = await remove(found["u3"][0], "disable")
    await syncing.approve(planned)
    await syncing.apply(planned)
    assert company.sql("select login from staff where off") == [("u3",)] and set(await dormant()) == {"old"}

    await syncing.mapping(systems[0], target, definition | {"dormant": "disable"}, name="accounts")
    company.sql("update staff set seen = now() - interval '40 days' where login = 'u5'")
    done = await syncing.run(mapping)
    assert (done.counts["disable"], done.counts["dormant"]) == (1, 1)
    assert company.sql("select login from staff where off order by 1") == [("u3",), ("u5",)]
    assert await syncing.changes(await syncing.run(mapping)) == []


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("2026-03-01T10:00:00+01:00", "2026-03-01T09:00:00+00:00"),
        ("2026-03-01", "2026-03-01T00:00:00+00:00"),
        ("20260301090000Z", "2026-03-01T09:00:00+00:00"),
        ("20260301090000.5Z", "2026-03-01T09:00:00.500000+00:00"),
        (["20250101000000Z", "20260301090000Z"], "2026-03-01T09:00:00+00:00"),
        (1772355600, "2026-03-01T09:00:00+00:00"),
        ("1772355600000", "2026-03-01T09:00:00+00:00"),
        ("134168292000000000", "2026-03-01T09:00:00+00:00"),
        *((each, None) for each in ("0", 0, "", "never", True, -1, None, {"base64": "eA=="}, "9" * 400, 1e300)),
        *((each, None) for each in ("--5", "²", "99991231235959-1400", 10**400, [[["20260301"]]])),
    ],
)
def test_the_time_of_last_use_is_read_in_each_form_that_systems_write(told: Any, meant: str | None) -> None:
    found = instant_of(told)
    assert (found.isoformat() if found else None) == meant


@pytest.mark.parametrize("task", ["plan", "apply"])
async def test_a_fault_that_nobody_foresaw_ends_the_sync_once_its_tries_are_used_up(
    syncing: Syncing, systems: tuple[UUID, UUID], monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    async def fail(*_: object) -> None:
        raise RuntimeError("a secret in the words of a fault")

    mapping = await syncing.mapping(*systems, DEFINITION)
    if task == "apply":
        planned = await syncing.plan(mapping)
        await syncing.approve(planned)
        begun, run = planned.id, syncing.tasks.apply
    else:
        begun, run = await syncing.begun(mapping), syncing.tasks.plan
    with monkeypatch.context() as patch:
        patch.setattr(SyncTasks, "_read", fail)
        patch.setattr(Applier, "run", fail)
        for attempt, status in ((0, "planning" if task == "plan" else "applying"), (5, "failed")):
            with pytest.raises(RuntimeError):
                await run(syncing.context(attempt), OfOperation(operation_id=begun))
            assert (await syncing.operation(begun)).status == status
    ended = await syncing.operation(begun)
    assert (
        ended.error is not None and "an unforeseen fault: see its task" in ended.error and "secret" not in ended.error
    )
    assert (await syncing.run(mapping)).status == "succeeded"


async def test_a_sync_whose_task_was_cancelled_keeps_out_no_other(
    instance: Instance, syncing: Syncing, systems: tuple[UUID, UUID]
) -> None:
    mapping = await syncing.mapping(*systems, DEFINITION)
    cancel = "update opsteward.tasks set status = 'cancelled' where tenant_id = %s and task_type = %s"
    begun = await syncing.begun(mapping)
    with pytest.raises(Conflict, match="planning already"):
        await syncing.begun(mapping)
    instance.sql(cancel, syncing.tenant_id, PLAN)
    planned = await syncing.plan(mapping)
    assert (await syncing.operation(begun)).status == "failed"
    await syncing.approve(planned)
    with pytest.raises(Conflict, match="applying already"):
        await syncing.begun(mapping)
    instance.sql(cancel, syncing.tenant_id, APPLY)
    assert (await syncing.run(mapping)).status == "succeeded"
    ended = await syncing.operation(planned.id)
    assert (ended.status, ended.error) == ("failed", "its task was cancelled, or ended otherwise before it was done")
