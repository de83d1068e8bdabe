"""Work of the crew with a scripted model, as its tests give it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from opsteward.crew.execution.types import RunView
from opsteward.crew.settings import ModelSettings, Price
from support.crew_harness import CrewHarness
from support.instance import Instance, Tenant
from support.scripted_model import (
    Reply,
    Request,
    ScriptedModel,
    scripted_model,
)

MODEL = "compatible:scripted"


PAID = {MODEL: Price(input=10, output=30)}


def settings(server: ScriptedModel | str, **fields: Any) -> ModelSettings:
    url = server if isinstance(server, str) else server.url
    values = {
        "model": MODEL,
        "model_url": url,
        "model_prices": PAID,
        "model_timeout": 2.0,
        "model_retries": 0,
        **fields,
    }
    return ModelSettings(**values)


class Case:
    """One tenant's crew with a scripted model."""

    def __init__(self, instance: Instance, tenant: Tenant, folder: Path) -> None:
        self.instance, self.tenant, self.folder = instance, tenant, folder

    async def done(
        self,
        script: Callable[[Request, int], Reply],
        *,
        work: str = "crm.add",
        models: dict[str, Any] | None = None,
        crew: dict[str, Any] | None = None,
        **fields: Any,
    ) -> tuple[RunView, list[Request]]:
        """The work, with a model behind it that acts by the script."""
        async with scripted_model(script) as server:
            harness = CrewHarness(self.instance, self.folder, models=settings(server, **(models or {})), **(crew or {}))
            found = await harness.done(self.tenant, work, requires_ai=True, **fields)
        return found, server.requests

    def calls(self) -> list[tuple[Any, ...]]:
        return self.instance.sql(
            "select status, cost_micros, input_tokens, output_tokens, error, reply, content"
            " from opsteward.crew_model_calls where tenant_id = %s order by started_at",
            self.tenant.id,
        )

    def spend(self) -> dict[str, tuple[int, int, int, int]]:
        rows = self.instance.sql(
            "select scope, reserved_micros, spent_micros, reserved_tokens, tokens from opsteward.crew_spend"
            " where tenant_id = %s",
            self.tenant.id,
        )
        return {row[0].split(" ")[0]: row[1:] for row in rows}


Script = Callable[[Request, int], Reply]
