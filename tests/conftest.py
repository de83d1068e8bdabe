"""Fixtures that the tests of several rooms share, and which tests run in one process when there are several.

Heavy imports wait until a test asks for an instance. "The whole run" is that of one test process: `make test` starts
three, and each has its own.

- `instance`: a real instance in this process, without a worker (one for the whole run);
- `tenant`, `other_tenant`: two tenants of it for one test, each with its owner;
- `live`: `opsteward up` as a process of its own, with its worker (one for the whole run, on a home of its own).
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import hypothesis
import pytest
import pytest_asyncio

from support.loopback import loopback_only

if TYPE_CHECKING:
    from support.instance import Instance, Tenant
    from support.live import Live

pytest_plugins = ["support.slow_tests"]

# Tests start hundreds of processes that import all of Opsteward: each would compile it anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

hypothesis.settings.register_profile("opsteward", deadline=None)  # how long an example takes is the machine's matter
hypothesis.settings.load_profile("opsteward")

_KILLS = "kills processes, and waits for the others to notice"
_INTERVALS = "lets real intervals pass"
_BROWSER = "runs a real browser"
#: Files whose tests run one after another in one test process, so that no two of them ever load the machine together,
#: and why they are slow. They begin first, being half of the run.
_ONE_AT_A_TIME = {
    "api/test_live_feed.py": _INTERVALS,
    "database/test_agents": _INTERVALS,
    "database/test_leadership.py": _INTERVALS,
    "lab/": "breaks a real shop, and counts its customers' orders in time",
    "workflows/test_agents_move.py": _KILLS,
    "workflows/test_first_start.py": _KILLS,
    "workflows/test_how_a_process_ends.py": _KILLS,
    "workflows/test_kill_at_every_step.py": _KILLS,
    "workflows/test_takeover.py": _KILLS,
    "workflows/test_tasks_survive.py": _KILLS,
    "workflows/test_the_database_dies.py": _KILLS,
    "workflows/test_user_imports_survive.py": _KILLS,
}
#: Tests that share one worker in their own process.
_ONE_WORKER = "workflows/actions/"
#: Further files that are slow as a whole, and why.
_SLOW = {
    "e2e/test_console": _BROWSER,
    "e2e/test_sign_in.py": _BROWSER,
    "installation/test_lock_stays_true.py": "installs with several releases of pip",
    "installation/test_setup.py": "makes environments with the real venv and pip",
}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With several test processes each file stays in one, where its fixtures are made once."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    config.option.loadscopereorder = False  # in the order of collection
    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say why the tests of these files are slow. In one of several test processes the order is that of handing out."""
    for item in items:
        for start, reason in (_ONE_AT_A_TIME | _SLOW).items():
            if _file(item.nodeid).startswith(start):
                item.add_marker(pytest.mark.slow(reason=reason))
    if hasattr(config, "workerinput"):
        first = ["one at a time", _BROWSER]
        items.sort(key=lambda item: first.index(group) if (group := _group(item.nodeid)) in first else len(first))


def _group(nodeid: str) -> str:
    """What stays in one test process: these, those that share a worker or a browser, or else a file."""
    file = _file(nodeid)
    if file.startswith(tuple(_ONE_AT_A_TIME)):
        return "one at a time"
    if file.startswith(_ONE_WORKER):
        return _ONE_WORKER
    return _BROWSER if _SLOW.get(file) == _BROWSER or file.startswith("e2e/test_console") else file


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0].removeprefix("tests/")


@pytest.fixture(scope="session", autouse=True)
def no_network() -> Iterator[None]:
    """Nobody but this machine can be reached."""
    with loopback_only():
        yield


@pytest.fixture(scope="session", autouse=True)
def no_home_stays() -> Iterator[None]:
    """What the homes were copied from is removed after the last of them."""
    yield
    from support.homes import remove_provisioned

    remove_provisioned()


@pytest_asyncio.fixture(scope="session")
async def instance() -> AsyncIterator[Instance]:
    from support.homes import temporary_home
    from support.instance import build_instance

    with temporary_home() as home:
        one = build_instance(home)
        yield one
        for client in one.clients:
            await client.aclose()
        await one.services.web.close()
        await one.services.app.close()


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
