"""Work of the crew by rules: each strategy, its plan and hand-overs, the fallback, the cache, and after a crash."""

from __future__ import annotations

import asyncio
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, cast

import pytest
import sqlalchemy as sa
import structlog
from pydantic import BaseModel, model_validator

from opsteward.core.errors import Invalid, LimitExceeded
from opsteward.core.fair_share import Busy
from opsteward.crew.delegation.memory import DelegationMemory
from opsteward.crew.execution.steps import StepFailed
from opsteward.crew.execution.types import Part
from opsteward.crew.execution.work_types import WorkTypes
from support.crew_engines import TYPES
from support.crew_harness import AGENTS, CrewHarness, result_of
from support.instance import Instance, Tenant


@pytest.fixture
async def tenant(instance: Instance) -> Tenant:
    return await instance.tenant()


@pytest.fixture
def crew(instance: Instance, tmp_path: Path) -> CrewHarness:
    return CrewHarness(instance, tmp_path)


def told(found: Any) -> list[tuple[str, str]]:
    return [(one.strategy, one.outcome) for one in found.path]


async def test_direct_work_is_the_engine_alone(crew: CrewHarness, tenant: Tenant) -> None:
    found = await crew.done(tenant, "crm.add", [1, 2, 3])
    assert (found.status, found.strategy, found.strategy_used, found.engine) == (
        "completed",
        "direct",
        "direct",
        "rules",
    )
    assert found.result is not None and (found.result["total"], found.result["engine"]) == (6.0, "rules")
    assert (found.agents, told(found)) == ([], [("direct", "done")])
    assert [(one.name, one.status, one.agent) for one in found.plan] == [("direct/crm.add", "done", None)]


async def test_an_agent_does_it_where_ai_is_asked_for_and_no_model_is_there(crew: CrewHarness, tenant: Tenant) -> None:
    found = await crew.done(tenant, "crm.add", requires_ai=True)
    assert (found.strategy_used, found.engine, found.agents) == ("single_agent", "rules", ["crm.analyst"])
    assert "no model is configured: it is done by rules" in found.reasons


async def test_several_agents_work_side_by_side_and_their_results_are_joined(
    instance: Instance, tenant: Tenant, tmp_path: Path
) -> None:
    together = asyncio.Barrier(2)

    async def meet(_: Part) -> None:
        await asyncio.wait_for(together.wait(), 10)  # both run at once, or neither comes through

    crew = CrewHarness(instance, tmp_path, run_engine=meet)
    parts = [
        {"type": "crm.add", "parameters": {"values": [1, 2]}},
        {"type": "billing.add", "parameters": {"values": [3]}},
    ]
    found = await crew.done(
        tenant, "crew.workflow", parameters={"parts": parts}, requires_ai=True, complexity="complex", multi_domain=False
    )
    # two domains in it make it work of several domains, whatever was said
    assert found.strategy_used == "crew"
    totals = {name: one["total"] for name, one in result_of(found)["parts"].items()}
    assert totals == {"crm.add": 3.0, "billing.add": 3.0}


async def test_the_crew_plans_hands_over_checks_and_reports(crew: CrewHarness, tenant: Tenant) -> None:
    found = await crew.done(tenant, "crm.add", [1, 2], complexity="expert")
    assert (found.strategy_used, found.engine) == ("crew", "rules")
    assert [(one.name, one.agent, one.delegated_by, one.status) for one in found.plan] == [
        ("crew/plan/crm", "crm.supervisor", "master", "done"),
        ("crew/crm.add", "crm.analyst", "crm.supervisor", "done"),
        ("crew/data", "operations.data_checker", "crm.supervisor", "done"),
        ("crew/check", None, "master", "done"),
        ("crew/report", "master", None, "done"),
    ]
    assert found.agents == ["master", "crm.supervisor", "crm.analyst", "operations.data_checker"]
    assert result_of(found)["report"]["summary"] == "crm.add: The sum is 3."


