"""kill -9 at every step of a repair: after each step, and between its effect and its checkpoint.

One incident is repaired by a worker that dies at every such point, about thirty times. In the end the repair is
finished, and the target was affected exactly once, although a look-alike stood in its place meanwhile.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psycopg
import pytest_asyncio

from opsteward.accounts.tenants import create_tenant
from opsteward.app.services import Services, build_services
from opsteward.app.settings import load_settings
from opsteward.core.blocking_calls import in_thread
from opsteward.events.types import NewEvent
from opsteward.systems.service import NewSystem
from opsteward.systems.types import KnownSystem
from support.homes import temporary_home
from support.preloaded import program
from support.target import target_server

DYING_WORKER = Path(__file__).with_name("dying_worker.py")
WITHIN = 240.0
#: Every step that a repair passes; a step that is not walked would be a hole in this test.
STEPS = {
    "session.initialise", "session.assess", "session.diagnose.web", "session.diagnose.database",
    "session.diagnose.network", "session.diagnosed", "session.prioritise", "session.resolve", "session.resolved",
    "session.verify", "session.report", "action.plan", "action.admit", "action.execute", "action.verify",
    "action.finish",
}  # fmt: skip
ORDERS = """
version: 1
orders:
  - name: repair
    match: {{finding: [{finding}], system: target}}
    action: {action}
    approval: auto
    cooldown: 0s
    limits: {{per_target: 3, per_hour: 3}}
"""


@dataclass
class Case:
    services: Services
    tenant_id: UUID


@asynccontextmanager
async def prepared() -> AsyncIterator[Case]:
    with temporary_home() as home:
        services = build_services(load_settings(home=home))
        tenant = await create_tenant(services.web, name="killed", operator="admin", actor="test")
        try:
            yield Case(services, tenant.id)
        finally:
            await services.web.close()
            await services.app.close()


@pytest_asyncio.fixture(scope="module")
async def repairs() -> AsyncIterator[dict[str, asyncio.Task[None]]]:
    """Both, side by side: most of the time each waits until the death of a worker is noticed."""
    begun = {about.__name__: asyncio.create_task(about()) for about in (terminated_once, restarted_once)}
    yield begun
    for one in begun.values():
        one.cancel()
    await asyncio.gather(*begun.values(), return_exceptions=True)


async def test_a_session_is_terminated_once(repairs: dict[str, asyncio.Task[None]]) -> None:
    await repairs["terminated_once"]


async def test_a_process_is_restarted_once(repairs: dict[str, asyncio.Task[None]]) -> None:
    await repairs["restarted_once"]


async def _begin(case: Case, new: NewSystem, *, finding: str, action: str) -> UUID:
    """Register the target, open an incident about it; returns the session that has begun by itself."""
    async with case.services.web.unit_of_work(case.tenant_id) as session:
        await case.services.orders.apply(session, text=ORDERS.format(finding=finding, action=action), actor="test")
        target = await case.services.inventory.register(session, new=new, actor="test")
        event = NewEvent(
            message="the target is not well",
            source="target",
            error_type=finding,
            severity="high",
            category="system_error",
            system=KnownSystem(id=target.id, name=target.name, type=target.type),
        )
        await case.services.intake.take(session, events=[event], actor="test")
        return (await case.services.sessions.page(session))[0].id


async def _die_until_done(case: Case, session_id: UUID) -> set[str]:
    """Run the dying worker to its end; returns the points at which it died."""
    home = case.services.settings.home
    worker = program(DYING_WORKER, home, case.tenant_id, session_id)
    assert await in_thread(worker.wait, WITHIN) == 0, worker.told()[1][-4000:]
    return set((home / "deaths").read_text().splitlines())


async def _check_repaired_once(case: Case, session_id: UUID, deaths: set[str], action: str) -> None:
    for step in STEPS - {"session.diagnose.web", "session.diagnose.database", "session.diagnose.network"}:
        assert f"{step} effect" in deaths, f"no death between the effect and the checkpoint of {step}"
        assert f"{step} checkpoint" in deaths, f"no death after {step}"
    assert {f"session.diagnose.{d} effect" for d in ("web", "database", "network")} <= deaths
    async with case.services.web.unit_of_work(case.tenant_id) as session:
        found = await case.services.sessions.get(session, session_id=session_id)
        runs = [run for run in await case.services.action_service.list_runs(session) if run.system_id is not None]
        assert found.incident_id is not None
        incident = await case.services.incidents.get(session, incident_id=found.incident_id)
    assert (found.outcome, incident.status) == ("resolved", "resolved")
    assert [run.action for run in runs] == [action]
    assert runs[0].status == "succeeded"


class Blocker(threading.Thread):
    """Holds a row lock, idle in its transaction, and a waiter behind it; opens a look-alike once it is ended."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self._url = url
        self.ready = threading.Event()
        self.lookalike: psycopg.Connection | None = None
        self.waiter_done = threading.Event()

    def run(self) -> None:
        blocker = psycopg.connect(self._url, application_name="shop-report")
        blocker.execute("update stock set amount = amount")
        waiter = threading.Thread(target=self._wait, daemon=True)
        waiter.start()
        self.ready.set()
        waiter.join()
        # the same program comes back at once, idle in a transaction like the one that was ended
        self.lookalike = psycopg.connect(self._url, application_name="shop-report")
        self.lookalike.execute("select count(*) from stock")
        self.waiter_done.set()

    def _wait(self) -> None:
        with psycopg.connect(self._url, application_name="shop-web") as waiter:
            waiter.execute("update stock set amount = amount - 1")


