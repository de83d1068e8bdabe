"""Who leads goes on leading: an error in a duty is logged and tried again, and does not end it in silence."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
import sqlalchemy as sa

from opsteward.app.worker import seal_waiting
from opsteward.core.durable import ENGINE_VERSION, Engine
from opsteward.core.ids import uuid7
from opsteward.core.process_identity import host_key, session_mark, started_mark
from opsteward.core.process_takeover import Membership, Process
from opsteward.telemetry import audit
from opsteward.telemetry.audit import sealing
from support.instance import Instance, Tenant


def member(instance: Instance) -> tuple[UUID, Membership]:
    executor_id = uuid7()
    engine = Engine(instance.services.urls.app, executor_id=executor_id, concurrency=1)
    return executor_id, Membership(instance.services.app, engine, executor_id=executor_id, kind="test", lost_after=60.0)


async def test_a_leader_whose_duties_fail_leads_again(instance: Instance) -> None:
    _, membership = member(instance)
    await membership.join()
    terms: list[str] = []
    again = asyncio.Event()

    async def duties() -> None:
        terms.append("begun")
        if len(terms) == 1:
            raise RuntimeError("a right was revoked")
        if len(terms) == 2:
            raise asyncio.CancelledError
        again.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(membership.run(duties))
    try:
        async with asyncio.timeout(20):
            await again.wait()
    finally:
        running.cancel()
        await asyncio.wait({running})
        await membership.leave()
    assert len(terms) == 3


async def test_sealing_survives_a_revoked_right_and_goes_on_until_nothing_waits(
    instance: Instance, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await seal_waiting(
        instance.services.app, instance.services.box.audit_key()
    )  # what other tests left, in large batches
    monkeypatch.setattr(sealing, "_BATCH", 3)  # more than one batch, without thousands of entries
    async with instance.services.web.unit_of_work(tenant.id) as session:
        for number in range(10):
            await audit.record(session, actor="system:test", verb="test", object_type="test", object_id=str(number))
    app = sa.make_url(instance.services.urls.app).username
    instance.sql(f"revoke insert on opsteward.audit_seals from {app}")
    try:
        await seal_waiting(instance.services.app, instance.services.box.audit_key())
        assert tenant.count("audit_pending") >= 10
    finally:
        instance.sql(f"grant insert on opsteward.audit_seals to {app}")

    await seal_waiting(instance.services.app, instance.services.box.audit_key())
    assert tenant.count("audit_pending") == 0


async def test_a_process_is_known_by_what_no_clock_moves(instance: Instance) -> None:
    executor_id, membership = member(instance)
    await membership.join()
    async with instance.services.app.unit_of_work(None) as session:
        row = (await session.scalars(sa.select(Process).where(Process.id == executor_id))).one()
    await membership.leave()

    stat = Path(f"/proc/{row.pid}/stat").read_text().rpartition(")")[2].split()
    assert row.host == host_key()
    assert row.pid_started == float(stat[19]) == started_mark(row.pid)


def test_who_is_gone_has_no_mark() -> None:
    assert started_mark(2**22 + 1) is None, "above the highest process id there can be"


async def test_a_frozen_process_is_taken_over_though_it_holds_its_own_row(instance: Instance) -> None:
    """Its connection is one of ours, left in the middle of a beat."""
    frozen = uuid7()
    row = {"host": host_key(), "pid": 2**22 + 1, "pid_started": 1.0}
    async with instance.services.app.unit_of_work(None) as session:
        session.add(Process(id=frozen, kind="test", version=ENGINE_VERSION, **row))
    name = f"opsteward app {session_mark(row['host'], row['pid'], row['pid_started'])}"
    with psycopg.connect(instance.services.urls.app, application_name=name) as beating:
        beating.execute("update opsteward.processes set beat_at = now() where id = %s", [frozen])
        _, membership = member(instance)
        await membership.join()
        running = asyncio.create_task(membership.run(asyncio.Event().wait))
        try:
            async with asyncio.timeout(20):
                while instance.sql(f"select lost_at from opsteward.processes where id = '{frozen}'") == [(None,)]:
                    await asyncio.sleep(0.05)
        finally:
            running.cancel()
            await asyncio.wait({running})
            await membership.leave()
        with pytest.raises(psycopg.OperationalError):
            beating.commit()
