"""What calls of models may cost: ceilings, prices and calls a minute hold, and no recorded call is paid again."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from opsteward.crew.settings import Price
from support.crew_cases import MODEL, Case, Script, settings
from support.crew_harness import AGENTS, CrewHarness
from support.instance import Instance, Tenant
from support.scripted_model import (
    Reply,
    Request,
    finding,
    scripted_model,
    tool_replies,
)

FREE = {MODEL: Price(input=0, output=0)}


@pytest.fixture
async def tenant(instance: Instance) -> Tenant:
    return await instance.tenant()


@pytest.fixture
def case(instance: Instance, tenant: Tenant, tmp_path: Path) -> Case:
    return Case(instance, tenant, tmp_path)


async def test_what_may_yet_work_is_tried_again(case: Case) -> None:
    script: Script = lambda request, number: Reply(status=500) if number == 0 else finding()  # noqa: E731
    found, requests = await case.done(script, models={"model_retries": 1})
    assert (found.engine, len(requests)) == (f"llm:{MODEL}", 2)


async def test_what_can_not_work_is_not_tried_again(case: Case) -> None:
    found, requests = await case.done(lambda request, number: Reply(status=401), models={"model_retries": 5})
    assert (found.engine, len(requests)) == ("rules", 1)


async def test_another_model_is_asked_when_the_first_fails(case: Case) -> None:
    def script(request: Request, number: int) -> Reply:
        return Reply(status=503) if request["model"] == "scripted" else finding()

    other = "compatible:other"
    models = {"model_fallbacks": [other], "model_prices": {**FREE, other: Price(input=0, output=0)}}
    found, requests = await case.done(script, models=models)
    assert (found.engine, [one["model"] for one in requests]) == (f"llm:{other}", ["scripted", "other"])


async def test_a_model_that_keeps_failing_is_not_asked_for_a_while(case: Case) -> None:
    async with scripted_model(lambda request, number: Reply(status=500)) as server:
        crew = CrewHarness(
            case.instance, case.folder, models=settings(server, model_breaker_failures=2), crew_cache=False
        )
        views = [await crew.done(case.tenant, "crm.add", [n], requires_ai=True) for n in range(4)]
    assert len(server.requests) == 2
    assert "no model may be asked now" in views[-1].path[0].reason


async def test_a_model_without_a_price_is_not_asked(case: Case) -> None:
    found, requests = await case.done(lambda request, number: finding(), models={"model_prices": {}})
    assert (found.engine, requests) == ("rules", [])
    assert found.path[0].reason == f"crm.analyst: the price of {MODEL} is not known, so it is not asked"


@pytest.mark.parametrize(
    ("models", "limits", "words"),
    [
        ({"model_call_money": 0.0001}, {}, "which is too much"),
        ({"model_agent_day_money": 0.0001}, {}, "OPSTEWARD_MODEL_AGENT_DAY_MONEY"),
        ({"model_tenant_day_money": 0.0001}, {}, "OPSTEWARD_MODEL_TENANT_DAY_MONEY"),
        ({}, {"tokens: 60000": "tokens: 500"}, "tokens would pass the 500 of crm.analyst in this work"),
        ({}, {"money: 5": "money: 0.0001"}, "of crm.analyst in this work"),
        ({}, {"calls_per_minute: 1000": "calls_per_minute: 0"}, "has made 0 calls in the last minute"),
    ],
)
async def test_each_ceiling_keeps_the_call_from_being_made(
    case: Case, models: dict[str, Any], limits: dict[str, str], words: str
) -> None:
    text = AGENTS["analyst"]
    for old, new in limits.items():
        assert old in text
        text = text.replace(old, new)
    found, requests = await case.done(
        lambda request, number: finding(), models=models, crew={"agents": {"analyst": text}}
    )
    assert (found.engine, requests) == ("rules", [])
    assert words in found.path[0].reason
    assert all(row[:2] == (0, 0) for row in case.spend().values())


@pytest.mark.slow(reason="fifty pieces of work at once, each with its transactions")
async def test_fifty_runs_at_once_pass_no_ceiling(case: Case) -> None:
    """Each call is reserved at its most before it is made."""
    script: Script = lambda request, number: Reply(calls=finding().calls, delay=0.2)  # noqa: E731
    ceiling = 0.3
    async with scripted_model(script) as server:
        models = settings(server, model_tenant_day_money=ceiling, model_agent_day_money=100, model_timeout=30.0)
        crew = CrewHarness(case.instance, case.folder, models=models, crew_cache=False)
        taken = [await crew.ask(case.tenant, "crm.add", [n], requires_ai=True) for n in range(50)]
        highest = 0
        running = [asyncio.create_task(crew.run(case.tenant, one.task_id)) for one in taken]
        async with asyncio.timeout(120):
            while not all(one.done() for one in running):
                reserved, spent, *_ = case.spend().get("tenant", (0, 0, 0, 0))
                highest = max(highest, reserved + spent)
                await asyncio.sleep(0.1)
        await asyncio.gather(*running)
        views = [await crew.view(case.tenant, one.task_id) for one in taken]
    engines = Counter(one.engine for one in views)
    assert all(one.status == "completed" for one in views)
    assert engines["rules"] > 0 and engines[f"llm:{MODEL}"] > 0
    assert 0 < highest <= ceiling * 1_000_000
    reserved, spent, _, _ = case.spend()["tenant"]
    assert (reserved, spent) == (0, 1600 * len(server.requests))


async def test_no_more_calls_in_a_minute_than_the_agent_may_make(case: Case) -> None:
    text = AGENTS["analyst"].replace("calls_per_minute: 1000", "calls_per_minute: 3")
    async with scripted_model(lambda request, number: finding()) as server:
        crew = CrewHarness(
            case.instance, case.folder, models=settings(server), agents={"analyst": text}, crew_cache=False
        )
        taken = [await crew.ask(case.tenant, "crm.add", [n], requires_ai=True) for n in range(8)]
        await asyncio.gather(*(crew.run(case.tenant, one.task_id) for one in taken))
        views = [await crew.view(case.tenant, one.task_id) for one in taken]
    assert len(server.requests) == 3
    assert Counter(one.engine for one in views) == {"rules": 5, f"llm:{MODEL}": 3}


async def test_what_may_have_been_paid_counts_as_spent(case: Case) -> None:
    """A reply that broke off may be on the bill; one that was refused is not."""
    await case.done(lambda request, number: Reply(text="x" * 500, breaks_off=100))
    ((status, cost, *_),) = case.calls()
    assert status == "failed" and cost > 0
    assert case.spend()["tenant"][:2] == (0, cost)
    other = Case(case.instance, await case.instance.tenant(), case.folder)
    await other.done(lambda request, number: Reply(status=500))
    assert other.spend()["tenant"][:2] == (0, 0)
    begun = Case(case.instance, await case.instance.tenant(), case.folder)
    half = b'{"choices": [{"message": {"content": "half"}, "error": {"code": 502}}]}'
    await begun.done(lambda request, number: Reply(raw=half))
    ((status, cost, *_),) = begun.calls()
    assert status == "failed" and cost > 0
    assert begun.spend()["tenant"][:2] == (0, cost)


async def test_a_reply_that_does_not_say_its_usage_counts_in_full(case: Case) -> None:
    found, _ = await case.done(lambda request, number: Reply(calls=finding().calls, usage=None))
    assert found.engine == f"llm:{MODEL}"
    assert found.tokens > 1500 and found.cost > 0.045


async def test_after_a_crash_no_recorded_call_is_paid_again(case: Case) -> None:
    """The process dies while each call in turn is being made; what was recorded before is replayed."""
    for dies_at in range(3):
        case.tenant = await case.instance.tenant()
        arrived = asyncio.Event()

        def script(request: Request, number: int, dies_at: int = dies_at, arrived: asyncio.Event = arrived) -> Reply:
            if number == dies_at:
                arrived.set()
                return Reply(text="never read", delay=30)
            turn = len(tool_replies(request))
            return Reply(calls=(("run_engine", {}),)) if turn < 2 else finding(f"After {turn} turns.")

        async with scripted_model(script) as server:
            crew = CrewHarness(case.instance, case.folder, models=settings(server, model_timeout=60), crew_cache=False)
            taken = await crew.ask(case.tenant, "crm.add", [dies_at], requires_ai=True)
            first = asyncio.create_task(crew.run(case.tenant, taken.task_id))
            await asyncio.wait_for(arrived.wait(), 20)
            first.cancel()
            with suppress(asyncio.CancelledError):
                await first
            again = CrewHarness(case.instance, case.folder, models=settings(server), crew_cache=False)
            await again.run(case.tenant, taken.task_id)
            found = await again.view(case.tenant, taken.task_id)
        assert found.engine == f"llm:{MODEL}", found.path
        assert len(server.requests) == 4  # three, and the one in flight again
        assert crew.engine_runs + again.engine_runs == ["crm.add"]
        assert found.model_calls == 3