async def terminated_once() -> None:
    server = target_server()
    log = server.data / "server.log"
    written_before = log.stat().st_size  # the server is shared: other tests of this process end sessions too
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        admin.execute("create database target")
        admin.execute("create role target_monitor login in role pg_monitor, pg_signal_backend")
        admin.execute("create role shop login")
    with psycopg.connect(server.url("target"), autocommit=True) as admin:
        admin.execute("create table stock (id int primary key, amount int)")
        admin.execute("insert into stock values (1, 100)")
        admin.execute("grant all on stock to shop")
    blocker = Blocker(server.url("target", user="shop"))
    blocker.start()
    assert blocker.ready.wait(10)

    async with prepared() as case:
        session_id = await _begin(
            case,
            NewSystem(
                name="target",
                type="database",
                endpoint=f"postgresql:///target?host={server.sockets}",
                credentials={"username": "target_monitor"},
                settings={"check_interval": 3600, "lock_wait_seconds": 0.5},
            ),
            finding="lock_chain",
            action="postgresql.terminate_session",
        )
        deaths = await _die_until_done(case, session_id)

        await _check_repaired_once(case, session_id, deaths, "postgresql.terminate_session")
        written = log.read_bytes()[written_before:]
        assert written.count(b"terminating connection due to administrator command") == 1
        assert blocker.waiter_done.wait(10)
        assert blocker.lookalike is not None
        assert blocker.lookalike.execute("select 1").fetchone() == (1,)
        blocker.lookalike.close()


SUPERVISORD = """
[supervisord]
nodaemon=true
logfile={home}/supervisord.log
pidfile={home}/supervisord.pid
[unix_http_server]
file={home}/supervisor.sock
username=lab
password=secret
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[program:shop]
command={python} -c "import time; time.sleep(3600)"
autorestart=false
startsecs=1
stopwaitsecs=1
"""


@contextmanager
def supervised(home: Path) -> Iterator[Path]:
    """A real supervisord in the home, with one program that was killed; gives the path of its log."""
    config = home / "supervisord.conf"
    config.write_text(SUPERVISORD.format(home=home, python=sys.executable))
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", str(config)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    log = home / "supervisord.log"
    _until(lambda: log.exists() and "success: shop entered RUNNING" in log.read_text())
    os.kill(int(log.read_text().split("spawned: 'shop' with pid ")[1].split()[0]), signal.SIGKILL)
    _until(lambda: "exited: shop" in log.read_text())
    try:
        yield log
    finally:
        server.terminate()
        server.wait(20)


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def restarted_once() -> None:
    async with prepared() as case:
        with supervised(case.services.settings.home) as written:
            session_id = await _begin(
                case,
                NewSystem(
                    name="target",
                    type="service",
                    endpoint=f"supervisor+unix://{case.services.settings.home}/supervisor.sock",
                    credentials={"username": "lab", "password": "secret"},
                    settings={"check_interval": 3600, "processes": ["shop"]},
                ),
                finding="process_down",
                action="supervisor.restart_process",
            )
            deaths = await _die_until_done(case, session_id)

            await _check_repaired_once(case, session_id, deaths, "supervisor.restart_process")
            log = written.read_text()
            assert log.count("spawned: 'shop'") == 2, "once by supervisord itself, once by the repair"
            assert "stopped: shop" not in log
