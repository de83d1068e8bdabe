"""What calls of models took, as it is told: by day, agent and model, beside today's ceilings; of one's own tenant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from opsteward.core.clock import now
from opsteward.crew.performance.model_usage import ModelUsage, model_usage
from opsteward.crew.settings import ModelSettings, Price
from support.crew_harness import CrewHarness
from support.instance import Instance, Tenant
from support.scripted_model import Reply, finding, scripted_model

FIRST, SECOND = "compatible:first", "compatible:second"
_ADD = """
insert into opsteward.crew_model_calls (id, tenant_id, run_id, name, agent, model, status, reserved_micros, cost_micros,
                                        input_tokens, output_tokens, seconds, started_at)
values (gen_random_uuid(), %s, %s, %s, %s, %s, %s, 0, %s, %s, %s, 1.5, %s)
"""
SETTINGS = ModelSettings(
    model=FIRST, model_fallbacks=[SECOND], model_agent_day_money=0.5, model_tenant_day_money=2.0, model_call_money=0.1
)


@dataclass
class Calls:
    instance: Instance
    tenant: Tenant

    def add(
        self, *, agent: str, model: str, status: str = "done", micros: int = 0, tokens: int = 100, days: int = 0
    ) -> None:
        at = now() - timedelta(days=days)
        given = (self.tenant.id, uuid4(), "a", agent, model, status, micros, tokens, tokens // 10, at)
        self.instance.sql(_ADD, *given)

    async def usage(self, *, days: int = 7) -> ModelUsage:
        async with self.instance.services.app.unit_of_work(self.tenant.id) as session:
            return await model_usage(session, days=days, models=SETTINGS)


@pytest.fixture
def calls(instance: Instance, tenant: Tenant) -> Calls:
    return Calls(instance, tenant)


async def test_calls_are_told_by_day_agent_and_model(calls: Calls) -> None:
    calls.add(agent="crm.analyst", model=FIRST, micros=200_000)
    calls.add(agent="crm.analyst", model=FIRST, status="failed", micros=50_000, tokens=0, days=1)
    calls.add(agent="billing.clerk", model=SECOND, micros=10_000, tokens=1000, days=1)
    calls.add(agent="billing.clerk", model=SECOND, days=8)
    found = await calls.usage()
    assert (found.total.calls, found.total.failed, found.total.cost) == (3, 1, pytest.approx(0.26))
    assert [(one.name, one.calls, one.failed) for one in found.by_agent] == [
        ("crm.analyst", 2, 1),
        ("billing.clerk", 1, 0),
    ]
    assert [(one.name, one.input_tokens, one.output_tokens) for one in found.by_model] == [
        (FIRST, 100, 10),
        (SECOND, 1000, 100),
    ]
    assert found.by_fallbacks == 1
    assert [(one.calls, one.failed, one.tokens) for one in found.by_day] == [(0, 0, 0)] * 5 + [
        (2, 1, 1100),
        (1, 0, 110),
    ]
    assert found.by_day[-1].day == now().date()


async def test_nothing_was_called(calls: Calls) -> None:
    found = await calls.usage(days=1)
    assert (found.total.calls, found.by_agent, found.by_model, found.by_fallbacks) == (0, [], [], 0)
    assert [one.calls for one in found.by_day] == [0]
    assert [(one.agent, one.spent, one.most, one.share) for one in found.ceilings] == [(None, 0.0, 2.0, 0.0)]


async def test_another_tenant_sees_none_of_it(calls: Calls) -> None:
    calls.add(agent="crm.analyst", model=FIRST, micros=1)
    assert (await Calls(calls.instance, await calls.instance.tenant()).usage()).total.calls == 0


async def test_today_s_ceilings_show_what_real_calls_spent(calls: Calls, tmp_path: Path) -> None:
    async with scripted_model(lambda request, number: finding() if number else Reply(status=500)) as server:
        models = SETTINGS.model_copy(
            update={
                "model_url": server.url,
                "model_retries": 0,
                "model_prices": {FIRST: Price(input=100, output=100), SECOND: Price(input=100, output=100)},
                "model_call_money": 1.0,
                "model_agent_day_money": 1.0,
            }
        )
        harness = CrewHarness(calls.instance, tmp_path, models=models)
        view = await harness.done(calls.tenant, "crm.add", requires_ai=True)
    assert view.engine == f"llm:{SECOND}"
    found = await calls.usage()
    assert found.by_fallbacks == 1 and found.total.cost == pytest.approx(view.cost) and view.cost > 0
    assert [one.agent for one in found.ceilings] == [None, "crm.analyst"]
    assert [one.spent for one in found.ceilings] == [pytest.approx(view.cost)] * 2
    assert found.ceilings[1].share == pytest.approx(view.cost / 0.5)
