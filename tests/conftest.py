"""Fixtures that the tests of several rooms share. Heavy imports wait until a test asks for an instance.

- `instance`: a real instance in this process, without a worker (one for the whole run);
- `tenant`, `other_tenant`: two tenants of it for one test, each with its owner;
- `live`: `opsteward up` as a process of its own, with its worker (one for the whole run, on a home of its own).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from support.loopback import loopback_only

if TYPE_CHECKING:
    from support.instance import Instance, Tenant
    from support.live import Live


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Nobody but this machine can be reached."""
    with loopback_only():
        yield


@pytest_asyncio.fixture(scope="session")
async def instance() -> AsyncIterator[Instance]:
    from support.homes import temporary_home
    from support.instance import build_instance

    with temporary_home() as home:
        one = build_instance(home)
        yield one
        for client in one.clients:
            await client.aclose()
        await one.house.web.close()
        await one.house.app.close()


@pytest.fixture
async def tenant(instance: Instance) -> Tenant:
    return await instance.tenant()


@pytest.fixture
async def other_tenant(instance: Instance) -> Tenant:
    return await instance.tenant()


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    from support.live import running_instance

    with running_instance({"OPSTEWARD_QUEUE_POLL_INTERVAL": "0.1"}) as one:
        yield one
