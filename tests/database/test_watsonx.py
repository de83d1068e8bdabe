"""watsonx.ai as the crew's model, over HTTP: a token for a key, the project, and the words of its interface."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from opsteward.crew.execution.types import RunView
from opsteward.crew.settings import ModelSettings, Price
from support.crew_harness import CrewHarness, result_of
from support.instance import Instance, Tenant
from support.scripted_watsonx import KEY, PROJECT, ScriptedWatsonx, scripted_watsonx

MODEL = "watsonx:ibm/granite-4-h-small"


class Case:
    def __init__(self, instance: Instance, tenant: Tenant, folder: Path, server: ScriptedWatsonx) -> None:
        self.tenant = tenant
        models = ModelSettings(
            model=MODEL, model_prices={MODEL: Price(input=10, output=30)}, model_retries=1, model_breaker_failures=50
        )
        self.models = models.model_copy(
            update={
                "watsonx_api_key": SecretStr(KEY),
                "watsonx_url": server.url,
                "watsonx_project_id": PROJECT,
                "watsonx_token_url": f"{server.url}/identity/token",
            }
        )
        self.instance, self.folder = instance, folder

    def harness(self, **changed: object) -> CrewHarness:
        return CrewHarness(self.instance, self.folder, models=self.models.model_copy(update=changed), crew_cache=False)

    async def done(self, harness: CrewHarness) -> RunView:
        return await harness.done(self.tenant, "crm.add", requires_ai=True)


async def test_work_is_reasoned_about_by_a_model_of_watsonx(instance: Instance, tenant: Tenant, tmp_path: Path) -> None:
    async with scripted_watsonx() as server:
        case = Case(instance, tenant, tmp_path, server)
        harness = case.harness()
        found = await case.done(harness)
        assert found.engine == f"llm:{MODEL}"
        (said,) = result_of(found)["reasoning"].values()
        assert said["analysis"] == "Said by watsonx."
        assert found.cost == pytest.approx(0.0016)  # 100 tokens in at 10 and 20 out at 30 US dollars a million
        await case.done(harness)
    assert (server.tokens, len(server.calls)) == (1, 2)
    call = server.calls[0]
    assert (call["model_id"], call["project_id"], call["tool_choice_option"]) == (
        "ibm/granite-4-h-small",
        PROJECT,
        "required",
    )


async def test_a_token_is_renewed_before_it_ends_and_when_it_is_refused(
    instance: Instance, tenant: Tenant, tmp_path: Path
) -> None:
    async with scripted_watsonx() as server:
        case = Case(instance, tenant, tmp_path, server)
        server.expires_in = 1
        harness = case.harness()
        await case.done(harness)
        await case.done(harness)
        assert server.tokens == 2
        server.expires_in = 3600
        await case.done(harness)
        server.taken = "revoked"
        refused = await case.done(harness)
        again = await case.done(harness)
    assert (refused.engine, again.engine) == ("rules", f"llm:{MODEL}")
    assert server.tokens == 4


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"watsonx_project_id": None}, "WATSONX_PROJECT_ID is not set"),
        ({"watsonx_api_key": None}, "WATSONX_API_KEY is not set"),
        ({"watsonx_url": None}, "WATSONX_URL is not set"),
        ({"watsonx_api_key": SecretStr("another")}, "answered 400"),
        ({"watsonx_token_url": "http://127.0.0.1:9/token"}, "could not be reached"),
    ],
)
async def test_without_its_settings_work_is_done_by_rules_and_the_path_says_why(
    instance: Instance, tenant: Tenant, tmp_path: Path, changed: dict[str, object], told: str
) -> None:
    async with scripted_watsonx() as server:
        case = Case(instance, tenant, tmp_path, server)
        found = await case.done(case.harness(**changed))
    assert found.engine == "rules" and found.result is not None
    assert told in " ".join(one.reason for one in found.path)
