"""A process that falls silent loses its work to another, and when it wakes up it goes before it does harm."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import sqlalchemy as sa

from opsteward.accounts.tenants import create_tenant
from opsteward.app.services import build_services
from opsteward.app.settings import load_settings
from opsteward.core import durable
from opsteward.core.process_heartbeat import ZOMBIE_EXIT
from support.preloaded import program

WORKER = Path(__file__).with_name("frozen_worker.py")


def _until_written(path: Path, line: str) -> None:
    deadline = time.monotonic() + 30
    while not path.exists() or line not in path.read_text().splitlines():
        assert time.monotonic() < deadline, f"{line!r} never came; there is {path.read_text() if path.exists() else ''}"
        time.sleep(0.05)


async def test_work_of_a_frozen_process_is_taken_over_and_the_thawed_one_exits(fresh_home: Path) -> None:
    services = build_services(load_settings(home=fresh_home))
    tenant = await create_tenant(services.web, name="frozen", operator="admin", actor="test")
    async with services.web.unit_of_work(tenant.id) as session:
        await durable.enqueue(
            session, workflow="three.steps", workflow_id="one", arguments={"tenant_id": str(tenant.id)}
        )
    steps = fresh_home / "steps"

    frozen = program(WORKER, fresh_home, "frozen", "freeze")
    try:
        _until_written(steps, "frozen second")
        healthy = program(WORKER, fresh_home, "healthy")
        assert healthy.wait(40) == 0, "the other process finishes the work"
        frozen.send(signal.SIGCONT)
        assert frozen.wait(20) == ZOMBIE_EXIT, "the thawed one finds itself lost and exits"
    finally:
        frozen.kill()

    # the first step was recorded; the second was in flight and is done again; the third is done once
    assert steps.read_text().splitlines() == ["frozen first", "frozen second", "healthy second", "healthy third"]
    async with services.web.unit_of_work(tenant.id) as session:
        lost = await session.scalar(sa.text("select count(*) from opsteward.processes where lost_at is not null"))
        assert lost is not None
    await services.web.close()
    await services.app.close()
