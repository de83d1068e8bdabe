"""Trying the configured models: a smallest possible question to each, under the same ceilings as all calls."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from pydantic_ai import Agent as LibraryAgent
from pydantic_ai.exceptions import AgentRunError, UserError

from opsteward.core.ids import uuid7
from opsteward.crew.agents.types import Agent, Level, Limits
from opsteward.crew.execution.steps import StepFailed
from opsteward.crew.execution.types import TriedModel
from opsteward.crew.language_models.calls import CallSeries, ModelsInUse
from opsteward.crew.language_models.ledger import Ledger

_SECONDS = 60.0
_TESTER = Agent(
    name="models.test",
    level=Level.WORKER,
    domain="models",
    role="Tester",
    goal="Hear whether a model answers",
    tools=(),
    engines=(),
    model=None,
    limits=Limits(seconds=_SECONDS, tokens=20_000, money=1.0, calls_per_minute=30),
    may_delegate_to=(),
    file="",
    shipped=True,
)


async def try_model(model: str, shared: ModelsInUse, ledger: Ledger) -> TriedModel:
    """Ask this model alone, once; what goes wrong is told and not raised."""
    only = replace(
        shared, settings=shared.settings.model_copy(update={"model": model, "model_fallbacks": [], "model_retries": 0})
    )
    series = CallSeries(
        shared=only,
        ledger=ledger,
        run_id=uuid7(),
        agent=_TESTER,
        place="test",
        deadline=asyncio.get_running_loop().time() + _SECONDS,
        limits_of=[_TESTER],
    )
    began = time.monotonic()
    try:
        said = (await LibraryAgent(series.model()).run("Answer with the one word: ready")).output
    except StepFailed as error:
        return TriedModel(model=model, ok=False, seconds=time.monotonic() - began, problem=error.detail, said="")
    except (AgentRunError, UserError):
        problem = "its reply could not be used"
        return TriedModel(model=model, ok=False, seconds=time.monotonic() - began, problem=problem, said="")
    return TriedModel(model=model, ok=True, seconds=time.monotonic() - began, problem="", said=said[:200])
