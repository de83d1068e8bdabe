"""The bodies of workflows are deterministic, and the lint that says so can fail."""

from __future__ import annotations

import pytest
from source_tree import modules, snippet
from workflow_bodies import registered, unsteady

BODIES = [body for module in modules() for body in registered(module)]
#: The body of a durable task is the function of its type: what it does between its steps is its author's matter.
OF_OTHERS = {"tasks/durable_tasks.py: DurableTasks.run_workflow"}


def test_all_workflows_are_found() -> None:
    assert {body.name for body in BODIES} == {
        "actions/executor.py: Executor.plan_action",
        "actions/executor.py: Executor.execute_action",
        "troubleshooting/coordinator.py: Coordinator.run",
        "troubleshooting/coordinator.py: Coordinator.resume",
    } | OF_OTHERS


def test_workflow_bodies_are_deterministic() -> None:
    assert [problem for body in BODIES if body.name not in OF_OTHERS for problem in unsteady(body)] == []


TEMPLATE = """
import time, random, uuid, asyncio
from datetime import datetime
from functools import partial
from uuid import UUID
from opsteward.core import durable
from opsteward.core.clock import now
from opsteward.core.ids import uuid7

def stamp():
    return time.time()

class Mender:
    def register(self, workflows):
        workflows.register("mend", self.mend)

    async def mend(self, *, tenant_id):
        tenant = UUID(tenant_id)
        {line}
        return await self._end(tenant)

    async def _end(self, tenant):
        return await durable.step("end", partial(self._look, tenant))

    async def _look(self, tenant):
        return time.time()

    async def _hidden(self):
        return await asyncio.sleep(1)

    def _quick(self):
        return random.random()
"""


def problems(line: str) -> list[str]:
    module = snippet(TEMPLATE.format(line=line))
    return [problem for body in registered(module) for problem in unsteady(body)]


@pytest.mark.parametrize(
    "line",
    [
        "await durable.sleep(2.0)",
        "await durable.steps_together(*((n, partial(self._look, tenant)) for n in ('a', 'b')))",
        "order = sorted([3, 1])",
    ],
)
def test_a_steady_body_passes(line: str) -> None:
    assert problems(line) == []


@pytest.mark.parametrize(
    "line",
    [
        "await self._db.fetch(tenant)",
        "await asyncio.sleep(1)",
        "await self._hidden()",
        "x = self._quick()",
        "x = stamp()",
        "x = time.monotonic()",
        "x = random.random()",
        "x = datetime.now()",
        "x = uuid.uuid4()",
        "x = now()",
        "x = uuid7()",
        "x = open('/etc/hostname')",
        "x = self._settings.approval_ttl",
        "x = self._desk.settings.approval_ttl",
        "x = [y async for y in self._rows()]",
        "async with self._db.unit_of_work(tenant): pass",
        "await durable.enqueue(None)",
    ],
)
def test_an_unsteady_body_is_found(line: str) -> None:
    assert len(problems(line)) >= 1


def test_a_body_that_cannot_be_found_is_an_error() -> None:
    with pytest.raises(AssertionError, match=r"self\.method"):
        list(registered(snippet("class A:\n    def r(self, w):\n        w.register('a', other.method)\n")))
