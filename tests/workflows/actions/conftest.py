"""One worker in this process for all tests of actions: the engine can be started once in a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from opsteward.accounts import operators, tokens
from opsteward.accounts.tenants import create_tenant
from opsteward.app.process import Process, running
from opsteward.app.services import Services, build_services
from opsteward.app.settings import load_settings
from opsteward.systems.service import NewSystem
from opsteward.systems.types import KnownSystem
from support.action_bench import Bench
from support.homes import temporary_home
from support.switchboard import BOARDS, integration


@pytest.fixture(scope="package")
def home() -> Iterator[Path]:
    with temporary_home() as home:
        yield home


@pytest.fixture(scope="package")
async def services(home: Path) -> AsyncIterator[Services]:
    settings = load_settings(
        home=home,
        queue_poll_interval=0.05,
        verify_timeout=3.0,
        approval_ttl=30.0,
        look_again_after=0.1,
        backoff_factor=1.0,
        workers=1,  # a session and its action must do with one place in the queue
    )
    built = build_services(settings, [integration()])
    process = Process(built, kind="test")
    async with running(process):
        await asyncio.wait_for(process.worker.ready.wait(), 30)
        yield built


@pytest.fixture
async def bench(services: Services) -> AsyncIterator[Bench]:
    tenant = await create_tenant(services.web, name=f"door-{uuid4().hex[:12]}", operator="first", actor="test")
    name = uuid4().hex
    async with services.web.unit_of_work(tenant.id) as session:
        other = await operators.create_operator(session, name="second", roles=["approver"], actor="test")
        token = await tokens.issue_token(session, operator_id=other.id, kind="api", name="t", actor="test")
        new = NewSystem(name="board", type="service", endpoint=f"memory://{name}", settings={"check_interval": 3600})
        system = await services.inventory.register(session, new=new, actor="test")
    first = await tokens.authenticate(services.web, secret=tenant.token)
    second = await tokens.authenticate(services.web, secret=token.secret)
    known = KnownSystem(id=system.id, name=system.name, type=system.type)
    yield Bench(services, BOARDS[name], tenant.id, known, first, second)