async def test_the_data_is_looked_at(crew: CrewHarness, tenant: Tenant) -> None:
    rows = [{"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 3}]
    found = await crew.done(tenant, "crm.add", parameters={"values": [1], "rows": rows}, complexity="expert")
    assert result_of(found)["data_check"]["notes"] == [
        "rows: b is missing in 1 of 3 rows",
        "rows: 1 of 3 rows stand there more than once",
    ]


@pytest.mark.parametrize(
    ("work", "tried"),
    [
        ({"complexity": "expert"}, ["crew", "single_agent", "direct"]),
        ({"requires_ai": True, "complexity": "complex"}, ["multi_agent", "single_agent", "direct"]),
        ({"requires_ai": True}, ["single_agent", "direct"]),
        ({}, ["direct"]),
    ],
)
async def test_what_fails_falls_back_step_by_step_to_an_error_that_says_what_to_do(
    crew: CrewHarness, tenant: Tenant, work: dict[str, Any], tried: list[str]
) -> None:
    taken = await crew.ask(tenant, "crm.divide", [1, 0], **work)
    with pytest.raises(StepFailed) as failed:
        await crew.run(tenant, taken.task_id)
    assert "correct what it names, then send it again" in failed.value.remedy
    found = await crew.view(tenant, taken.task_id)
    assert (found.status, found.result, told(found)) == ("failed", None, [(one, "failed") for one in tried])
    assert all("ZeroDivisionError" in one.reason for one in found.path)


async def test_a_crew_whose_check_fails_falls_back(crew: CrewHarness, tenant: Tenant) -> None:
    found = await crew.done(tenant, "billing.nothing", complexity="expert")
    assert told(found) == [("crew", "failed"), ("single_agent", "done")]
    assert "billing.nothing came to nothing" in found.path[0].reason


async def test_a_domain_without_a_supervisor_falls_back(instance: Instance, tenant: Tenant, tmp_path: Path) -> None:
    crew = CrewHarness(instance, tmp_path, agents={"master": AGENTS["master"].replace("crm.supervisor, ", "")})
    found = await crew.done(tenant, "crm.add", complexity="expert")
    assert told(found) == [("crew", "failed"), ("single_agent", "done")]
    assert found.path[0].reason == "master may delegate to no supervisor of crm"


async def test_an_agent_that_takes_too_long_ends_and_is_fallen_back_from(
    instance: Instance, tenant: Tenant, tmp_path: Path
) -> None:
    slow = iter([True, False])

    async def once(_: Part) -> None:
        if next(slow):
            await asyncio.sleep(30)

    crew = CrewHarness(instance, tmp_path, run_engine=once, crew_agent_timeout=0.2)
    found = await crew.done(tenant, "crm.add", requires_ai=True)
    assert told(found) == [("single_agent", "failed"), ("direct", "done")]
    assert found.path[0].reason == "crm.analyst: did not end within 0.2 s"


async def test_equal_work_is_given_from_the_cache_and_is_no_outcome(crew: CrewHarness, tenant: Tenant) -> None:
    first = await crew.done(tenant, "crm.add", [4, 5])
    again = await crew.done(tenant, "crm.add", [4, 5])
    assert (first.cached, again.cached, crew.engine_runs) == (False, True, ["crm.add"])
    assert again.result == first.result
    assert not (await crew.done(tenant, "crm.add", [4, 6])).cached
    assert not (await crew.done(await crew.instance.tenant(), "crm.add", [4, 5])).cached


async def test_without_a_cache_it_is_done_again(instance: Instance, tenant: Tenant, tmp_path: Path) -> None:
    crew = CrewHarness(instance, tmp_path, crew_cache=False)
    for _ in range(2):
        await crew.done(tenant, "crm.add", [4, 5])
    assert crew.engine_runs == ["crm.add", "crm.add"]


async def test_after_a_crash_finished_steps_are_not_done_again(
    instance: Instance, tenant: Tenant, tmp_path: Path
) -> None:
    """At each step in turn: the process dies in it, and another one goes on."""
    for dies_at in range(2):
        folder = tmp_path / str(dies_at)
        folder.mkdir()
        runs = 0

        async def crash(_: Part, dies_at: int = dies_at) -> None:
            nonlocal runs
            runs += 1
            if runs == dies_at + 1:
                raise asyncio.CancelledError  # nothing of it is written down any more

        crew = CrewHarness(instance, folder, run_engine=crash, crew_cache=False)
        parts = [{"type": "crm.add", "parameters": {"values": [n]}} for n in range(2)]
        taken = await crew.ask(tenant, "crew.workflow", parameters={"parts": parts}, complexity="simple")
        with pytest.raises(asyncio.CancelledError):
            await crew.run(tenant, taken.task_id)
        await crew.run(tenant, taken.task_id)
        found = await crew.view(tenant, taken.task_id)
        assert found.status == "completed"
        assert runs == 3  # the one in flight again, the finished one not
        assert await crew.run(tenant, taken.task_id) == {"already": "done"}


async def test_when_one_part_fails_no_other_stays_under_way(instance: Instance, tenant: Tenant, tmp_path: Path) -> None:
    other_began = asyncio.Event()

    async def fail_while_the_other_works(part: Part) -> None:
        if part.task_type.name == "crm.divide":
            await other_began.wait()  # its division by zero comes next
        elif not other_began.is_set():
            other_began.set()
            await asyncio.sleep(30)

    crew = CrewHarness(instance, tmp_path, run_engine=fail_while_the_other_works)
    parts = [
        {"type": "crm.divide", "parameters": {"values": [1, 0]}},
        {"type": "billing.add", "parameters": {"values": [3]}},
    ]
    found = await crew.done(tenant, "crew.workflow", parameters={"parts": parts}, complexity="expert")
    assert found.status == "failed"
    states = {step.name: (step.status, step.error) for step in found.plan}
    assert {status for status, _ in states.values()} == {"done", "failed", "stopped"}
    assert states["crew/billing.add"] == ("stopped", "another part of the work failed before it was done")


async def test_what_is_too_busy_for_a_part_is_tried_again_whole(
    instance: Instance, tenant: Tenant, tmp_path: Path
) -> None:
    turns = iter([False])

    async def busy_at_first(_: Part) -> None:
        if not next(turns, True):
            raise Busy("nothing was taken within 1 s")

    crew = CrewHarness(instance, tmp_path, run_engine=busy_at_first)
    taken = await crew.ask(tenant, "crm.add", complexity="expert")
    with pytest.raises(Busy, match="nothing was taken"):
        await crew.run(tenant, taken.task_id)
    between = await crew.view(tenant, taken.task_id)
    assert {step.status for step in between.plan} <= {"done", "stopped"}
    await crew.run(tenant, taken.task_id)
    found = await crew.view(tenant, taken.task_id)
    assert (told(found), {step.status for step in found.plan}) == ([("crew", "done")], {"done"})


async def test_a_fault_that_nobody_foresaw_leaves_no_agent_busy(
    instance: Instance, tenant: Tenant, tmp_path: Path
) -> None:
    seen: list[tuple[str, bool]] = []
    turns = iter([False])

    async def broken_at_first(_: Part) -> None:
        ((status, has_ended),) = instance.sql(
            "select status, ended_at is not null from opsteward.crew_steps where tenant_id = %s and agent is not null",
            tenant.id,
        )
        seen.append((status, has_ended))
        if not next(turns, True):
            raise LookupError("not foreseen")

    crew = CrewHarness(instance, tmp_path, run_engine=broken_at_first)
    taken = await crew.ask(tenant, "crm.add", requires_ai=True)
    with pytest.raises(LookupError):
        await crew.run(tenant, taken.task_id)
    between = await crew.view(tenant, taken.task_id)
    assert {step.status for step in between.plan} == {"stopped"}
    await crew.run(tenant, taken.task_id)
    found = await crew.view(tenant, taken.task_id)
    assert {step.status for step in found.plan} == {"done"}
    assert seen == [("running", False)] * 2  # begun anew, it has no end


async def test_what_can_not_be_asked_is_told_by_field(crew: CrewHarness, tenant: Tenant) -> None:
    for fields, field, problem in (
        ({"work": "crm.ad"}, "type", "there is no type of work 'crm.ad'"),
        ({"work": "crm.add", "domain": "billing"}, "domain", "crm.add is work of crm"),
        ({"work": "crm.add", "parameters": {"values": ["x"]}}, "parameters.values.0", "is no number"),
        ({"work": "crm.add", "parameters": {"values": [1], "more": 1}}, "parameters.more", "is no field here"),
        (
            {"work": "crew.workflow", "parameters": {"parts": [{"type": "crm.add", "parameters": {}}]}},
            "parameters.parts.0.parameters.values",
            "is missing",
        ),
        (
            {"work": "crew.workflow", "parameters": {"parts": [{"type": "crew.workflow"}]}},
            "parameters.parts.0.type",
            "is a workflow within a workflow",
        ),
    ):
        with pytest.raises(Invalid) as refused:
            await crew.ask(tenant, **cast(dict[str, Any], fields))
        assert [(one.field, one.problem) for one in refused.value.problems] == [(field, problem)]


async def test_a_type_is_found_by_its_short_name(crew: CrewHarness, tenant: Tenant) -> None:
    assert (await crew.done(tenant, "divide")).type == "crm.divide"
    assert (await crew.done(tenant, "Add", domain="billing")).type == "billing.add"
    with pytest.raises(Invalid):
        await crew.ask(tenant, "add")  # of two domains


async def test_more_in_a_minute_than_allowed_is_refused(instance: Instance, tenant: Tenant, tmp_path: Path) -> None:
    crew = CrewHarness(instance, tmp_path, crew_requests_per_minute=3)
    for n in range(3):
        await crew.ask(tenant, "crm.add", [n])
    with pytest.raises(LimitExceeded, match="asked 3 times"):
        await crew.ask(tenant, "crm.add", [9])


async def test_tenant_user_and_session_are_in_every_log_line(
    instance: Instance, tenant: Tenant, tmp_path: Path
) -> None:
    seen: list[dict[str, Any]] = []

    async def look(_: Part) -> None:
        seen.append(structlog.contextvars.get_contextvars())

    crew = CrewHarness(instance, tmp_path, run_engine=look)
    await crew.done(tenant, "crm.add", user_id="u-1", session_id="s-1")
    assert seen[0].items() >= {"tenant_id": str(tenant.id), "user_id": "u-1", "session_id": "s-1"}.items()
    assert structlog.contextvars.get_contextvars() == {}


async def test_a_list_reads_neither_parameters_nor_results(crew: CrewHarness, tenant: Tenant) -> None:
    await crew.done(tenant, "crm.add")
    said: list[str] = []
    async with crew.db.unit_of_work(tenant.id) as session:
        sa.event.listen(session.sync_session, "do_orm_execute", lambda told: said.append(str(told.statement)))
        (line,) = await crew.crew.page(session)
    read = set(re.findall(r"crew_runs\.(\w+)", said[0]))
    assert line.status == "completed" and "task_type" in read
    assert not {"parameters", "result", "decision"} & read


async def test_parameters_are_looked_at_on_a_thread(instance: Instance, tenant: Tenant, tmp_path: Path) -> None:
    seen: list[threading.Thread] = []

    class Watched(BaseModel):
        values: list[float]

        @model_validator(mode="after")
        def _look(self) -> Self:
            seen.append(threading.current_thread())
            return self

    crew = CrewHarness(instance, tmp_path)
    watched = replace(TYPES["crm.add"], parameters=Watched)
    crew.crew.types = crew.types = WorkTypes({**TYPES, "crm.add": watched})
    await crew.ask(tenant, "crm.add")
    assert seen and threading.main_thread() not in seen


async def test_measured_outcomes_replace_the_numbers_that_ship(crew: CrewHarness, tenant: Tenant) -> None:
    for n in range(19):
        await crew.done(tenant, "crm.add", [n])
    crew.crew.memory = DelegationMemory(weights=crew.crew.weights, explored_types=frozenset())
    estimate = (await crew.ask(tenant, "crm.add", [99])).decision.estimate
    assert estimate.outcomes == 19 and estimate.seconds_low <= estimate.seconds <= estimate.seconds_high < 5
